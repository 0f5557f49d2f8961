"""`beholder train`: judgements and embeddings -> a taste in the workspace's registry.

One fit is one Ray task, which also judges what it fitted, on the same device. With train.workers=N a network is fitted by N
processes with Ray Train instead, which share every batch and keep a checkpoint after every epoch: whatever is killed, the fit goes
on from there, and so does the same command.
"""

import hashlib
import io
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray
import ray.train
import ray.train.torch
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from beholder import evaluation, process
from beholder.config import setting
from beholder.embedding import embeddings
from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError, ConfigError, TasteError
from beholder.jobs import _decoded_images, _people, _placement, _reservation, _workspace_dataset
from beholder.jobs._decoded_images import DecodedImages
from beholder.jobs._epoch_log import follow
from beholder.jobs._people import PeopleJob
from beholder.jobs._reservation import ClusterRoom, Reserved
from beholder.jobs._workspace_dataset import DatasetWithImages, DatasetWithItems
from beholder.quality.person_weights import JudgementsConfig, read_weights
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_values
from beholder.reports.taste_report import training_report
from beholder.runs import Run, environment, log
from beholder.statistics import Interval
from beholder.storage import Place
from beholder.taste import shrinkage, splits, taste_factory, taste_registry, utility_table, validation, warm_taste
from beholder.taste.batch_limit import SharedWorkTooLargeError
from beholder.taste.contract import Items, Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset, join
from beholder.taste.image_effects import ImageEffects
from beholder.taste.judgement_partitions import JudgedPeople, TablePart
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.taste_loadings import TasteLoadings
from beholder.taste.training import TrainingHooks
from beholder.workspace import Workspace

_STATES = "states.pt"
_PARTS = "parts"  # a file beside the checkpoints


@dataclass(frozen=True)
class TrainConfig:
    """Where a fit runs."""

    workers: int = setting(1, "processes that fit one network together, with Ray Train; 1 is a plain task")
    resume: bool = setting(False, "keep checkpoints with one worker too, so that the same command goes on after a kill")
    max_failures: int = setting(3, "lost workers that a fit survives; -1 is any number")
    pixels_mib: int = setting(
        4096,
        "MiB of decoded images that are held in memory for taste=lora; more are decoded by Ray Data, and each fit reads them from "
        "a file on its disk (TMPDIR)",
    )
    num_gpus: float | None = setting(
        None,
        "share of a GPU that a fit by one process reserves; null: all of one for lora, a quarter for mlp, none for others",
    )

    def __post_init__(self) -> None:
        if self.num_gpus is not None and not 0 <= self.num_gpus <= 1:
            raise ConfigError(f"train.num_gpus must be in 0..1, as one process fits on one GPU, got {self.num_gpus}")
        if self.workers < 1:
            raise ConfigError(f"train.workers must be at least 1, got {self.workers}")
        if self.pixels_mib < 0:
            raise ConfigError(f"train.pixels_mib must be 0 or more, got {self.pixels_mib}")
        if self.max_failures < -1:
            raise ConfigError(f"train.max_failures must be -1 or more, got {self.max_failures}")

    @property
    def checkpoints(self) -> bool:
        """Whether Ray Train runs the fit."""
        return self.workers > 1 or self.resume


@dataclass(frozen=True)
class TrainSettings:
    common: ClassVar[tuple[str, ...]] = (
        "taste",
        "name",
        "attributes",
        "held_out",
        "encoder",
        "encoder_id",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder train",
        "beholder train taste=mlp name=networks taste.mlp.dropout=0.2",
        "beholder train taste=bayes encoder_id=mine attributes=[smart]",
    )
    taste: TasteConfig = setting(TasteConfig(), "the kind of taste and its settings")
    name: str = setting("", "name of the taste in the registry; empty: its kind")
    attributes: list[str] = setting([], "attributes to learn; empty: all that were judged")
    held_out: float = setting(0.2, "share of the images whose judgements only stop the fit and measure it")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings are used, or that images are cut to size for")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    seed: int = setting(0, "seed of the split and the fit")
    judgements: JudgementsConfig = setting(JudgementsConfig(), "how judgements enter the fit")
    crowd: bool = setting(
        True, "also learn what people's judgements say of each image beyond their tastes, for others who are asked"
    )
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
    crowd: bool = False

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
            progress=lambda step, steps, figures: epochs.write.remote(step, steps, figures) if epochs else None,
        )

    def digest(self, items: np.ndarray | DecodedImages, workers: int) -> str:
        """Return a name for just this fit: checkpoints of another one must not be gone on from."""
        digest = hashlib.sha256(repr((self.taste, self.encoder_id, self.seed, workers)).encode())
        for judged in (self.train, self.held_out):
            digest.update(repr((judged.people, judged.images, judged.attributes)).encode())
            weights = [] if judged.weights is None else [judged.weights]
            for column in (*vars(judged.ratings).values(), *vars(judged.comparisons).values(), *weights):
                digest.update(np.ascontiguousarray(column).tobytes())
        digest.update(items.digest if isinstance(items, DecodedImages) else np.ascontiguousarray(items).tobytes())
        return digest.hexdigest()[:12]


