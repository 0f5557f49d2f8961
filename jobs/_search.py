"""A search with Ray Tune: Optuna proposes settings, ASHA stops bad ones early, and a killed search goes on from its folder.

A trial is one setting, fitted for everybody at once (tuning/trial.py). What a trial came to lies in its checkpoint.
"""

import hashlib
import json
import math
import os
import signal
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.tune
from ray.tune.logger import TBXLoggerCallback
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from beholder import process
from beholder.config import setting
from beholder.errors import ConfigError, TasteError
from beholder.jobs import _placement, _reservation
from beholder.jobs._reservation import ClusterRoom, Reservation
from beholder.progress import Progress
from beholder.runs import log
from beholder.storage import Place
from beholder.taste import taste_factory
from beholder.taste.taste_factory import TasteConfig
from beholder.tuning import search_space
from beholder.tuning.search_space import CategoricalDomain as Options
from beholder.tuning.search_space import SearchSpace
from beholder.tuning.trial import Trial, TrialResult

_RESULT = "marks.npz"
_SHARE = "gpu_share.json"
_MEASURED = 3  # settings whose memory is measured before a search
_HEADROOM = 1.2


@dataclass(frozen=True)
class TuneConfig:
    """What is searched, and how much."""

    space: dict[str, Any] = setting({}, "setting of the taste: what may be tried, like {loguniform: [1e-4, 1e-2]}")
    apart: bool = setting(False, "a network of each person's own, stacked (taste=mlp); false: one model that people share")
    num_samples: int = setting(32, "settings to try, each a trial")
    time_budget_s: float = setting(0.0, "seconds after which no trial begins; 0 is no limit")
    max_concurrent_trials: int = setting(0, "trials at a time; 0 is as many as the cluster has room for")
    grace_period: int = setting(3, "epochs before a trial may be stopped")
    reduction_factor: int = setting(3, "one in this many trials goes on at each rung")
    least: int = setting(20, "judgements to fit to that a person must have to be searched for")
    block: int = setting(64, "networks in one stacked product")
    level: float = setting(0.05, "level of the test by which a person gets a setting of their own")
    num_cpus: float = setting(1.0, "cores of a trial")
    num_gpus: float | None = setting(
        None, "GPUs of a trial, or a share of one; null: the share whose memory trials were measured to take, where there are GPUs"
    )
    tensorboard: bool = setting(False, "whether each trial's figures are kept as TensorBoard files too, in the search's folder")

    def __post_init__(self) -> None:
        lowest = {"num_samples": 1, "time_budget_s": 0, "max_concurrent_trials": 0, "grace_period": 1, "reduction_factor": 2}
        for name, least in {**lowest, "block": 1, "least": 2}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"tune.{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.level < 1:
            raise ConfigError(f"tune.level must be between 0 and 1, got {self.level}")
        if self.num_cpus <= 0:
            raise ConfigError(f"tune.num_cpus must be above 0, got {self.num_cpus}")
        if self.num_gpus is not None and self.num_gpus < 0:
            raise ConfigError(f"tune.num_gpus must be 0 or more, got {self.num_gpus}")


