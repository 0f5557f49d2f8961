"""A report of every kind, from small fixed results, in which people and attributes have the names that nobody wants to meet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beholder import evaluation
from beholder.recommending.ranking import ScoredEdit
from beholder.reports.demo_report import DemoStep, demo_report
from beholder.reports.quality_report import quality_report
from beholder.reports.recommendation_report import recommendation_report
from beholder.reports.report import Report
from beholder.reports.search_report import search_report
from beholder.reports.simulation_report import simulation_report
from beholder.reports.taste_report import evaluation_report, few_shot_report, training_report
from beholder.runs import Run
from beholder.simulation import summary
from beholder.simulation.rounds import FIGURES, Trajectory
from beholder.statistics import Interval
from beholder.storage import Place

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "\"><img src=x onerror=document.title='taken'>",
    "' onmouseover='x",
    "$\\frac{1}{$ ]]> --> </style></svg>",
    "\u202egnihtyna\x00 \x1b[31m",
    "Zoë 佐藤 🙂 a name that goes on and on and on and on and on and on",
)
PEOPLE = (*HOSTILE, "79b64dae036036c0790c453f", *(f"ana-{number}" for number in range(8)))


def agreement(*, seed: int = 0, gain: float = 0.15) -> pd.DataFrame:
    """What `evaluation.agree` returns, of made-up people."""
    rng = np.random.default_rng(seed)
    rows = []
    for user_id in PEOPLE:
        for attribute in ("smart", HOSTILE[1], HOSTILE[3]):
            population, own = rng.uniform(0.55, 0.7), gain + rng.normal(0, 0.1)
            rows.append(
                {
                    "user_id": user_id,
                    "attribute": attribute,
                    "pairs": int(rng.integers(20, 220)),
                    "accuracy.personal": population + own,
                    "accuracy.population": population,
                    "gain": own,
                    "gain.low": own - 0.08,
                    "gain.high": own + 0.08,
                    "logloss.personal": 0.5,
                    "logloss.population": 0.6,
                    "srcc.personal": np.nan if attribute == "smart" else 0.4,
                    "srcc.population": 0.3,
                }
            )
    return pd.DataFrame(rows)


def evaluated() -> Report:
    """Two tastes, one of them without a gain."""
    tables = {"bayes": agreement(), HOSTILE[0]: agreement(seed=1, gain=0.0)}
    figures = {name: evaluation.figures(table) | {"calibration.error": 0.02} for name, table in tables.items()}
    ahead = {HOSTILE[0]: Interval(0.1, 0.05, 0.15)}
    return evaluation_report("bayes", tables, figures, split="image", ahead=ahead, ceiling=(0.9, 120))


def few_shot_tables() -> dict[str, dict[int, pd.DataFrame]]:
    """Two tastes after 0, 5 and 20 comparisons."""
    return {
        name: {count: agreement(seed=count, gain=gain * count / 20) for count in (0, 5, 20)}
        for name, gain in (("bayes", 0.1), ("mlp", 0.04))
    }


def met() -> Report:
    """The report of `few_shot_tables`."""
    tables = few_shot_tables()
    curves = {}
    for name, counts in tables.items():
        people = {count: each.groupby("user_id")[["gain", "accuracy.personal"]].mean() for count, each in counts.items()}
        rows = evaluation.summarise({count: each["gain"].to_numpy() for count, each in people.items()})
        curves[name] = rows.assign(accuracy=[each["accuracy.personal"].mean() for each in people.values()])
    return few_shot_report("bayes", curves, tables)


def trained() -> Report:
    """A network's fit over twelve epochs."""
    table = agreement(seed=2)
    epochs = [{"epoch": at, "loss": 0.7 / (at + 1) ** 0.5, "held_out_loss": 0.7 / (at + 1) ** 0.3 + 0.01 * at} for at in range(12)]
    trust = {attribute: dict.fromkeys(PEOPLE, 0.9) for attribute in ("smart", HOSTILE[1])}
    return training_report(
        "mlp",
        "mlp",
        table,
        evaluation.figures(table),
        attributes=["smart", HOSTILE[1], HOSTILE[3]],
        encoder_id="portraits",
        judgements=(2100, 300),
        trust=trust,
        epochs=epochs,
    )


