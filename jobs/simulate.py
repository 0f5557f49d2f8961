"""`beholder simulate`: simulated people of the portrait world answer questions; how good recommendations become, how fast, and
whether what people are told of them is true.

Every kind of ranker is tuned first, on other people than those who are asked, with the same number of trials, its defaults the
first of them; then each asks by its own strategies. What people did is kept in the workspace, so that a run that was cut off goes
on where it was, as long as neither settings nor code change.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray

import beholder
from beholder import plots
from beholder.config import dump, setting
from beholder.editing import generator_store
from beholder.editing.stylegan import StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError, closest, nearest
from beholder.jobs import _ground_truth_tasks, _placement
from beholder.jobs._ground_truth_tasks import ImageSource
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.recommending import acquisition
from beholder.recommending.acquisition import QuestionsConfig
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers import bayes_ranker, ranker_factory
from beholder.recommending.rankers.choice_noise import EVERYBODY_ALIKE
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.reports.markup import markdown_table
from beholder.reports.simulation_report import TITLES, courses, simulation_report
from beholder.runs import Run
from beholder.simulation import noticeable, rounds, simulated_people, summary
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.rounds import Trajectory, curves
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig
from beholder.simulation.summary import Cell, Results
from beholder.storage import Place
from beholder.tuning.search_space import apply, overrides, read_space, sample
from beholder.workspace import Workspace

ALONE = "bayes alone"  # the Bayesian ranker before anybody else has chosen anything
ALIKE = "bayes one noise"  # the same with one noise for everybody, and questions of any kind: without what `calibration` measures
KNOWN = "bayes kinds known"  # the same told how many people there are of each kind: what answers can tell at best
FREE = "bayes any directions"  # the same with questions that differ in any number of directions
_SHOWN = (0, 5, 10, 20, 50)
_CALIBRATED = (5, 10, 20, 50)
_TOLD = (("bayes", "eubo"), (ALONE, "eubo"), (KNOWN, "eubo"))
_CALIBRATION = 500_001  # what is added to the seed for people by kind
_TUNING = 1_000_003  # what is added to the seed for people who are used for tuning alone
# what decides, beside the people, the ranker and the strategy, what a person does
_DECISIVE = (
    "rounds",
    "others",
    "each",
    "images",
    "others_images",
    "first_image",
    "questions",
    "candidates",
    "ranker",
    "encoder",
    "seed",
)
_OBJECTIVES = ("regret", "chance")
_AT_ONCE = 10  # people in a task
Ref = Any  # a reference into Ray's store


@dataclass(frozen=True)
class SimulateSettings:
    common: ClassVar[tuple[str, ...]] = (
        "rankers",
        "strategies",
        "rounds",
        "images",
        "trials",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder simulate",
        "beholder simulate rankers=[bayes] strategies=[eubo,random] rounds=20",
    )
    rankers: list[str] = setting(
        [*ranker_factory.KINDS, ALONE],
        f"of {', '.join(ranker_factory.KINDS)}; {ALONE}: without others' choices; {ALIKE}: any questions, one noise for all; "
        f"{KNOWN}: told how many there are of each kind; {FREE}: questions that differ in any directions",
    )
    strategies: list[str] = setting(["random", "thompson", "eubo", "information"], f"of {', '.join(acquisition.STRATEGIES)}")
    rounds: int = setting(50, "questions that everybody is asked")
    people: SimulatedPeopleConfig = setting(SimulatedPeopleConfig(), "who is asked")
    others: SimulatedPeopleConfig = setting(
        SimulatedPeopleConfig(random=4, first=2), "other people, whose choices about other images the rankers are fitted to"
    )
    each: int = setting(40, "choices of each of the others")
    calibrated: SimulatedPeopleConfig = setting(
        SimulatedPeopleConfig(steady=24, noisy=24, drifting=24, random=24, first=24),
        "people of each kind, by whom what is told is compared with what is true",
    )
    calibrate: bool = setting(True, "whether that is measured")
    images: int = setting(12, "portraits before the people")
    others_images: int = setting(8, "portraits before the others, and before those used for tuning")
    first_image: int = setting(100, "seed of the first portrait; the others follow")
    questions: QuestionsConfig = setting(QuestionsConfig(), "which questions are asked")
    trials: int = setting(6, "settings of each kind of ranker that are tried on people used for tuning alone; 1: its defaults")
    tuned_on: SimulatedPeopleConfig = setting(SimulatedPeopleConfig(steady=12, noisy=3, drifting=2), "people used for tuning")
    tuned_by: str = setting("regret", f"what the settings are chosen by: {' or '.join(_OBJECTIVES)}, how far what is told is off")
    tuned_rounds: int = setting(20, "questions that each of them is asked")
    spaces: dict[str, Any] = setting({}, "by kind of ranker, the settings to try and their values, as in `tune`'s spaces")
    chance_spaces: dict[str, Any] = setting({}, "the same for tuned_by=chance")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits that people choose among")
    ranker: RankerConfig = setting(RankerConfig(), "the settings of each kind of ranker")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    seed: int = setting(0, "seed of the people and their answers")
    ray: RayConfig = setting(RayConfig(), "where people are asked")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        for name, known in (
            ("rankers", [*ranker_factory.KINDS, ALONE, ALIKE, KNOWN, FREE]),
            ("strategies", list(acquisition.STRATEGIES)),
        ):
            chosen = getattr(self, name)
            if not chosen:
                raise ConfigError(f"{name}: expected at least one of {', '.join(known)}")
            for each in chosen:
                if each not in known:
                    near = closest(each, known)
                    raise ConfigError(f"{name}: {each} is none of {', '.join(known)}{f'; did you mean {near}?' if near else ''}")
        if min(self.images, self.others_images, self.rounds, self.each, self.trials, self.tuned_rounds) < 1:
            raise ConfigError("images, others_images, rounds, each, trials and tuned_rounds must be at least 1")
        if self.tuned_by not in _OBJECTIVES:
            raise ConfigError(f"tuned_by={self.tuned_by}: expected {' or '.join(_OBJECTIVES)}")
        for name, spaces in (("spaces", self.spaces), ("chance_spaces", self.chance_spaces)):
            for kind, space in spaces.items():
                if kind not in ranker_factory.KINDS:
                    raise ConfigError(f"{name}: {kind} is no kind of ranker{nearest(kind, list(ranker_factory.KINDS))}")
                read_space(space, getattr(self.ranker, kind))


def main(settings: SimulateSettings, run: Run) -> None:
    fetch(settings.encoder.resolved())
    with connect(settings.ray):
        truth = draw(settings)
        shared = ray.put(truth)
        ours, theirs = range(settings.others_images, len(truth)), range(settings.others_images)
        people = simulated_people.people(settings.people, truth, ours, seed=2 * settings.seed)
        others = simulated_people.people(settings.others, truth, theirs, seed=2 * settings.seed + 1)
        comparisons = simulated_people.comparisons(truth, others, each=settings.each, seed=settings.seed)
        distances = _noticeable.remote(settings, shared)
        settings, trials = tune(settings, truth, shared)
        results = ask(settings, shared, people, comparisons, _cells(settings))
        judged = simulated_people.people(settings.calibrated, truth, ours, seed=2 * settings.seed + _CALIBRATION)
        cells = [cell for cell in _cells(settings) if cell in _TOLD] if settings.calibrate else []
        told = ask(settings, shared, judged, comparisons, [(ALIKE, "eubo"), *cells] if cells else [])
        least, usual = ray.get(distances)
    print(f"just noticeable difference of two embeddings: {least:.4f}, of an edit's usual change {least / usual:.3f}\n")
    report(results, people, trials, (told, judged), run, noticeable=least / usual)


def tune(settings: SimulateSettings, truth: GroundTruth, shared: Ref) -> tuple[SimulateSettings, pd.DataFrame]:
    """Return the settings with the best of each kind's trials, and the trials: mean regret over the rounds and strategies' best, or
    by `chance` the largest error of what a kind of people is told after 5, 10, 20 or 50 choices.

    A kind's own best strategy counts. The people are none of those who are asked later, nor of the others.
    """
    spaces = settings.spaces if settings.tuned_by == "regret" else settings.chance_spaces
    kinds = [kind for kind in ranker_factory.KINDS if kind in settings.rankers and settings.trials > 1 and kind in spaces]
    seed = 2 * (settings.seed + _TUNING)
    people = simulated_people.people(settings.tuned_on, truth, range(settings.others_images), seed=seed)
    others = simulated_people.people(settings.others, truth, range(settings.others_images), seed=seed + 1)
    comparisons = simulated_people.comparisons(truth, others, each=settings.each, seed=seed)
    rows, ranker = [], settings.ranker
    for kind in kinds:
        space = read_space(spaces[kind], getattr(settings.ranker, kind))
        points: list[dict[str, Any]] = [{}, *sample(space, settings.trials - 1, seed=settings.seed)]
        tried = []
        for point in points:
            config = replace(settings.ranker, **{kind: apply(space, point, getattr(settings.ranker, kind))})
            trial = replace(settings, ranker=config, rankers=[kind], rounds=settings.tuned_rounds)
            results = ask(trial, shared, people, comparisons, _cells(trial), label=f"tune {kind}")
            value, strategy = min((_objective(settings, each, people), cell[1]) for cell, each in results.items())
            tried.append((value, strategy, config))
            rows.append({"ranker": kind, "settings": " ".join(overrides(space, point, prefix="")) or "defaults",
                         "strategy": strategy, settings.tuned_by: value})  # fmt: skip
        best = min(tried, key=lambda each: each[0])[2]
        ranker = replace(ranker, **{kind: getattr(best, kind)})
    return replace(settings, ranker=ranker), pd.DataFrame(rows, columns=["ranker", "settings", "strategy", settings.tuned_by])


def _objective(settings: SimulateSettings, trajectories: Sequence[Trajectory], people: Sequence[SimulatedChooser]) -> float:
    """Return what a trial is judged by; less is better."""
    if settings.tuned_by == "regret":
        return float(curves(trajectories, "regret").mean())
    last = settings.tuned_rounds
    return summary.largest_error(trajectories, people, [count for count in _CALIBRATED if count <= last] or [last])


def draw(settings: SimulateSettings) -> GroundTruth:
    """Return the portraits under every candidate, from the workspace or drawn by tasks and kept there."""
    source = _source(settings)
    return _ground_truth_tasks.draw(
        source, range(settings.first_image, settings.first_image + settings.images + settings.others_images)
    )


def ask(
    settings: SimulateSettings,
    shared: Ref,
    people: Sequence[SimulatedChooser],
    others: Sequence[Comparison],
    cells: Sequence[Cell],
    *,
    label: str = "simulate",
) -> dict[Cell, list[Trajectory]]:
    """Return everybody's trajectory with each of these rankers and strategies. others: the choices that rankers are fitted to."""
    comparisons = ray.put(others)
    parts = [range(start, min(start + _AT_ONCE, len(people))) for start in range(0, len(people), _AT_ONCE)]
    folder = Workspace(settings.workspace).place / "simulations" / _key(settings, people, label)
    places = {(cell, part.start): folder / f"{'-'.join(cell)}-{part.start}.npz" for part in parts for cell in cells}
    missing = {name for name, place in places.items() if not place.is_file()}
    kinds = dict.fromkeys(kind for (kind, _), _ in places if any(cell[0] == kind for cell, _ in missing))
    asked = ray.put(people)
    rankers = {kind: _fit.remote(kind, settings, comparisons, shared, asked) for kind in kinds}
    tasks = [
        _play.remote(rankers[cell[0]], cell, [people[i] for i in part], shared, settings, part, places[cell, part.start])
        for part in parts
        for cell in cells
        if (cell, part.start) in missing
    ]
    with Progress(label, total=len(people) * len(cells), unit="people") as progress:
        progress.advance(sum(len(part) for part in parts for cell in cells if (cell, part.start) not in missing))
        for done in _placement.as_completed(tasks):
            progress.advance(done)
    return {cell: [each for part in parts for each in rounds.parse(places[cell, part.start].read_bytes())] for cell in cells}


