"""`beholder tune`: a search over the settings of a taste, with Ray Tune, and which setting each person should get.

The search sees one part of each person's judgements; what its settings are worth is measured on another. Everybody gets the setting
that is best on average, and somebody keeps another only where it is better for them beyond noise. A search that was killed goes
on with the same command, from its folder tune/<kind>-<digest> in the workspace.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import config
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.jobs import _search, _workspace_dataset
from beholder.jobs._search import Search, TriedSetting, TuneConfig
from beholder.quality.person_weights import JudgementsConfig, read_weights
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_values
from beholder.reports.report import FILES, Report
from beholder.reports.search_report import search_report
from beholder.runs import Run, log
from beholder.statistics import bootstrap
from beholder.taste import splits
from beholder.taste.contract import Items
from beholder.taste.taste_factory import TasteConfig
from beholder.tuning import search_space, selection
from beholder.tuning.search_space import NumericDomain, SearchSpace
from beholder.tuning.selection import Correctness, SettingChoice
from beholder.tuning.trial import Trial
from beholder.workspace import Workspace


@dataclass(frozen=True)
class TuneSettings:
    common: ClassVar[tuple[str, ...]] = (
        "taste",
        "tune",
        "tune.num_samples",
        "attributes",
        "encoder",
        "encoder_id",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder tune taste=mlp tune.num_samples=32",
        "beholder tune taste=lora tune=lora tune.num_samples=8 encoder=vit_l_14",
    )
    taste: TasteConfig = setting(TasteConfig(), "the kind of taste, and the settings that are not searched")
    tune: TuneConfig = setting(TuneConfig(), "what is searched, and how much; by default what goes with the taste")
    attributes: list[str] = setting([], "attributes to learn; empty: all that were judged")
    shares: list[float] = setting([0.5, 0.25, 0.25], "shares of the images: to fit to, to choose settings by, to report on")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings are used, or that images are cut to size for")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    ratings: str | None = setting(None, "ratings straight from a Parquet file, instead of the workspace's")
    comparisons: str | None = setting(None, "comparisons straight from a Parquet file")
    embeddings: str | None = setting(None, "embeddings straight from a file; needed with ratings= or comparisons=")
    seed: int = setting(0, "seed of the split, the search and the fits")
    judgements: JudgementsConfig = setting(JudgementsConfig(), "how judgements enter the fits")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ConfigError(f"shares must be three numbers above 0 that sum to 1, got {self.shares}")
        if (self.ratings or self.comparisons) and not self.embeddings:
            raise ConfigError("ratings= and comparisons= come with embeddings=FILE, the vectors of their images")
        if self.tune.apart and self.taste.kind != "mlp":
            raise ConfigError(f"tune.apart=true is for taste=mlp; taste={self.taste.kind} is one model that people share")
        if self.taste.kind == "population":
            raise ConfigError("taste=population is nobody's taste: there is nothing to search per person")


def main(settings: TuneSettings, run: Run) -> None:
    began = time.time()
    space = search_space.read_space(settings.tune.space, getattr(settings.taste, settings.taste.kind))
    trial, items = load_material(settings)
    log.info("%d people, %d judgements to fit to", len(trial.train.people), len(trial.train))
    kind = settings.taste.kind
    # how it runs does not decide what comes out
    knobs = replace(settings.tune, max_concurrent_trials=0, block=64, num_cpus=1.0, num_gpus=None, tensorboard=False)
    decides = config.dump(getattr(settings.taste, kind)) + config.dump(knobs) + f"seed: {settings.seed}"
    name = f"{kind}-{_search.digest(decides, trial, items)}"
    place = Workspace(settings.workspace).place / "tune" / name
    with connect(settings.ray):
        search = Search(settings.tune, settings.taste, space, trial, items, place, settings.seed)
        search.run()
        tried, unjudged = search.outcome()
    TuneReport(settings, space, trial, tried, unjudged).write(run, seconds=time.time() - began)


def load_material(settings: TuneSettings) -> tuple[Trial, np.ndarray]:
    """What every setting is tried on."""
    if settings.embeddings:
        material = _workspace_dataset.from_files(
            ratings=settings.ratings,
            comparisons=settings.comparisons,
            vectors=settings.embeddings,
            encoder_id=settings.encoder_id,
            attributes=settings.attributes,
        )
    else:
        takes: Items = "pixels" if settings.taste.kind == "lora" else "embeddings"
        workspace = Workspace(settings.workspace)
        material = _workspace_dataset.from_workspace(
            workspace, settings.encoder, encoder_id=settings.encoder_id, attributes=settings.attributes, takes=takes
        )
    weights = read_weights(settings.judgements, Workspace(settings.workspace))
    dataset = material.dataset if weights is None else weights.on(material.dataset)
    parts = splits.by_image(dataset, seed=settings.seed, shares=tuple(settings.shares))
    knobs = settings.tune
    trial = Trial.of(
        parts, least=knobs.least, encoder_id=material.encoder_id, seed=settings.seed, apart=knobs.apart, block=knobs.block
    )
    return trial, material.items


class TuneReport:
    """What a search came to, as tables, figures and a page."""

    def __init__(self, settings: TuneSettings, space: SearchSpace, trial: Trial, tried: list[TriedSetting], unjudged: int = 0):
        self.settings, self.space, self.trial, self.tried, self.unjudged = settings, space, trial, tried, unjudged
        correctness = Correctness(*(np.stack([getattr(one.result, part) for one in tried]) for part in ("choosing", "reporting")))
        people = trial.train.people
        self.choices = selection.choose(correctness, trial.chosen_by, trial.reported, people, level=settings.tune.level)
        self.pooled = tried[self.choices[0].pooled]
        self.loss = np.array([one.result.objective() for one in tried])
        self.logs = [knob for knob, one in space.items() if isinstance(one, NumericDomain) and one.log]

    def write(self, run: Run, *, seconds: float) -> None:
        importance = _search.importance(self.space, self.tried, seed=self.settings.seed)
        metrics = self.metrics(importance, seconds)
        run.results(self.people())
        run.write_text("trials.csv", self.trials().to_csv(index=False))
        run.metrics(metrics)
        self.report(metrics, importance).write(run, files=("trials.csv", *FILES))
        run.summary(self.summary(metrics))
        print(self.sentence(metrics))

    def people(self) -> pd.DataFrame:
        """A row for each person: their best setting and the pooled one, how often each was right, and which they keep."""
        counts = self.trial.train.counts()
        return pd.DataFrame([self._person(choice, int(count)) for choice, count in zip(self.choices, counts, strict=True)])

    def trials(self) -> pd.DataFrame:
        """A row for each setting."""
        best = np.bincount([choice.best for choice in self.choices], minlength=len(self.tried))
        kept = np.bincount([choice.kept for choice in self.choices], minlength=len(self.tried))
        rows = []
        for one, best_for, kept_by in zip(self.tried, best, kept, strict=True):
            rows.append(
                {
                    "setting": one.number,
                    **self._values(one),
                    "loss": one.result.objective(),
                    "accuracy.chosen": one.result.accuracy(self.trial.chosen_by, len(self.choices)),
                    "epochs": one.result.epoch,
                    "seconds": one.seconds,
                    "gpus": one.num_gpus,
                    "stopped_early": one.stopped,
                    "best_for": best_for,
                    "kept_by": kept_by,
                }
            )
        return pd.DataFrame(rows)

    def metrics(self, importance: dict[str, float], seconds: float) -> dict[str, Any]:
        columns = ("chosen_best", "chosen_pooled", "reported_best", "reported_pooled", "reported")
        mean = {name: _mean([getattr(choice, name) for choice in self.choices]) for name in columns}
        gains = np.array([choice.reported - choice.reported_pooled for choice in self.choices])
        gains = gains[~np.isnan(gains)]
        gain = bootstrap(gains, seed=0)
        return {
            "people": len(self.choices),
            "people.own": sum(choice.own for choice in self.choices),
            "settings": len(self.tried) + self.unjudged,
            "settings.stopped": sum(one.stopped for one in self.tried) + self.unjudged,
            "settings.unjudged": self.unjudged,
            "pooled": self.pooled.number,
            "pooled.setting": self._text(self.pooled),
            "accuracy.chosen.pooled": mean["chosen_pooled"],
            "accuracy.chosen.luckiest": mean["chosen_best"],
            "accuracy.reported.pooled": mean["reported_pooled"],
            "accuracy.reported.luckiest": mean["reported_best"],
            "accuracy.reported.kept": mean["reported"],
            "gain.mean": gain.mean,
            "gain.low": gain.low,
            "gain.high": gain.high,
            "seconds": seconds,
            "seconds.fitting": sum(one.seconds for one in self.tried),
            **{f"importance.{knob}": share for knob, share in importance.items()},
        }

    def report(self, metrics: dict[str, Any], importance: dict[str, float]) -> Report:
        """Return the page about it."""
        return search_report(
            self.settings.taste.kind,
            self.sentence(metrics),
            metrics,
            people=self.people(),
            trials=self.trials(),
            settings=pd.DataFrame([self._values(one) for one in self.tried]),
            logs=self.logs,
            importance=importance,
            command=self.command(),
        )

    def summary(self, metrics: dict[str, Any]) -> str:
        lines = ["# Search", "", self.sentence(metrics), "", f"`{self.command()}`", ""]
        lines += markdown_values(metrics, real=",.4f")
        return "\n".join(lines) + "\n"

    def sentence(self, metrics: dict[str, Any]) -> str:
        pooled, luckiest, kept = (metrics[f"accuracy.reported.{name}"] for name in ("pooled", "luckiest", "kept"))
        return (
            f"{metrics['people']} people, {metrics['settings']} settings ({metrics['settings.stopped']} stopped early, "
            f"{metrics['settings.unjudged']} of them before anybody was judged by them). "
            f"On pairs that the search never saw, the pooled setting is right in {pooled:.1%}, everybody's luckiest in "
            f"{luckiest:.1%}, what people keep in {kept:.1%}; {metrics['people.own']} keep a setting of their own."
        )

    def command(self) -> str:
        """What fits the pooled setting. `beholder train` makes no networks of people's own: of those, the words alone."""
        kind = self.settings.taste.kind
        words = search_space.overrides(self.space, self.pooled.point, prefix=f"taste.{kind}.")
        return " ".join(words if self.settings.tune.apart else ["beholder train", f"taste={kind}", *words])

    def _person(self, choice: SettingChoice, count: int) -> dict[str, Any]:
        best = self.tried[choice.best]
        return {
            "user_id": choice.user_id,
            "judgements": count,
            "best.trial": best.number,
            "best": self._text(best),
            "accuracy.chosen.best": choice.chosen_best,
            "accuracy.chosen.pooled": choice.chosen_pooled,
            "accuracy.reported.best": choice.reported_best,
            "accuracy.reported.pooled": choice.reported_pooled,
            "p": choice.p,
            "kept": "own" if choice.own else "pooled",
            "accuracy.reported.kept": choice.reported,
        }

    def _values(self, one: TriedSetting) -> dict[str, Any]:
        return {knob: one.point[knob] for knob in self.space}

    def _text(self, one: TriedSetting) -> str:
        return " ".join(search_space.overrides(self.space, one.point, prefix=""))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
