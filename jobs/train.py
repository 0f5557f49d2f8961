"""`beholder train`: judgements and embeddings -> a taste in the workspace's registry.

One fit is one Ray task. With train.workers=N a network is fitted by N processes with Ray Train instead, which share every batch
and keep a checkpoint after every epoch: whatever is killed, the fit goes on from there, and so does the same command.
"""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import ray
import ray.train
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from beholder import evaluation
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError, ConfigError, TasteError
from beholder.jobs import _people, _placement, _workspace_dataset
from beholder.jobs._epoch_log import follow
from beholder.jobs._people import PeopleJob
from beholder.jobs._workspace_dataset import DatasetWithItems
from beholder.ray_connection import RayConfig, connect
from beholder.report import markdown_values
from beholder.runs import Run, environment, log
from beholder.statistics import Interval
from beholder.storage import Place
from beholder.taste import shrinkage, splits, taste_factory, taste_registry, validation
from beholder.taste.contract import Items, Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset
from beholder.taste.judgement_partitions import JudgedPeople, TablePart
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingHooks
from beholder.workspace import Workspace

_STATES = "states.pt"


@dataclass(frozen=True)
class TrainConfig:
    """Where a fit runs."""

    workers: int = setting(1, "processes that fit one network together, with Ray Train; 1 is a plain task")
    resume: bool = setting(False, "keep checkpoints with one worker too, so that the same command goes on after a kill")
    max_failures: int = setting(3, "lost workers that a fit survives; -1 is any number")

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"train.workers must be at least 1, got {self.workers}")
        if self.max_failures < -1:
            raise ConfigError(f"train.max_failures must be -1 or more, got {self.max_failures}")

    @property
    def checkpoints(self) -> bool:
        """Whether Ray Train runs the fit."""
        return self.workers > 1 or self.resume


@dataclass(frozen=True)
class TrainSettings:
    taste: TasteConfig = setting(TasteConfig(), "the kind of taste and its settings")
    name: str = setting("", "name of the taste in the registry; empty: its kind")
    attributes: list[str] = setting([], "attributes to learn; empty: all that were judged")
    held_out: float = setting(0.2, "share of the images whose judgements only stop the fit and measure it")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings are used, or that images are cut to size for")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    seed: int = setting(0, "seed of the split and the fit")
    train: TrainConfig = setting(TrainConfig(), "how many processes fit, and what is kept of it")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out must be between 0 and 1, got {self.held_out}")
        if self.name.startswith(".") or "/" in self.name:
            raise ConfigError(f"name={self.name!r}: a name has no / and no dot at its start")
        if self.train.checkpoints and self.taste.kind not in taste_factory.NETWORKS:
            raise ConfigError(
                f"train.workers and train.resume are for networks ({', '.join(taste_factory.NETWORKS)}); "
                f"taste={self.taste.kind} is fitted in one go by one process"
            )


@dataclass(frozen=True)
class TrainJob:
    """One fit: everything that decides what comes out."""

    train: JudgementDataset
    held_out: JudgementDataset
    taste: TasteConfig
    encoder_id: str
    seed: int

    def fit(self, items: np.ndarray, *, hooks: TrainingHooks | None = None, epochs: Any = None) -> Taste:
        """Fit here. epochs: an EpochLog to write to."""
        return taste_factory.fit(
            self.train,
            self.held_out,
            items,
            self.taste,
            encoder_id=self.encoder_id,
            seed=self.seed,
            hooks=hooks,
            progress=lambda step, steps, figures: epochs.write.remote(step, steps) if epochs else None,
        )

    def digest(self, items: np.ndarray, workers: int) -> str:
        """Return a name for just this fit: checkpoints of another one must not be gone on from."""
        digest = hashlib.sha256(repr((self.taste, self.encoder_id, self.seed, workers)).encode())
        for judged in (self.train, self.held_out):
            digest.update(repr((judged.people, judged.images, judged.attributes)).encode())
            for column in (*vars(judged.ratings).values(), *vars(judged.comparisons).values()):
                digest.update(np.ascontiguousarray(column).tobytes())
        digest.update(np.ascontiguousarray(items).tobytes())
        return digest.hexdigest()[:12]