def _key(settings: SimulateSettings, people: Sequence[SimulatedChooser], label: str) -> str:
    """Return a name that changes with all that decides what comes of these people: settings, people and the library's code."""
    decisive = {name: getattr(settings, name) for name in _DECISIVE}
    key = hashlib.sha256(dump(replace(SimulateSettings(), **decisive)).encode() + label.encode())
    for person in people:
        key.update(f"{person.user_id} {person.kind} {person.image}".encode() + person.first.tobytes())
    for part in ("recommending", "simulation"):
        for path in sorted(Path(beholder.__path__[0], part).rglob("*.py")):
            key.update(path.read_bytes())
    return key.hexdigest()[:16]


def report(
    results: Results,
    people: Sequence[SimulatedChooser],
    trials: pd.DataFrame,
    judged: tuple[Results, Sequence[SimulatedChooser]],
    run: Run,
    *,
    noticeable: float,
) -> None:
    """Write the tables, the figure and the goals. judged: trajectories of people by kind, and the people.

    noticeable: the share of an edit's usual change that can be told apart.
    """
    run.results(summary.table(results, people))
    means = {(cell, figure): summary.means(results[cell], figure) for cell in results for figure in rounds.FIGURES}
    last = len(means[next(iter(means))]) - 1
    shown = [count for count in _SHOWN if count <= last]
    told = {
        cell: summary.calibration(each, judged[1], [n for n in _CALIBRATED if n <= last] or [last])
        for cell, each in judged[0].items()
    }
    run.metrics(
        {"people": len(people), "noticeable": noticeable}
        | {
            f"told/{'/'.join(cell)}/{each.kind}/{each.rounds}/{name}": value
            for cell, rows in told.items()
            for each in rows
            for name, value in (("told", each.told), ("true", each.true), ("error", each.error.mean))
        }
        | {
            f"{'/'.join(cell)}/{count}/{figure}{end}": getattr(means[cell, figure][count], part)
            for (cell, figure), count in itertools.product(means, shown)
            for end, part in (("", "mean"), (".low", "low"), (".high", "high"))
        }
    )
    lines = []
    for figure, title in {**TITLES, "regret_logits": "regret, in logits"}.items():
        rows = [
            (*cell, *(f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in (means[cell, figure][n] for n in shown)))
            for cell in results
        ]
        header = ["ranker", "questions", *map(str, shown)]
        lines += [f"{title}, after so many choices", "", *markdown_table(header, rows, align="ll" + "r" * len(shown)), ""]
    if summary.BEST in results:
        kinds = summary.by_kind(results[summary.BEST], people, "preferred")
        counts = [(kind, many, *(f"{values[n]:.3f}" for n in shown)) for kind, (many, values) in kinds.items()]
        header = ["people", "how many", *map(str, shown)]
        lines += [f"{' '.join(summary.BEST)}, {TITLES['preferred']}, by kind of people", ""]
        lines += [*markdown_table(header, counts, align="lr" + "r" * len(shown)), ""]
    if len(trials):
        lines += [f"rankers tuned on other people, {trials.groupby('ranker').size().max()} trials each", ""]
        lines += [*markdown_table(list(trials.columns), [(*row[:3], f"{row[3]:.4f}") for row in trials.itertuples(index=False)],
                                  align="lllr"), ""]  # fmt: skip
    for cell, calibrations in told.items():
        lines += [f"{' '.join(cell)}: told that the recommended edit is preferred to the original, and what is true", ""]
        cells = [
            (each.kind, each.people, each.rounds, f"{each.told:.3f}", f"{each.true:.3f}", str(each.error)) for each in calibrations
        ]
        lines += [*markdown_table(["people", "how many", "choices", "told", "true", "told - true"], cells, align="lrrrrr"), ""]
    words = {True: "reached", False: "MISSED", None: "CAN'T BE TOLD"}
    lines += [f"- {words[goal.reached]}: {goal.claim}: {goal.measured}" for goal in summary.goals(results)]
    plots.save(run.place, "courses", courses(results, len(people)))
    page = simulation_report(results, people, shown=shown, told=told, trials=trials)
    page.write(run)
    run.summary(
        "\n".join([f"# {len(people)} simulated people", "", page.verdict, "", *lines, "", "![courses](figures/courses.png)", ""])
    )
    print("\n".join(lines))
    print(f"\n{run.place.uri}/report.html")


