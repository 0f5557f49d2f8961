"""The training loop of the tastes that are networks: AdamW, early stopping on a validation loss, resumable after every epoch.

The surrogate and the portrait world have loops of their own, whose steps are not passes over judgements; `tuning.stacked` repeats
this one for many small networks in one product.

What happens in an epoch follows from (seed, epoch) alone, so a fit that goes on from a kept state ends as if it had never stopped.
The loop knows of no cluster: its hooks say how to spread a batch over processes, where to go on, and what to do after
each epoch. A batch that does not fit into the device's memory goes through it in parts whose gradients are added up.
"""

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from beholder.config import setting
from beholder.errors import ConfigError, TasteError
from beholder.taste.batch_limit import BatchLimit, largest_batch
from beholder.taste.contract import Progress

_BATCH = 256  # judgements of a step where the config leaves it open, and memory does not say
_STEPS = 16  # of an epoch, at least: a step of all judgements together would learn too little in an epoch
State = dict[str, Any]  # plain numbers, text and tensors: torch.load(weights_only=True) reads it


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a fit: AdamW (Loshchilov and Hutter 2019), stopped by held-out judgements."""

    epochs: int = setting(100, "passes over the judgements, at most")
    batch: int = setting(256, "judgements in one step, over all workers; 0 is as many as a GPU's memory holds, 256 on a CPU")
    learning_rate: float = setting(3e-3, "learning rate of AdamW")
    weight_decay: float = setting(0.01, "weight decay of AdamW, on weights")
    patience: int = setting(10, "epochs without a better held-out loss before it stops; 0 never stops early")
    clip: float = setting(0.0, "norm to which a gradient is clipped; 0 leaves it as it is")
    precision: str = setting("fp32", "fp32, or bf16 for the network's forward pass; auto is bf16 on a GPU that has it")
    device: str = setting("auto", "cpu, cuda or cuda:N; auto takes a GPU where there is one")

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs must be at least 1, got {self.epochs}")
        for name in ("batch", "weight_decay", "patience", "clip"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, got {self.precision!r}")

    def place(self) -> str:
        """Return the device that `device` means on this machine. Raises ConfigError for one that torch does not find."""
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:  # a name torch doesn't know, a card that isn't there, a build without CUDA
            raise ConfigError(
                f"fit.device={self.device} is not there: {str(error).splitlines()[0]}; set it to auto or cpu"
            ) from None
        return self.device

    @property
    def size(self) -> int:
        """The judgements of a step where no memory is asked."""
        return self.batch or _BATCH

    def bf16(self, device: str) -> bool:
        """Tell whether the forward pass on a device is in bf16."""
        on_gpu = not device.startswith("cpu")
        return self.precision == "bf16" or (self.precision == "auto" and on_gpu and torch.cuda.is_bf16_supported())


@dataclass(frozen=True)
class FitTask:
    """A module to fit and the examples to fit it to.

    module: forward(batch) is the mean loss of a batch. examples: how many there are. take: row numbers int64 [B] -> a batch on the
    module's device. validate: the held-out loss of the module as it stands (called in eval mode, without gradients); None where
    nothing is held out: then every epoch is run and the last one kept. groups: torch's parameter groups where not all
    parameters take the config's learning rate and weight decay.
    """

    module: nn.Module
    examples: int
    take: Callable[[np.ndarray], Any]
    validate: Callable[[], float] | None
    groups: list[dict[str, Any]] | None = None


@dataclass
class TrainingHooks:
    """How fits run: in this process alone by default.

    rank of workers: this process takes every `workers`-th judgement of each batch, in so many parts, one after the other. wrap: the
    module as it is called, for instance in DistributedDataParallel, which has to average gradients over the workers. states: the
    last state of each fit by name; what is in there at the start is gone on from. after: called when an epoch has ended, with its
    figures; whatever it raises ends the fit.
    """

    rank: int = 0
    workers: int = 1
    parts: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    states: dict[str, State] = field(default_factory=dict)
    after: Callable[["TrainingHooks", dict[str, float]], None] = lambda hooks, figures: None


@dataclass(frozen=True)
class FitResult:
    """The result of a fit; the module holds the best epoch's weights. loss: the best held-out one (nan for none)."""

    epochs: int
    best_epoch: int
    loss: float


