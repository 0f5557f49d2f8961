"""A search with Ray Tune: Optuna proposes settings, ASHA stops bad ones early, and a killed search goes on from its folder.

A trial is one setting, fitted for everybody at once (taste/trials.py). What a trial came to lies in its checkpoint.
"""

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from beholder.config import setting
from beholder.errors import ConfigError, TasteError
from beholder.progress import Progress
from beholder.runs import log
from beholder.storage import Place
from beholder.taste.taste_factory import TasteConfig
from beholder.tuning import search_space
from beholder.tuning.search_space import CategoricalDomain as Options
from beholder.tuning.search_space import SearchSpace
from beholder.tuning.trial import Trial, TrialResult

_MARKS = "marks.npz"


@dataclass(frozen=True)
class TuneConfig:
    """What is searched, and how much."""

    space: dict[str, str] = setting({}, "knob of the taste: what may be tried, like loguniform(1e-4, 1e-2)")
    apart: bool = setting(False, "a network of each person's own, stacked (taste=mlp); false: one model that people share")
    trials: int = setting(32, "settings to try")
    minutes: float = setting(0.0, "begin no trial after this long; 0 is no limit")
    concurrent: int = setting(0, "trials at a time; 0 is as many as the cluster has room for")
    grace: int = setting(3, "epochs before a setting may be stopped")
    reduction: int = setting(3, "one in this many settings goes on at each rung")
    least: int = setting(20, "judgements to fit to that somebody must have to be searched for")
    block: int = setting(64, "networks in one stacked product")
    level: float = setting(0.05, "how often luck alone may give somebody a setting of their own")
    cpus: float = setting(1.0, "cores of a trial")
    gpus: float = setting(0.0, "GPUs of a trial, or a share of one")

    def __post_init__(self) -> None:
        for name, lowest in (("trials", 1), ("minutes", 0), ("concurrent", 0), ("grace", 1), ("reduction", 2), ("block", 1)):
            if getattr(self, name) < lowest:
                raise ConfigError(f"tune.{name} must be at least {lowest}, got {getattr(self, name)}")
        if not 0 < self.level < 1:
            raise ConfigError(f"tune.level must be between 0 and 1, got {self.level}")
        if self.cpus <= 0 or self.gpus < 0 or self.least < 2:
            raise ConfigError(
                f"tune.cpus must be above 0, tune.gpus 0 or more, tune.least 2 or more; got {self.cpus}, {self.gpus}, {self.least}"
            )


@dataclass(frozen=True)
class TriedSetting:
    """One setting and what became of it."""

    number: int
    point: dict[str, Any]
    marked: TrialResult
    seconds: float
    stopped: bool  # by the scheduler, before its fits had ended