def main(settings: TrainSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    name = settings.name or settings.taste.kind
    if found := _people.many(workspace, settings.taste, settings.attributes):
        return to_many_people(settings, run, workspace, name, *found)
    material = items_for(settings, workspace)
    shares = (1 - settings.held_out, settings.held_out)
    train, held_out = splits.by_image(material.dataset, seed=settings.seed, shares=shares)
    if not len(train):
        raise TasteError(f"held_out={settings.held_out} leaves nothing to learn from {len(material.dataset)} judgements")
    job = TrainJob(train, held_out, settings.taste, material.encoder_id, settings.seed)
    log.info("%s: %d judgements to learn from, %d held out", name, len(train), len(held_out))
    with connect(settings.ray):
        items = ray.put(material.items)
        population = fit.remote(replace(job, taste=replace(settings.taste, kind="population")), items)
        history: dict[str, Any] = {}
        if settings.train.checkpoints:
            place = workspace.place / "training" / f"{name}-{job.digest(material.items, settings.train.workers)}"
            with follow(f"train {name}") as epochs:
                taste, history = fit_together(job, items, place, settings.train, epochs)
        else:
            with follow(f"train {name}") as epochs:
                taste = ray.get(fit.remote(job, items, epochs))
        table, weights = ray.get(
            [judge.remote(taste, population, held_out, items, settings.seed), weigh.remote(taste, held_out, items, settings.seed)]
        )
    figures = evaluation.figures(table)
    served = [weight for people in weights.values() for weight in people.values()]
    counts = {
        "trust.mean": float(np.mean(served)) if served else 1.0,
        "judgements": len(train),
        "judgements.held_out": len(held_out),
        "people.known": len(taste.info.people),
    }
    commit = environment()["commit"]
    folder = taste_registry.write(
        workspace.models, name, taste, figures=figures, config=asdict(settings), commit=commit, trust=weights
    )
    if settings.train.checkpoints:
        place.filesystem.delete_dir(place.path)
    _report(name, settings, run, figures, counts, history, taste.info, table, folder)


def to_many_people(
    settings: TrainSettings, run: Run, workspace: Workspace, name: str, parts: list[TablePart], judged: JudgedPeople
) -> None:
    """Fit taste=bayes to more people than one process should hold: block by block, with their posteriors in shards."""
    job = PeopleJob(
        workspace,
        parts,
        judged,
        settings.taste,
        settings.encoder_id or settings.encoder.encoder_id(),
        tuple(sorted(settings.attributes or judged.attributes)),
        settings.held_out,
        settings.seed,
    )
    log.info("%s: %d people, in %d blocks", name, judged.people, job.blocks)
    with connect(settings.ray):
        result = _people.fit(job, workspace.models / name, workspace.place / "training" / f"{name}-people")
    if result.left_out:
        log.warning("%d judgements are of images without an embedding and are left out", result.left_out)
    figures = evaluation.figures(result.table)
    counts = {
        "trust.mean": result.trust,
        "judgements": result.judgements[0],
        "judgements.held_out": result.judgements[1],
        "people.known": result.shards.people,
    }
    commit = environment()["commit"]
    folder = taste_registry.write_sharded(
        workspace.models, name, result.taste, result.shards, figures=figures, config=asdict(settings), commit=commit
    )
    _report(name, settings, run, figures, counts, {"shards": result.shards.shards}, result.taste.info, result.table, folder)


def _report(
    name: str,
    settings: TrainSettings,
    run: Run,
    figures: dict[str, float],
    counts: dict[str, float],
    history: dict[str, Any],
    info: TasteInfo,
    table: pd.DataFrame,
    folder: Place,
) -> None:
    """Write and print what came out."""
    run.metrics(figures | counts | history | {"encoder_id": info.encoder_id, "kind": settings.taste.kind})
    run.results(table)
    run.summary(_summary(name, settings, figures, counts, history, info))
    print(f"{name}: {_in_words(figures)}; in {folder.uri}")


def items_for(settings: TrainSettings, workspace: Workspace) -> DatasetWithItems:
    """What the kind of taste looks at: embeddings, or the images themselves."""
    takes: Items = "pixels" if settings.taste.kind == "lora" else "embeddings"
    return _workspace_dataset.from_workspace(
        workspace, settings.encoder, encoder_id=settings.encoder_id, attributes=settings.attributes, takes=takes
    )


@ray.remote(num_cpus=1)
def fit(job: TrainJob, items: np.ndarray, epochs: Any = None) -> Taste:
    """Fit somewhere on the cluster. epochs: an EpochLog to write to."""
    return job.fit(items, epochs=epochs)


@ray.remote(num_cpus=1)
def judge(taste: Taste, population: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int) -> pd.DataFrame:
    """Agreement with what was held out, beside the population's, somewhere on the cluster."""
    asked = validation.pairs(held_out, seed=seed)
    return evaluation.agree(taste, population, held_out, asked, items)


@ray.remote(num_cpus=1)
def weigh(taste: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """How far each person's own taste is to be trusted, by what was held out."""
    return shrinkage.weigh(taste, held_out, items, seed=seed)


def fit_together(
    job: TrainJob, items: "ray.ObjectRef[np.ndarray]", place: Place, config: TrainConfig, epochs: Any = None
) -> tuple[Taste, dict[str, Any]]:
    """One network by several processes, with checkpoints in `place`; and how it went.

    Every batch is shared out, gradients are averaged (DistributedDataParallel), and batch statistics are those of the whole batch,
    so that without dropout the taste is that of one process up to rounding. What is dropped each worker draws for its own share.
    """
    gpus = _placement.gpus(_placement.nodes(), getattr(job.taste, job.taste.kind).fit.device)
    trainer = TorchTrainer(
        work,
        train_loop_config={"job": job, "items": items, "epochs": epochs},
        scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=gpus >= config.workers),
        run_config=RunConfig(
            name=place.name,
            storage_path=place.path.rpartition("/")[0],
            storage_filesystem=place.filesystem,
            failure_config=FailureConfig(max_failures=config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _reason(error, config) from None
    states = _read(result.checkpoint)
    history = {"workers": config.workers, "epochs": sum(state["epoch"] for state in states.values())}
    history["resumed_from_epoch"] = int((result.metrics or {})["resumed_from_epoch"])
    return ray.get(finish.remote(job, items, states)), history


@ray.remote(num_cpus=1)
def finish(job: TrainJob, items: np.ndarray, states: dict[str, Any]) -> Taste:
    """The taste of networks that are fitted already."""
    return job.fit(items, hooks=TrainingHooks(states=states))


def work(config: dict[str, Any]) -> None:
    """One worker's part of a fit, from the last checkpoint on."""
    context = ray.train.get_context()
    checkpoint = ray.train.get_checkpoint()
    states = _read(checkpoint) if checkpoint else {}
    resumed = float(sum(state["epoch"] for state in states.values()))

    def after(hooks: TrainingHooks, figures: dict[str, float]) -> None:
        figures = figures | {"resumed_from_epoch": resumed}
        if hooks.rank:
            ray.train.report(figures)
            return
        with tempfile.TemporaryDirectory() as folder:
            torch.save(hooks.states, Path(folder) / _STATES)
            ray.train.report(figures, checkpoint=ray.train.Checkpoint.from_directory(folder))

    job, items, epochs = config["job"], config["items"], config["epochs"]
    hooks = TrainingHooks(
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
        wrap=_shared if context.get_world_size() > 1 else lambda module: module,
        states=states,
        after=after,
    )
    job.fit(ray.get(items), hooks=hooks, epochs=None if hooks.rank else epochs)


def _reason(error: Exception, config: TrainConfig) -> BeholderError:
    """Why a fit by workers ended: a user's mistake as itself, a lost worker with what to do."""
    causes = [cause for failure in getattr(error, "worker_failures", {}).values() for cause in _causes(failure)]
    for cause in causes:
        if isinstance(cause, BeholderError):
            return type(cause)(str(cause))
    last = str(causes[-1] if causes else error).strip().splitlines()[-1]
    return BeholderError(
        f"the fit lost its workers more often than train.max_failures={config.max_failures} allows ({last}); "
        "the same command goes on from the last epoch"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what lies under it."""
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or getattr(error, "_base_exc", None) or error.__cause__


def _shared(module: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.parallel.DistributedDataParallel(module)


def _read(checkpoint: Any) -> dict[str, Any]:
    """The states in a checkpoint; tensors and plain values only, nothing in it is run."""
    with checkpoint.as_directory() as folder:
        data = io.BytesIO((Path(folder) / _STATES).read_bytes())
    states: dict[str, Any] = torch.load(data, map_location="cpu", weights_only=True)
    return states


def _in_words(figures: dict[str, float]) -> str:
    """The figures in a few words."""
    if "accuracy.personal" not in figures:
        return "nothing held out to measure it by"
    gain = Interval(figures["gain.mean"], figures["gain.low"], figures["gain.high"])
    return (
        f"agrees with {figures['accuracy.personal']:.3f} of held-out choices, the population's taste with "
        f"{figures['accuracy.population']:.3f}, gain {gain} over {figures['people']} people"
    )


def _summary(
    name: str,
    settings: TrainSettings,
    figures: dict[str, float],
    counts: dict[str, float],
    history: dict[str, Any],
    info: TasteInfo,
) -> str:
    lines = [
        f"# {name}, a taste of kind {settings.taste.kind}",
        "",
        f"{_in_words(figures).capitalize()}. These judgements stopped the fit, so `beholder evaluate` is the fairer judge.",
        "",
        f"Attributes: {', '.join(info.attributes)}. Encoder: {info.encoder_id}.",
        "",
        *markdown_values(counts | history | figures, real=".4f", whole=","),
        "",
    ]
    return "\n".join(lines)
