"""`beholder bench tune`: how many fits a minute a search makes with everybody's networks stacked, beside a trial for each fit.

Simulated people with known linear tastes over random embeddings; the same settings both ways. Stacked: a trial is a setting for
everybody. One by one: a trial is a setting for one person, on a sample of them, and fits what `taste=mlp` fits for one person.
All run under the same Ray Tune with the same cores; what is measured is from the start of a search to its end. One by one is
measured with a new process for each trial, as Tune has it by default, and with processes that go from trial to trial.
"""

import os
import tempfile
import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray
import ray.tune

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.jobs import _placement
from beholder.jobs._search import results_of
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_values
from beholder.runs import Run, log
from beholder.taste import mlp, validation
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.mlp import MlpConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.tuning import search_space, selection, stacked
from beholder.tuning.search_space import SearchSpace
from beholder.tuning.trial import Trial

Points = list[dict[str, Any]]  # settings to try, each a value for every knob


@dataclass(frozen=True)
class BenchTuneSettings:
    common: ClassVar[tuple[str, ...]] = (
        "people",
        "settings",
        "sample",
        "judgements",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench tune",
        "beholder bench tune people=16 settings=8 sample=8",
    )
    people: int = setting(64, "simulated people")
    settings: int = setting(32, "settings to try for each of them, drawn from the space")
    sample: int = setting(32, "pairs of a person and a setting that are fitted one by one")
    judgements: int = setting(200, "comparisons of each person to fit to; half as many to stop by, and as many to report on")
    dims: int = setting(512, "length of the random embeddings")
    images: int = setting(300, "images of each of the three parts")
    space: dict[str, str] = setting({}, "knob: what may be tried, as for tune")
    mlp: MlpConfig = setting(MlpConfig(), "the settings that are not tried")
    block: int = setting(64, "networks in one stacked product")
    seed: int = setting(0, "seed of the people, the settings and the fits")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        for name in ("people", "settings", "sample", "judgements", "dims", "block"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.sample > self.people * self.settings:
            raise ConfigError(f"sample={self.sample} is more than the {self.people} x {self.settings} fits that there are")


def main(settings: BenchTuneSettings, run: Run) -> None:
    space = search_space.read_space(settings.space, settings.mlp)
    points = search_space.sample(space, settings.settings, seed=settings.seed)
    trial, items = crowd(settings)
    rng = np.random.default_rng(settings.seed)
    cells = rng.choice(settings.people * settings.settings, settings.sample, replace=False)
    pairs = [(int(cell % settings.people), int(cell // settings.people)) for cell in cells]
    shared = {"trial": trial, "items": items, "space": space, "points": points, "base": settings.mlp}
    # Tune's own tables and TensorBoard files of each trial are left out both ways.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    with connect(settings.ray), tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        warm_up()
        whole, stacked_seconds = search(everybody, shared, [{"point": row} for row in range(len(points))], scratch, reuse=True)
        asked = [{"point": row, "person": who} for who, row in pairs]
        single, reused_seconds = search(somebody, shared, asked, scratch, reuse=True)
        _, single_seconds = search(somebody, shared, asked, scratch, reuse=False)
    table = {one["point"]: one["accuracy"] for one in whole}
    rows = [
        {"user_id": trial.train.people[one["person"]], "setting": one["point"], "accuracy.single": one["accuracy"]}
        | {"accuracy.stacked": table[one["point"]][one["person"]]}
        for one in single
    ]
    frame = pd.DataFrame(rows).sort_values(["setting", "user_id"])
    report(run, settings, frame, {"stacked": stacked_seconds, "single": single_seconds, "reused": reused_seconds})


def crowd(settings: BenchTuneSettings) -> tuple[Trial, np.ndarray]:
    """Simulated people: u = w . embedding with a w of their own, comparisons with the noise of a logistic choice."""
    rng = np.random.default_rng(settings.seed)
    items = rng.normal(size=(3 * settings.images, settings.dims)).astype(np.float32)
    # Tastes lie in few dimensions, as people's do, so that a few hundred judgements can tell something.
    basis = np.linalg.qr(rng.normal(size=(settings.dims, min(8, settings.dims))))[0]
    tastes = 2 * rng.normal(size=(settings.people, basis.shape[1])) @ basis.T
    parts = []
    for part, count in enumerate((settings.judgements, settings.judgements // 2, settings.judgements // 2)):
        shape = settings.people, max(count, 2)
        left = rng.integers(settings.images, size=shape)
        right = (left + rng.integers(1, settings.images, size=shape)) % settings.images
        left, right = left + part * settings.images, right + part * settings.images
        utility = tastes @ items.T
        who = np.arange(settings.people)[:, None]
        gap = utility[who, left] - utility[who, right] + rng.logistic(size=shape)
        person = np.repeat(np.arange(settings.people), shape[1])
        nothing = np.zeros(0, np.int64)
        parts.append(
            JudgementDataset(
                tuple(f"person {number:03d}" for number in range(settings.people)),
                tuple(f"image {number:04d}" for number in range(len(items))),
                ("attractive",),
                RatingTable(nothing, nothing, nothing, np.zeros(0, np.float32)),
                ComparisonTable(person, left.ravel(), right.ravel(), 0 * person, (gap > 0).astype(np.float32).ravel()),
            )
        )
    trial = Trial.of(parts, least=2, encoder_id="random", seed=settings.seed, apart=True, block=settings.block)
    return trial, items


def search(
    what: Any, shared: dict[str, Any], points: list[dict[str, int]], folder: str, *, reuse: bool
) -> tuple[list[dict[str, Any]], float]:
    """Tune's results for each of `points`, and the seconds that it took. reuse: let a trial take over the last one's process."""
    began = time.time()
    tuner = ray.tune.Tuner(
        ray.tune.with_parameters(what, **shared),
        param_space={"asked": ray.tune.grid_search(points)},
        tune_config=ray.tune.TuneConfig(
            max_concurrent_trials=max(int(_placement.cluster_resources().get("CPU", 1)), 1), reuse_actors=reuse
        ),
        run_config=ray.tune.RunConfig(name=f"{what.__name__}-{reuse}", storage_path=folder, verbose=0),
    )
    results = results_of(tuner.fit())
    seconds = time.time() - began
    for result in results:
        if result.error:
            raise result.error
    log.info("%s: %d trials in %.1f s (processes %s)", what.__name__, len(points), seconds, "reused" if reuse else "new")
    metrics = [result.metrics or {} for result in results]
    return [each["asked"] | {"accuracy": each["accuracy"]} for each in metrics], seconds


def everybody(
    asked: dict[str, Any], *, trial: Trial, items: np.ndarray, space: SearchSpace, points: list[dict[str, Any]], base: MlpConfig
) -> None:
    """A trial of the stacked way: one setting, for all people."""
    one_thread()
    config = search_space.apply(space, points[asked["asked"]["point"]], base)
    marked = trial.run(items, TasteConfig(kind="mlp", mlp=config), rungs=(), after=lambda _: None)
    accuracies = selection.accuracies(marked.reporting[None], trial.reported, len(trial.train.people))[0]
    ray.tune.report({"asked": asked["asked"], "accuracy": accuracies.tolist()})


def somebody(
    asked: dict[str, Any], *, trial: Trial, items: np.ndarray, space: SearchSpace, points: list[dict[str, Any]], base: MlpConfig
) -> None:
    """A trial of the plain way: one setting, for one person."""
    one_thread()
    person = asked["asked"]["person"]
    config = replace(search_space.apply(space, points[asked["asked"]["point"]], base), person="none", person_dropout=0.0)
    user_id = trial.train.people[person]
    taste = mlp.fit(
        stacked.alone(trial.train, person),
        stacked.alone(trial.held_out, person),
        items,
        config,
        encoder_id=trial.encoder_id,
        seed=stacked.seed_of(user_id, trial.seed),
    )
    mine = trial.reported[trial.reported.person == person]
    belief = taste.differences(items[mine.left], items[mine.right], user_id, trial.train.attributes[0])
    ray.tune.report({"asked": asked["asked"], "accuracy": float(validation.correctness(belief.mean, mine.choice).mean())})


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def warm_up() -> None:
    """Have Ray's first workers started before anything is measured."""
    ray.get([ray.remote(one_thread).remote() for _ in range(max(int(_placement.cluster_resources().get("CPU", 1)), 1))])


def report(run: Run, settings: BenchTuneSettings, frame: pd.DataFrame, seconds: dict[str, float]) -> None:
    """Figures: stacked, as `beholder tune` runs; single, a new process for each trial, which is Tune's default; reused, one that
    goes from trial to trial."""
    fits = {"stacked": settings.people * settings.settings, "single": settings.sample, "reused": settings.sample}
    speed = {name: 60 * fits[name] / seconds[name] for name in fits}
    metrics = {
        "people": settings.people,
        "settings": settings.settings,
        "sample": settings.sample,
        **{f"seconds.{name}": value for name, value in seconds.items()},
        **{f"fits_per_minute.{name}": value for name, value in speed.items()},
        "ratio": speed["stacked"] / speed["single"],
        "ratio.reused": speed["stacked"] / speed["reused"],
        "accuracy.stacked": float(frame["accuracy.stacked"].mean()),
        "accuracy.single": float(frame["accuracy.single"].mean()),
        "accuracy.difference": float((frame["accuracy.stacked"] - frame["accuracy.single"]).mean()),
    }
    run.results(frame)
    run.metrics(metrics)
    lines = ["# Fits per minute (simulated people)", "", *markdown_values(metrics, real=",.4f", whole=",")]
    run.summary("\n".join(lines) + "\n")
    print(
        f"fits a minute: stacked {speed['stacked']:,.0f}; a trial for each {speed['single']:,.0f}, {metrics['ratio']:.1f} times "
        f"fewer, with processes reused {speed['reused']:,.0f}, {metrics['ratio.reused']:.1f} times fewer; held-out accuracy "
        f"{metrics['accuracy.stacked']:.4f} and {metrics['accuracy.single']:.4f} on the same {settings.sample} (simulated people)"
    )