@dataclass(frozen=True)
class Search:
    """What is searched, on what, and the folder that keeps it: one search alone may lie there."""

    knobs: TuneConfig
    taste: TasteConfig
    space: SearchSpace
    trial: Trial
    items: np.ndarray
    place: Place
    seed: int = 0

    @property
    def folder(self) -> str:
        return os.path.abspath(self.place.path) if self.place.is_local else self.place.uri

    def run(self) -> None:
        """Run it, or go on with it, until its trials are done or its time is over."""
        # Tune's own tables and TensorBoard files of each trial: nobody reads them, and they slow a search of short trials down.
        os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
        os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "2")
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        trainable = self._trainable()
        if ray.tune.Tuner.can_restore(self.folder):
            log.info("going on with %s", self.folder)
            tuner = ray.tune.Tuner.restore(self.folder, trainable=trainable, resume_unfinished=True, restart_errored=True)
        else:
            tuner = self._new(trainable)
        results = tuner.fit()
        failures = [result.error for result in results if result.error]
        for error in failures:
            log.warning("a trial failed: %s", str(error).strip().splitlines()[-1])
        if failures and len(failures) == len(results):
            raise failures[0]

    def outcome(self) -> tuple[list[TriedSetting], int]:
        """Every setting with marks, in the order in which they were proposed, and how many were stopped before they had any."""
        found, unjudged = [], 0
        tuner = ray.tune.Tuner.restore(self.folder, trainable=self._trainable())
        for result in tuner.get_results():
            if result.checkpoint is None or result.error:
                unjudged += result.error is None
                continue
            # Tune restores trials in any order; attempt_<id>_<number>_... is what it called their folders
            number = int(Path(result.path).name.split("_")[2]) - 1
            with result.checkpoint.as_directory() as folder:
                marked = TrialResult.from_bytes((Path(folder) / _MARKS).read_bytes())
            told = result.metrics or {}
            stopped = not told.get("ended", False)
            found.append(TriedSetting(number, dict(result.config or {}), marked, float(told["seconds"]), stopped))
        if not found:
            raise TasteError("no setting was fitted to its end; give the search more time or fewer epochs")
        return sorted(found, key=lambda one: one.number), unjudged

    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a setting may be stopped."""
        most, found = self._epochs(), []
        epoch = self.knobs.grace
        while epoch < most:
            found.append(epoch)
            epoch *= self.knobs.reduction
        return tuple(found)

    def _epochs(self) -> int:
        kind = getattr(self.taste, self.taste.kind)
        return kind.fit.epochs if hasattr(kind, "fit") else 1

    def _trainable(self) -> Any:
        knobs = self.knobs
        data = ray.tune.with_parameters(
            attempt, trial=self.trial, items=self.items, taste=self.taste, space=self.space, rungs=self.rungs()
        )
        return ray.tune.with_resources(data, {"cpu": knobs.cpus, "gpu": knobs.gpus})

    def _new(self, trainable: Any) -> ray.tune.Tuner:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        knobs = self.knobs
        sampler = optuna.samplers.TPESampler(seed=self.seed, multivariate=True, constant_liar=True)
        search = OptunaSearch(distributions(self.space), metric="loss", mode="min", sampler=sampler)
        scheduler = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="loss",
            mode="min",
            grace_period=knobs.grace,
            reduction_factor=knobs.reduction,
            max_t=max(self._epochs(), knobs.grace + 1) + 1,  # a fit ends itself
        )
        folder, _, name = self.folder.rpartition("/")
        return ray.tune.Tuner(
            trainable,
            tune_config=ray.tune.TuneConfig(
                search_alg=search,
                scheduler=scheduler,
                num_samples=knobs.trials,
                max_concurrent_trials=knobs.concurrent or self._room(),
                time_budget_s=knobs.minutes * 60 or None,
                reuse_actors=True,  # a new process imports torch anew, which takes longer than many a fit
            ),
            run_config=ray.tune.RunConfig(
                name=name,
                storage_path=folder,
                verbose=0,
                callbacks=[SearchProgress(knobs.trials)],
                failure_config=ray.tune.FailureConfig(max_failures=2),
                checkpoint_config=ray.tune.CheckpointConfig(num_to_keep=1),
            ),
        )

    def _room(self) -> int:
        """Trials that the cluster has room for."""
        knobs, there = self.knobs, ray.cluster_resources()
        room = there.get("CPU", 1) / knobs.cpus
        return max(int(min(room, there.get("GPU", 0) / knobs.gpus) if knobs.gpus else room), 1)


def attempt(
    point: dict[str, Any], *, trial: Trial, items: np.ndarray, taste: TasteConfig, space: SearchSpace, rungs: tuple[int, ...]
) -> None:
    """One trial: fit a setting, tell at each rung what it came to."""
    import torch

    torch.set_num_threads(max(int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)), 1))
    began = time.time()

    def tell(marked: TrialResult, *, ended: bool = False) -> None:
        figures = {"loss": marked.objective(), "epoch": marked.epoch, "seconds": time.time() - began, "ended": ended}
        if not len(marked.choosing):
            ray.tune.report(figures)
            return
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / _MARKS).write_bytes(marked.to_bytes())
            ray.tune.report(figures, checkpoint=ray.tune.Checkpoint.from_directory(folder))

    setting = search_space.apply(space, point, getattr(taste, taste.kind))
    last = trial.run(items, replace(taste, **{taste.kind: setting}), rungs=rungs, after=tell)
    tell(last, ended=True)


class SearchProgress(ray.tune.Callback):
    """Progress on stderr; it travels in Tune's files, so it keeps nothing that can't."""

    def __init__(self, trials: int):
        self._trials, self._progress = trials, None

    def __getstate__(self) -> dict[str, Any]:
        return {"_trials": self._trials, "_progress": None}

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        if self._progress is None:
            self._progress = Progress("tune", total=self._trials, unit="settings").__enter__()
        self._progress.advance()

    def on_experiment_end(self, trials: list, **info: Any) -> None:
        if self._progress is not None:
            self._progress.__exit__()
            self._progress = None


def distributions(space: SearchSpace) -> dict[str, Any]:
    """A space as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for knob, one in space.items():
        if isinstance(one, Options):
            found[knob] = CategoricalDistribution(one.labels)
        elif one.whole:
            found[knob] = IntDistribution(int(one.low), int(one.high))
        else:
            found[knob] = FloatDistribution(one.low, one.high, log=one.log)
    return found


def importance(space: SearchSpace, tried: list[TriedSetting], *, seed: int) -> dict[str, float]:
    """How much of the difference between settings each knob explains, by fANOVA (Hutter et al. 2014); {} for too few settings."""
    import optuna

    if len(tried) < 8 or len({one.marked.objective() for one in tried}) < 2:
        return {}
    study = optuna.create_study(direction="minimize")
    for one in tried:
        study.add_trial(
            optuna.trial.create_trial(params=one.point, distributions=distributions(space), value=one.marked.objective())
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return {knob: float(share) for knob, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()}


def digest(settings: str, trial: Trial, items: np.ndarray) -> str:
    """A name for just this search: what was tried in another one must not be gone on from."""
    whole = hashlib.sha256(settings.encode())
    whole.update(np.ascontiguousarray(items).tobytes())
    judged = (part for evidence in (trial.train, trial.held_out) for part in (evidence.ratings, evidence.comparisons))
    for table in (*judged, trial.chosen_by, trial.reported):
        for column in vars(table).values():
            whole.update(np.ascontiguousarray(column).tobytes())
    whole.update("\0".join(trial.train.people).encode())
    return whole.hexdigest()[:12]