@dataclass(frozen=True)
class TriedSetting:
    """One setting and what became of it."""

    number: int
    point: dict[str, Any]
    result: TrialResult
    seconds: float
    stopped: bool  # by the scheduler, before its fits had ended
    num_gpus: float = 0.0  # that it had


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
    def _storage(self) -> dict[str, Any]:
        """The filesystem of the folder, as Tune takes it: a URI of ours may hold options that Tune would not understand."""
        return {"storage_filesystem": None if self.place.is_local else self.place.filesystem}

    def run(self) -> None:
        """Run it, or go on with it, until its trials are done or its time is over."""
        # Tune's own tables of each trial: nobody reads them, and they slow a search of short trials down.
        os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
        os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "2")
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        trainable = self._trainable()
        if ray.tune.Tuner.can_restore(self.place.path, **self._storage):
            log.info("going on with %s", self.place.uri)
            tuner = ray.tune.Tuner.restore(
                self.place.path, trainable=trainable, resume_unfinished=True, restart_errored=True, **self._storage
            )
        else:
            tuner = self._new(trainable)
        with process.keep_handlers(signal.SIGINT):  # Tune leaves one that only says that its search, which is over, will end
            results = results_of(tuner.fit())
        failures = [result.error for result in results if result.error]
        for error in failures:
            log.warning("a trial failed: %s", str(error).strip().splitlines()[-1])
        if failures and len(failures) == len(results):
            raise failures[0]

    def outcome(self) -> tuple[list[TriedSetting], int]:
        """Return every setting with a result, in the order in which they were proposed, and how many were stopped before one."""
        tried, unjudged = [], 0
        tuner = ray.tune.Tuner.restore(self.place.path, trainable=self._trainable(), **self._storage)
        for trial in results_of(tuner.get_results()):
            if trial.checkpoint is None or trial.error:
                unjudged += trial.error is None
                continue
            # Tune restores trials in any order; attempt_<id>_<number>_... is what it called their folders
            number = int(Path(trial.path).name.split("_")[2]) - 1
            with trial.checkpoint.as_directory() as folder:
                result = TrialResult.from_bytes((Path(folder) / _RESULT).read_bytes())
            figures = trial.metrics or {}
            stopped, gpus = not figures.get("ended", False), float(figures.get("gpus", 0.0))
            tried.append(TriedSetting(number, dict(trial.config or {}), result, float(figures["seconds"]), stopped, gpus))
        if not tried:
            raise TasteError("no setting was fitted to its end; give the search more time or fewer epochs")
        return sorted(tried, key=lambda one: one.number), unjudged

    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a setting may be stopped."""
        most, rungs = self._epochs(), []
        epoch = self.knobs.grace_period
        while epoch < most:
            rungs.append(epoch)
            epoch *= self.knobs.reduction_factor
        return tuple(rungs)

    def _epochs(self) -> int:
        kind = getattr(self.taste, self.taste.kind)
        return kind.fit.epochs if hasattr(kind, "fit") else 1

    @cached_property
    def num_gpus(self) -> float:
        """The share of a GPU that a trial reserves.

        Where the setting leaves it open it is the share of its memory that trials take, as measured on settings of the space, each
        fitted for one epoch alone on a GPU; a whole one where torch finds no memory to measure. It is kept in the search's folder,
        so that a search that goes on measures nothing anew. Raises ConfigError where the taste wants a GPU that no node has.
        """
        reservation = ClusterRoom.now().reserve(self.taste, items=self.items.nbytes, num_gpus=self.knobs.num_gpus)
        if self.knobs.num_gpus is not None or not reservation.num_gpus:
            return reservation.num_gpus
        kept = self.place / _SHARE
        if kept.is_file():
            return float(json.loads(kept.read_bytes())["num_gpus"])
        points = search_space.sample(self.space, _MEASURED, seed=self.seed)
        task = measure.options(num_gpus=1, num_cpus=self.knobs.num_cpus)
        used = ray.get(task.remote(points, self.trial, self.items, self._placed(1.0), self.space))
        share = used.share if used else 1.0
        if used:
            sizes = f"{used.used / 2**20:.0f} of {used.total / 2**20:.0f} MiB"
            log.info("a trial took at most %s of a GPU, measured on %d settings: each reserves %g", sizes, len(points), share)
        else:
            log.info("torch finds no GPU where Ray counts one, so that nothing can be measured: each trial reserves a whole one")
        kept.write_bytes(json.dumps({"num_gpus": share, **(asdict(used) if used else {})}).encode())
        return share

    def _placed(self, num_gpus: float) -> TasteConfig:
        return Reservation(self.knobs.num_cpus, num_gpus, 0).place(self.taste)

    def _trainable(self) -> Any:
        data = ray.tune.with_parameters(
            attempt,
            trial=self.trial,
            items=self.items,
            taste=self._placed(self.num_gpus),
            space=self.space,
            rungs=self.rungs(),
        )
        return ray.tune.with_resources(data, {"cpu": self.knobs.num_cpus, "gpu": self.num_gpus})

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
            grace_period=knobs.grace_period,
            reduction_factor=knobs.reduction_factor,
            max_t=max(self._epochs(), knobs.grace_period + 1) + 1,  # a fit ends itself
        )
        folder, _, name = self.place.path.rpartition("/")
        return ray.tune.Tuner(
            trainable,
            tune_config=ray.tune.TuneConfig(
                search_alg=search,
                scheduler=scheduler,
                num_samples=knobs.num_samples,
                max_concurrent_trials=knobs.max_concurrent_trials or self._room(),
                time_budget_s=knobs.time_budget_s or None,
                reuse_actors=True,  # a new process imports torch anew, which takes longer than many a fit
            ),
            run_config=ray.tune.RunConfig(
                name=name,
                storage_path=folder,
                **self._storage,
                verbose=0,
                callbacks=[SearchProgress(knobs.num_samples), *([TBXLoggerCallback()] if knobs.tensorboard else [])],
                failure_config=ray.tune.FailureConfig(max_failures=2),
                checkpoint_config=ray.tune.CheckpointConfig(num_to_keep=1),
            ),
        )

    def _room(self) -> int:
        """Trials that the cluster has room for."""
        there = _placement.cluster_resources()
        room = there.get("CPU", 1.0) / self.knobs.num_cpus
        return max(int(min(room, there.get("GPU", 0) / self.num_gpus) if self.num_gpus else room), 1)


def attempt(
    point: dict[str, Any], *, trial: Trial, items: np.ndarray, taste: TasteConfig, space: SearchSpace, rungs: tuple[int, ...]
) -> None:
    """One trial: fit a setting, tell at each rung what it came to."""
    reserved = _reservation.begin()
    began = time.time()

    def report(result: TrialResult, *, ended: bool = False) -> None:
        figures = {"loss": result.objective(), "epoch": result.epoch, "seconds": time.time() - began, "ended": ended}
        figures["gpus"] = reserved.num_gpus
        if not len(result.choosing):
            ray.tune.report(figures)
            return
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / _RESULT).write_bytes(result.to_bytes())
            ray.tune.report(figures, checkpoint=ray.tune.Checkpoint.from_directory(folder))

    setting = search_space.apply(space, point, getattr(taste, taste.kind))
    last = trial.run(items, replace(taste, **{taste.kind: setting}), rungs=rungs, after=report)
    report(last, ended=True)


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a GPU that a trial took, its process's own included, and bytes that it has."""

    used: int
    total: int

    @property
    def share(self) -> float:
        """The share of a GPU that a trial reserves, in steps of a twentieth: a fifth more than was measured, at most all."""
        return min(max(math.ceil(20 * _HEADROOM * self.used / self.total), 1) / 20, 1.0)