def searched() -> Report:
    """Twelve settings of a network."""
    rng = np.random.default_rng(0)
    settings = pd.DataFrame(
        {
            "widths": rng.choice(["[]", "[64]", "[256, 64]"], 12),
            "dropout": rng.uniform(0, 0.5, 12),
            "fit.learning_rate": 10 ** rng.uniform(-4, -1, 12),
        }
    )
    trials = settings.assign(loss=rng.uniform(0.5, 0.7, 12), seconds=1.0, gpus=0.0, best_for=1)
    people = pd.DataFrame(
        {
            "user_id": PEOPLE,
            "judgements": 100,
            "best.trial": 1,
            "best": "widths=[] dropout=0.1",
            "accuracy.chosen.best": rng.uniform(0.7, 0.8, len(PEOPLE)),
            "accuracy.chosen.pooled": 0.68,
            "accuracy.reported.best": rng.uniform(0.6, 0.75, len(PEOPLE)),
            "accuracy.reported.pooled": 0.66,
            "p": 0.2,
            "kept": ["own", "pooled", *["pooled"] * (len(PEOPLE) - 2)],
            "accuracy.reported.kept": 0.66,
        }
    )
    metrics = {
        "people": len(PEOPLE),
        "people.own": 1,
        "settings": 12,
        "settings.stopped": 3,
        "accuracy.reported.pooled": 0.66,
        "accuracy.reported.luckiest": 0.65,
        "accuracy.reported.kept": 0.66,
        "pooled.setting": "widths=[64]",
    }
    importance = {"widths": 0.2, "dropout": 0.1, "fit.learning_rate": 0.7}
    return search_report(
        "mlp",
        f"{len(PEOPLE)} people, 12 settings.",
        metrics,
        people=people,
        trials=trials,
        settings=settings,
        logs=["fit.learning_rate"],
        importance=importance,
        command="beholder train taste=mlp taste.mlp.widths=[64]",
    )


class Chooser:
    """Somebody simulated, as the report knows them."""

    def __init__(self, user_id: str, kind: str) -> None:
        self.user_id, self.kind = user_id, kind


def judged_people() -> Report:
    """People of every verdict, and some of whom a measure says nothing."""
    rng = np.random.default_rng(0)
    count = len(PEOPLE)
    right = np.linspace(0.45, 0.9, count)
    table = pd.DataFrame(
        {
            "user_id": PEOPLE,
            "verdict": ["random", "biased", "doubtful", "too few", *["believed"] * (count - 4)],
            "weight": [0.0, 0.0, 0.4, 0.9, *[1.0] * (count - 4)],
            "reasons": [f"named {HOSTILE[0]}; predicted right in {each:.0%} of the cases that there are" for each in right],
            "judgements": rng.integers(20, 4000, count),
            "predictability": np.where(np.arange(count) == 3, np.nan, right),
            "predictability.low": right - 0.05,
            "predictability.high": right + 0.05,
            "agreement": right - 0.1,
            "consistency": np.where(np.arange(count) % 2, np.nan, 0.9),
            "retest": rng.uniform(0.5, 0.9, count),
            "left": rng.uniform(0.4, 0.6, count),
            "same_score": rng.uniform(0.3, 0.5, count),
            "cyclic": np.nan,
            "fast": rng.uniform(0, 0.1, count),
            "seconds": rng.uniform(1, 9, count),
        }
    )
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    alpha = {"": Interval(0.12, 0.1, 0.14), HOSTILE[1]: Interval(0.2, -0.1, 0.3), "smart": unknown}
    matrix = pd.DataFrame(np.corrcoef(rng.normal(size=(count, 30))), index=PEOPLE, columns=PEOPLE)
    return quality_report(table, alpha, matrix, usual=0.81, usable=True, workspace="s3://ana:secret@bucket/w")