def _source(settings: SimulateSettings) -> ImageSource:
    return ImageSource(generator_store.SHIPPED, StyleGANConfig(), settings.encoder, settings.candidates, settings.workspace)


def _cells(settings: SimulateSettings) -> list[Cell]:
    """Return rankers with strategies; those without uncertainty do the same with every strategy but `random`."""
    cells: list[Cell] = []
    for kind, strategy in itertools.product(settings.rankers, settings.strategies):
        uncertain = kind.startswith("bayes")
        cells.append((kind, strategy if uncertain or strategy == "random" else acquisition.CHAMPION))
    return list(dict.fromkeys(cells))


@ray.remote(num_cpus=1)
def _fit(
    kind: str,
    settings: SimulateSettings,
    comparisons: Sequence[Comparison],
    truth: GroundTruth,
    people: Sequence[SimulatedChooser],
) -> Ranker:
    """Fit a kind of ranker. people: who is asked; by the candidates of the first one's image the regressors of ALONE are scaled."""
    if kind == ALIKE:
        return bayes_ranker.fit(comparisons, replace(settings.ranker.bayes, noise=EVERYBODY_ALIKE))
    if kind == ALONE:
        return bayes_ranker.begin(simulated_people.edit_set(truth, people[0].image), settings.ranker.bayes)
    if kind == KNOWN:
        fitted = bayes_ranker.fit(comparisons, settings.ranker.bayes)
        return fitted.with_noise(replace(fitted.noise, prior=simulated_people.shares(people, fitted.noise)))
    kind = "bayes" if kind == FREE else kind
    return ranker_factory.fit(comparisons, replace(settings.ranker, kind=kind), seed=settings.seed)