def fit(task: FitTask, config: TrainingConfig, *, seed: int, name: str = "fit", hooks: TrainingHooks | None = None) -> FitResult:
    """Fit `task.module` in place, leaving it with the weights of its best epoch, in eval mode.

    Raises TasteError where there are fewer judgements than workers, where the loss is not a number, or where the device's memory
    does not hold two judgements; SharedWorkTooLargeError where it does not hold a worker's part of a batch.
    """
    hooks = hooks or TrainingHooks()
    if task.examples < 2 * hooks.workers:
        raise TasteError(f"{task.examples} judgements are too few to fit a network on {hooks.workers} workers")
    state = hooks.states.get(name)
    if state is not None and state["done"]:
        _put(task.module, state["best"])
        task.module.eval()
        return FitResult(state["epoch"], state["best_epoch"], state["loss"])
    groups = task.groups or [{"params": [p for p in task.module.parameters() if p.requires_grad]}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    if state is None:
        state = {"epoch": 0, "best_epoch": 0, "loss": math.inf, "best": trainable_state(task.module), "done": False}
    else:
        _put(task.module, state["module"])
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
    size = _batch_size(task, config, hooks, seed=seed)
    limit = BatchLimit(max(-(-size // (hooks.workers * hooks.parts)), 2), name=name, shared=hooks.workers > 1)
    called = hooks.wrap(task.module)
    while not state["done"]:
        epoch = state["epoch"]
        loss = _epoch(task, called, optimizer, config, hooks, size=size, limit=limit, seed=seed, epoch=epoch)
        validated = _validate(task)
        state = _after_epoch(state, task, config, validated)
        state |= {"module": trainable_state(task.module), "optimizer": copy.deepcopy(optimizer.state_dict())}
        if state["done"]:
            state = {key: value for key, value in state.items() if key not in ("module", "optimizer")}
        hooks.states[name] = state
        hooks.after(hooks, {"epoch": float(epoch + 1), "loss": loss, "held_out_loss": validated, "best_loss": state["loss"]})
    _put(task.module, state["best"])
    task.module.eval()
    return FitResult(state["epoch"], state["best_epoch"], state["loss"])


def with_progress(hooks: TrainingHooks | None, progress: Progress, *, done: int = 0, total: int) -> TrainingHooks:
    """Return hooks that also report progress: of `total` epochs, `done` were passed before this fit."""
    hooks = hooks or TrainingHooks()

    def after(current: TrainingHooks, figures: dict[str, float]) -> None:
        hooks.after(current, figures)
        progress(done + int(figures["epoch"]), total, figures)

    return replace(hooks, after=after)


def batches(examples: int, size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Return an epoch's row numbers in its own order, int64, in batches of at most `size` and of nearly equal length.

    A last one of a single judgement would be too few for batch statistics.
    """
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    return np.array_split(order, math.ceil(examples / size))


def chance(seed: int, epoch: int, rank: int = 0) -> int:
    """Return the seed of whatever an epoch leaves to chance, such as dropout."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """Return what fitting changes in a module, by name: copies of its trainable parameters and buffers."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad} | dict(module.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in trained.items()}


def _put(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    module.load_state_dict(dict(tensors), strict=False)


def _validate(task: FitTask) -> float:
    if task.validate is None:
        return math.nan
    task.module.eval()
    with torch.no_grad():
        return float(task.validate())


def _after_epoch(state: State, task: FitTask, config: TrainingConfig, validated: float) -> State:
    """Return the state after an epoch with this held-out loss."""
    epoch = state["epoch"] + 1
    if task.validate is None or validated < state["loss"]:
        state = state | {"loss": validated, "best_epoch": epoch, "best": trainable_state(task.module)}
    waited = epoch - state["best_epoch"]
    return state | {"epoch": epoch, "done": epoch >= config.epochs or bool(config.patience and waited >= config.patience)}


def _epoch(
    task: FitTask,
    called: nn.Module,
    optimizer: Any,
    config: TrainingConfig,
    hooks: TrainingHooks,
    *,
    size: int,
    limit: BatchLimit,
    seed: int,
    epoch: int,
) -> float:
    """Pass once over the examples and return the mean loss of this worker's share."""
    called.train()
    total: float | Tensor = 0.0
    count = 0
    with _chance(seed, epoch, hooks.rank):
        for whole in batches(task.examples, size, seed=seed, epoch=epoch):
            rows = whole[hooks.rank :: hooks.workers]

            def step(parts: list[np.ndarray], share: float = len(rows) * hooks.workers / len(whole)) -> float | Tensor:
                # Averaging over workers weighs each alike, so a longer share has to weigh more.
                optimizer.zero_grad(set_to_none=True)
                return _gradients(task, called, parts, config, weight=share)

            loss = limit.run(rows, step, longest=-(-len(whole) // hooks.workers))
            if config.clip:
                nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], config.clip)
            optimizer.step()
            total, count = total + loss * len(rows), count + len(rows)
    mean = float(total) / count
    if not math.isfinite(mean):
        raise TasteError(f"the loss is {mean} in epoch {epoch + 1}; lower learning_rate, or set clip")
    return mean


def _gradients(
    task: FitTask, called: nn.Module, parts: list[np.ndarray], config: TrainingConfig, *, weight: float
) -> float | Tensor:
    """Add up the gradients of a batch in parts, each weighted by its judgements; return the batch's mean loss."""
    device = str(next(task.module.parameters()).device)
    taken = [task.take(rows) for rows in parts]
    whole = sum(len(part) for part in taken)
    mean: float | Tensor = 0.0
    for part in taken:
        share = len(part) / whole if len(taken) > 1 else 1.0
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=config.bf16(device)):
            loss = called(part)
        (loss * (weight * share)).backward()
        mean = mean + loss.detach() * share
    return mean


def _batch_size(task: FitTask, config: TrainingConfig, hooks: TrainingHooks, *, seed: int) -> int:
    """Return the judgements of a step: the config's, or as many as the GPU's memory holds, by what two small steps took of it."""
    device = next(task.module.parameters()).device
    size = config.size
    if not config.batch and device.type == "cuda" and hooks.workers == 1:

        def peak(count: int) -> int:
            torch.cuda.reset_peak_memory_stats(device)
            _gradients(task, task.module.train(), [np.arange(count) % task.examples], config, weight=1.0)
            task.module.zero_grad(set_to_none=True)
            return int(torch.cuda.max_memory_allocated(device))

        before = trainable_state(task.module)
        with _chance(seed, 0, 0):
            free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
            with contextlib.suppress(torch.OutOfMemoryError):  # too little for the smaller of two: it will be halved
                size = largest_batch(peak, memory=free, most=max(task.examples // _STEPS, _BATCH))
        _put(task.module, before)  # running statistics have moved
    return max(size, 2 * hooks.workers)


@contextlib.contextmanager
def _chance(seed: int, epoch: int, rank: int) -> Iterator[None]:
    """Seed torch from these numbers inside, and leave its state as it was."""
    initialized = torch.cuda.is_initialized()  # torch leaves it without types
    cards = list(range(torch.cuda.device_count())) if initialized else []
    with torch.random.fork_rng(devices=cards):
        torch.manual_seed(chance(seed, epoch, rank))
        yield