def main(settings: TrainSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    name = settings.name or settings.taste.kind
    if found := _people.many(workspace, settings.taste, settings.attributes):
        return to_many_people(settings, run, workspace, name, *found)
    size = _workspace_dataset.pixel_bytes(workspace, settings.encoder) if settings.taste.kind == "lora" else 0
    if size > settings.train.pixels_mib * 2**20:
        log.info("the images are %d MiB, more than train.pixels_mib: Ray decodes them, and a fit reads a file", size // 2**20)
        with connect(settings.ray):
            return to_one_dataset(settings, run, workspace, name, decoded_items_for(settings, workspace))
    to_one_dataset(settings, run, workspace, name, items_for(settings, workspace))


def to_one_dataset(
    settings: TrainSettings, run: Run, workspace: Workspace, name: str, material: DatasetWithItems | DatasetWithImages
) -> None:
    """Fit a taste to all judgements at once."""
    shares = (1 - settings.held_out, settings.held_out)
    weights = read_weights(settings.judgements, workspace)
    dataset = material.dataset if weights is None else weights.on(material.dataset)
    train, held_out = splits.by_image(dataset, seed=settings.seed, shares=shares)
    if not len(train):
        raise TasteError(f"held_out={settings.held_out} leaves nothing to learn from {len(material.dataset)} judgements")
    job = TrainJob(train, held_out, settings.taste, material.encoder_id, settings.seed, settings.crowd)
    log.info("%s: %d judgements to learn from, %d held out", name, len(train), len(held_out))
    with connect(settings.ray):
        room = ClusterRoom.now()
        reservation = room.reserve(settings.taste, items=material.items.nbytes, num_gpus=settings.train.num_gpus)
        placed, items = replace(job, taste=reservation.place(settings.taste)), ray.put(material.items)
        history: dict[str, Any] = {}
        with follow(f"train {name}") as epochs:
            if settings.train.checkpoints:
                place = workspace.place / "training" / f"{name}-{job.digest(material.items, settings.train.workers)}"
                states, history = fit_together(job, items, place, settings.train, epochs)
                trained = ray.get(fit_and_judge.options(**reservation.options).remote(placed, items, states=states))
            else:
                trained = ray.get(fit_and_judge.options(**reservation.options).remote(placed, items, epochs))
            learning: list[dict[str, float]] = ray.get(epochs.figures.remote())
    for message in trained.warnings:
        log.warning("%s", message)
    log.info("%s: fitted and judged on %s, with %s", name, trained.device, trained.reserved)
    taste, table, weights = trained.taste, trained.table, trained.weights
    figures = evaluation.figures(table)
    served = [weight for people in weights.values() for weight in people.values()]
    counts = {
        "trust.mean": float(np.mean(served)) if served else 1.0,
        "judgements": len(train),
        "judgements.held_out": len(held_out),
        "people.known": len(taste.info.people),
        "seconds.fitting": trained.seconds_fitting,
        "seconds.judging": trained.seconds_judging,
    }
    commit = environment()["commit"]
    folder = taste_registry.write(
        workspace.models, name, taste, figures=figures, config=asdict(settings), commit=commit, trust=weights
    )
    if trained.effects:
        effects, axes = trained.effects
        taste_registry.write_effects(workspace.models, name, effects, axes, dataset, seed=settings.seed)
        counts["images.judged"] = len(np.unique(effects.contributions.image))
    if settings.train.checkpoints:
        place.filesystem.delete_dir(place.path)
    placed = {"device": trained.device} | trained.reserved.metrics()
    _report(name, settings, run, figures, counts, history, placed, taste.info, table, folder, trust=weights, epochs=learning)


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
        weights=read_weights(settings.judgements, workspace),
    )
    log.info("%s: %d people, in %d blocks", name, judged.people, job.blocks)
    embeddings.check_there(workspace.embeddings(job.encoder_id))
    if settings.crowd:
        log.warning("what people say of images beyond their tastes is not learned of so many people yet (crowd=true)")
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
    _report(name, settings, run, figures, counts, {"shards": result.shards.shards}, {}, result.taste.info, result.table, folder)


def _report(
    name: str,
    settings: TrainSettings,
    run: Run,
    figures: dict[str, float],
    counts: dict[str, float],
    history: dict[str, Any],
    placed: dict[str, Any],
    info: TasteInfo,
    table: pd.DataFrame,
    folder: Place,
    *,
    trust: dict[str, dict[str, float]] | None = None,
    epochs: Sequence[dict[str, float]] = (),
) -> None:
    """Write and print what came out. placed: the device that it was fitted on, and what the task had reserved. trust: of each
    person, by attribute. epochs: the figures of each."""
    run.metrics(figures | counts | history | placed | {"encoder_id": info.encoder_id, "kind": settings.taste.kind})
    run.results(table)
    training_report(
        name,
        settings.taste.kind,
        table,
        figures,
        attributes=info.attributes,
        encoder_id=info.encoder_id,
        judgements=(int(counts["judgements"]), int(counts["judgements.held_out"])),
        trust=trust or {},
        epochs=epochs,
    ).write(run)
    run.summary(_summary(name, settings, figures, counts, history, info))
    print(f"{name}: {_in_words(figures)}; in {folder.uri}")


def items_for(settings: TrainSettings, workspace: Workspace) -> DatasetWithItems:
    """What the kind of taste looks at: embeddings, or the images themselves."""
    takes: Items = "pixels" if settings.taste.kind == "lora" else "embeddings"
    return _workspace_dataset.from_workspace(
        workspace, settings.encoder, encoder_id=settings.encoder_id, attributes=settings.attributes, takes=takes
    )


@dataclass(frozen=True)
class TrainedTaste:
    """A taste that was fitted, its agreement with what was held out beside the population's, how far each person's own is to be
    trusted, and what all that took: warnings of the task, which nobody sees there."""

    taste: Taste
    table: pd.DataFrame
    weights: dict[str, dict[str, float]]
    device: str
    reserved: Reserved
    seconds_fitting: float
    seconds_judging: float
    warnings: list[str]
    effects: tuple[ImageEffects, TasteLoadings] | None = None


def decoded_items_for(settings: TrainSettings, workspace: Workspace) -> DatasetWithImages:
    """What `items_for` returns, with images that lie in Ray's store."""
    return _workspace_dataset.with_decoded_images(
        workspace, settings.encoder, encoder_id=settings.encoder_id, attributes=settings.attributes
    )


@ray.remote
def fit_and_judge(
    job: TrainJob, items: np.ndarray | DecodedImages, epochs: Any = None, states: dict[str, Any] | None = None
) -> TrainedTaste:
    """Fit somewhere on the cluster, and judge there what came out: on the same device, with the images that are there already.

    epochs: an EpochLog to write to. states: of networks that are fitted already.
    """
    reserved = _reservation.begin()
    with _reservation.warnings_kept() as warnings, _decoded_images.opened(items) as rows:
        began = time.monotonic()
        taste = job.fit(rows, epochs=epochs, hooks=TrainingHooks(states=states) if states else None)
        fitted = time.monotonic()
        population = replace(job, taste=replace(job.taste, kind="population")).fit(rows)
        table, weights = judge(taste, population, job.held_out, rows, job.seed)
        judged = time.monotonic()
        effects = effects_after(taste, weights, job, rows) if job.crowd else None
    device = _reservation.device_used(job.taste)
    return TrainedTaste(taste, table, weights, device, reserved, fitted - began, judged - fitted, warnings, effects)


def effects_after(
    taste: Taste, weights: dict[str, dict[str, float]], job: TrainJob, items: np.ndarray
) -> tuple[ImageEffects, TasteLoadings]:
    """Return the effects of images after everybody's taste as it is served, from all judgements."""
    fitted = np.isin(np.arange(len(items)), job.train.judged_images())
    return warm_taste.learn_effects(shrinkage.ShrunkTaste(taste, weights), join(job.train, job.held_out), items, fitted)


def judge(
    taste: Taste, population: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Return the agreement with what was held out, beside the population's, and how far each person's own is to be trusted."""
    asked = validation.pairs(held_out, seed=seed)
    rows = np.arange(len(items))
    own, shared = (utility_table.on_rows(each, items, held_out, asked) for each in (taste, population))
    return evaluation.agree(own, shared, held_out, asked, rows), shrinkage.weigh(own, held_out, rows, seed=seed)


def scaling(taste: TasteConfig, nodes: Sequence[dict[str, float]], config: TrainConfig) -> ScalingConfig:
    """Return how a fit is spread: a GPU for each worker where there are as many, else a core for each.

    Raises ConfigError where the taste's device is a GPU and there are fewer of them than workers.
    """
    setting, device = _reservation.device_of(taste)
    gpus = _placement.gpus(nodes, device)
    if device not in ("auto", "cpu") and gpus < config.workers:
        raise ConfigError(
            f"train.workers={config.workers} with {setting}={device} needs a GPU for each worker, but this Ray has {gpus}; "
            f"lower train.workers, or set {setting}=cpu"
        )
    use_gpu = gpus >= config.workers
    resources = {"CPU": 1.0, "GPU": 1.0} if use_gpu else {"CPU": 1.0}
    return ScalingConfig(num_workers=config.workers, use_gpu=use_gpu, resources_per_worker=resources)


def fit_together(
    job: TrainJob, items: "ray.ObjectRef[np.ndarray | DecodedImages]", place: Place, config: TrainConfig, epochs: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit one network by several processes, with checkpoints in `place`; return its states and how it went.

    Every batch is shared out, gradients are averaged (DistributedDataParallel), and batch statistics are those of the whole batch,
    so that without dropout the taste is that of one process up to rounding. What is dropped each worker draws for its own share.
    Gradients go from GPU to GPU by NCCL, from core to core by gloo. A share of a batch that a GPU's memory does not hold is halved
    in all workers, which counts as a lost worker.
    """
    spread = scaling(job.taste, _placement.nodes(), config)
    trainer = TorchTrainer(
        work,
        train_loop_config={"job": job, "items": items, "epochs": epochs, "place": place},
        torch_config=TorchConfig(backend="nccl" if spread.use_gpu else "gloo"),
        scaling_config=spread,
        run_config=RunConfig(
            name=place.name,
            storage_path=place.path.rpartition("/")[0],
            storage_filesystem=place.filesystem,
            failure_config=FailureConfig(max_failures=config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        with process.keep_handlers(signal.SIGINT):  # Ray Train leaves one that asks its controller, which is gone by then
            result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _reason(error, config) from None
    states = _read(result.checkpoint)
    if (parts := _parts(place)) > 1:
        log.warning(
            "a GPU's memory does not hold a worker's share of a batch of %s: each was computed in %d parts",
            job.taste.kind,
            parts,
        )
    history = {"workers": config.workers, "epochs": sum(state["epoch"] for state in states.values())}
    history["resumed_from_epoch"] = int((result.metrics or {})["resumed_from_epoch"])
    history["workers.gpus"] = config.workers if spread.use_gpu else 0
    return states, history


def work(config: dict[str, Any]) -> None:
    """One worker's part of a fit, from the last checkpoint on.

    Where a share of a batch does not fit into a GPU's memory, all have to halve theirs, as they wait for each other in each step:
    the fit is begun again from the last epoch, as after any loss of a worker, with twice as many parts.
    """
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

    reserved = _reservation.begin()
    job, items, epochs, place = config["job"], config["items"], config["epochs"], config["place"]
    parts = _parts(place)
    hooks = TrainingHooks(
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
        parts=parts,
        wrap=_shared if context.get_world_size() > 1 else lambda module: module,
        states=states,
        after=after,
    )
    # All workers of a node see each other's GPUs; which one is whose Ray Train knows.
    device = str(ray.train.torch.get_device()) if reserved.num_gpus else "cpu"
    job = replace(job, taste=_reservation.on_device(job.taste, device))
    with _decoded_images.opened(ray.get(items)) as rows:
        try:
            job.fit(rows, hooks=hooks, epochs=None if hooks.rank else epochs)
        except SharedWorkTooLargeError:
            (place / _PARTS).write_bytes(str(2 * parts).encode())
            raise


def _parts(place: Place) -> int:
    """Return in how many parts each worker of a fit computes its share of a batch."""
    file = place / _PARTS
    return int(file.read_bytes()) if file.is_file() else 1


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