@ray.remote
def measure(
    points: list[dict[str, Any]], trial: Trial, items: np.ndarray, taste: TasteConfig, space: SearchSpace
) -> GpuMemory | None:
    """Fit settings for one epoch each, alone on a GPU; return what the largest took of its memory, None where torch finds none."""
    import torch

    _reservation.begin()
    if not torch.cuda.is_available():
        return None
    for point in points:
        tried = replace(taste, **{taste.kind: search_space.apply(space, point, getattr(taste, taste.kind))})
        for name in taste_factory.NETWORKS:
            tried = replace(tried, **{name: search_space.replace_fields(getattr(tried, name), {"fit.epochs": 1})})
        trial.run(items, tried, rungs=(), after=lambda result: None)
    free, total = torch.cuda.mem_get_info()  # the allocator gives nothing back, so this is the most there was
    return GpuMemory(total - free, total)


class SearchProgress(ray.tune.Callback):
    """Progress on stderr; it travels in Tune's files, so it keeps nothing that can't."""

    def __init__(self, trials: int):
        self._trials = trials
        self._progress: Progress | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_trials": self._trials, "_progress": None}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._begun()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._begun().advance()

    def _begun(self) -> Progress:
        if self._progress is None:
            self._progress = Progress("tune", total=self._trials, unit="settings").__enter__()
        return self._progress

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        if self._progress is not None:
            self._progress.__exit__()
            self._progress = None


def results_of(grid: ray.tune.ResultGrid) -> list[ray.tune.Result]:
    """Return the trials' results."""
    return [grid[number] for number in range(len(grid))]


def distributions(space: SearchSpace) -> dict[str, Any]:
    """A space as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    optuna_space: dict[str, Any] = {}
    for knob, one in space.items():
        if isinstance(one, Options):
            optuna_space[knob] = CategoricalDistribution(one.labels)
        elif one.whole:
            optuna_space[knob] = IntDistribution(int(one.low), int(one.high))
        else:
            optuna_space[knob] = FloatDistribution(one.low, one.high, log=one.log)
    return optuna_space


def importance(space: SearchSpace, tried: list[TriedSetting], *, seed: int) -> dict[str, float]:
    """How much of the difference between settings each knob explains, by fANOVA (Hutter et al. 2014); {} for too few settings."""
    import optuna

    if len(tried) < 8 or len({one.result.objective() for one in tried}) < 2:
        return {}
    study = optuna.create_study(direction="minimize")
    for one in tried:
        study.add_trial(
            optuna.trial.create_trial(params=one.point, distributions=distributions(space), value=one.result.objective())
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return {knob: float(share) for knob, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()}


def digest(settings: str, trial: Trial, items: np.ndarray) -> str:
    """A name for just this search: what was tried in another one must not be gone on from."""
    whole = hashlib.sha256(settings.encode())
    whole.update(np.ascontiguousarray(items).tobytes())
    judged = (part for dataset in (trial.train, trial.held_out) for part in (dataset.ratings, dataset.comparisons))
    for table in (*judged, trial.chosen_by, trial.reported):
        for column in vars(table).values():
            whole.update(np.ascontiguousarray(column).tobytes())
    if trial.train.weights is not None:
        whole.update(trial.train.weights.tobytes())
    whole.update("\0".join(trial.train.people).encode())
    return whole.hexdigest()[:12]