def simulated() -> Report:
    """The report of `trajectories`."""
    results, people = trajectories()
    told = {("bayes", "eubo"): summary.calibration(results["bayes", "eubo"], people, (5, 20))}
    trials = pd.DataFrame([{"ranker": "bayes", "settings": "defaults", "strategy": "eubo", "regret": 0.2}])
    return simulation_report(results, people, shown=(0, 5, 10, 20), told=told, trials=trials)


def trajectories() -> tuple[dict[tuple[str, str], list[Trajectory]], Any]:
    """Rankers and strategies over 20 rounds, some of which end at the same place, and who was asked."""
    rng = np.random.default_rng(0)
    people = [Chooser(user_id, "noisy" if number % 4 == 0 else "steady") for number, user_id in enumerate(PEOPLE)]
    cells = [("bayes", "eubo"), ("bayes", "random"), ("bayes", "thompson"), ("logistic", "champion"), ("ranknet", "champion")]
    rounds = np.arange(21)
    results = {}
    for number, cell in enumerate(cells):
        climb = 1 - np.exp(-rounds / (6 + number))
        results[cell] = [
            Trajectory(
                regret=0.5 - 0.4 * climb + noise,
                regret_logits=2 - climb + noise,
                preferred=0.5 + 0.4 * climb - noise,
                accuracy=0.5 + 0.2 * climb - noise,
                told=0.5 + 0.45 * climb,
                image=row % 3,
            )
            for row, noise in enumerate(rng.uniform(0, 0.05, len(people)))
        ]
    assert set(FIGURES) < set(vars(next(iter(results.values()))[0]))
    return results, people


def recommended() -> Report:
    """Four edits for somebody with a long name."""
    edits = [
        ("smile +1.4, glasses +2", ScoredEdit({"smile": 1.4, "glasses": 2}, 1.2, 0.4, 0.81)),
        ("older -1", ScoredEdit({"older": -1}, 0.8, 0.5, 0.7)),
        ("hair length +3", ScoredEdit({"hair_length": 3}, 0.1, 0.6, 0.52)),
        ("as it is", ScoredEdit({}, 0.0, 0.0, 0.5)),
    ]
    return recommendation_report(HOSTILE[5], 8, edits, ["You like a smile."], pictures(4), candidates=1000)


def demonstrated() -> Report:
    """Three steps and two questions."""
    steps = [
        DemoStep("Read the spreadsheets", "beholder import source=sample", 2.0, "24 people, 600 images."),
        DemoStep("Evaluate", "beholder evaluate", 40.0, "Better.", "../evaluate-1/report.html"),
        DemoStep("Ask", "curl 'http://127.0.0.1:8000/v1/questions'", 8.0),
    ]
    rounds = pd.DataFrame({"left": ["smile +1", "as it is"], "right": ["older +2", "smile +2"], "choice": "left", "seconds": 1.25})
    one, other = pictures(2)
    return demo_report(
        steps,
        user_id=PEOPLE[6],
        edit="smile +1",
        probability=0.9,
        better=0.7,
        reasons=["You like a smile."],
        pictures=(one, other),
        rounds=rounds,
    )


def pictures(count: int) -> list[np.ndarray]:
    """Pictures that can be told apart."""
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    return [np.stack([np.roll(np.tile(ramp, (128, 1)), 20 * at, axis=1)] * 3, axis=2) for at in range(count)]


def finished_run(folder: Path) -> Run:
    """A run folder with what a report says of it, and a password on its command line."""
    run = Run(
        Place.at(folder / "evaluate-20260101T000000Z"),
        "evaluate",
        ["taste=bayes", "choices=postgresql://ana:secret@host/db", "a b"],
    )
    run.write_json("environment.json", {"version.beholder": "0.2.0", "commit": "0123456789ab", "cores": 2, "device": "cpu"})
    return run


SAMPLES: dict[str, Callable[[], Report]] = {
    "quality": judged_people,
    "evaluate": evaluated,
    "evaluate-person": met,
    "train": trained,
    "tune": searched,
    "simulate": simulated,
    "recommend": recommended,
    "demo": demonstrated,
}