@ray.remote(num_cpus=1)
def _noticeable(settings: SimulateSettings, truth: GroundTruth) -> tuple[float, float]:
    """Return the just noticeable difference of embeddings, and the usual change under a candidate."""
    source = _source(settings)
    editor, encoder = source.editor(), Encoder.load(settings.encoder)
    pictures = editor.edit(editor.generate(list(truth.seeds)), [{}] * len(truth), size=encoder.size)
    least = noticeable.just_noticeable_difference(encoder, pictures, seed=settings.seed)
    return least, noticeable.usual_change(truth.original_embeddings, truth.embeddings)


@ray.remote(num_cpus=1)
def _play(
    ranker: Ranker,
    cell: Cell,
    people: Sequence[SimulatedChooser],
    truth: GroundTruth,
    settings: SimulateSettings,
    numbers: Sequence[int],
    place: Place,
) -> int:
    """Keep the trajectories of some people, and return how many they are. numbers: theirs among all."""
    strategy = "eubo" if cell[1] == acquisition.CHAMPION else cell[1]
    differ = None if cell[0] == FREE else settings.questions.differ
    questions = acquisition.ANY if cell[0] == ALIKE else replace(settings.questions, differ=differ)
    trajectories = [
        rounds.play(ranker, strategy, person, truth, rounds=settings.rounds, seed=_seed(settings.seed, number), questions=questions)
        for person, number in zip(people, numbers, strict=True)
    ]
    place.write_bytes(rounds.dump(trajectories))
    return len(trajectories)


def _seed(seed: int, number: int) -> int:
    """Return the seed of a person's questions and answers, the same with every ranker."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
