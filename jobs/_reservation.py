"""Reservations: what a task asks Ray for, by the kind of its taste, the device it is to take, and the cluster's nodes.

This is the one place that decides it. A GPU that nobody reserved is never touched: where none is reserved the taste's device is the
CPU, and the task sees no GPU (`begin` here, and Ray itself where ray_connection started it).
"""

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import ray

from beholder.errors import ConfigError
from beholder.jobs import _placement
from beholder.runs import log
from beholder.taste import taste_factory
from beholder.taste.taste_factory import TasteConfig

# The share of a GPU that one fit reserves. A network of some hundred thousand weights can't fill a card, so four of them share one.
SHARES = {"lora": 1.0, "mlp": 0.25}
_MIB = 2**20
_PROCESS = 512 * _MIB  # a process that has imported torch
_MODEL = 1024 * _MIB  # an image tower on the CPU, with what one batch needs


@dataclass(frozen=True)
class Reservation:
    """What a task reserves. num_gpus: a share of one, or none. memory: bytes of the node's, beside what lies in Ray's store."""

    num_cpus: float
    num_gpus: float
    memory: int

    @classmethod
    def of(
        cls,
        taste: TasteConfig,
        nodes: Sequence[dict[str, float]],
        *,
        items: int = 0,
        beside: int = 1,
        num_gpus: float | None = None,
        free: float = 1.0,
    ) -> "Reservation":
        """Return what a fit of a taste, or a judgement by it, reserves on nodes with these resources, as Ray counts them.

        items: bytes of the embeddings or pixels it is fitted to. beside: how many such tasks there are. num_gpus: instead of what
        the kind takes. free: the share of the cluster's cores that nobody has reserved. Raises ConfigError where the taste's
        device is a GPU and no node has one.
        """
        setting, device = device_of(taste)
        largest = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
        share = SHARES[network_of(taste)] if setting and num_gpus is None else num_gpus or 0.0
        if device == "cpu" or not setting:
            share = 0.0
        elif not 0 < share <= largest:
            if device != "auto":
                raise ConfigError(
                    f"{setting}={device} needs a node with {share or 1:g} GPU, but the nodes of this Ray have {largest:g} at most"
                    f"{'' if share else ', and none is to be reserved'}; set {setting}=cpu, or name a Ray with GPUs by ray.address"
                )
            share = 0.0
        memory = min(_memory(taste, items, on_gpu=share > 0), int(max((node.get("memory", 0.0) for node in nodes), default=0.0)))
        return cls(1.0 if share else _cores(taste, nodes, beside, free), share, memory)

    @property
    def options(self) -> dict[str, float | int]:
        """What the task reserves, as its options."""
        return {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus} | ({"memory": self.memory} if self.memory else {})

    def place(self, taste: TasteConfig) -> TasteConfig:
        """Return the taste's config with the device that is reserved for it.

        Without a GPU that is the CPU. With one, which of a node's it is Ray decides; auto then takes it where torch sees it.
        """
        if not self.num_gpus:
            return on_device(taste, "cpu")
        for name in taste_factory.NETWORKS:
            if ":" in getattr(taste, name).fit.device:
                taste = on_device(taste, "cuda")
        return taste


@dataclass(frozen=True)
class Reserved:
    """What a task had, by Ray's own account, and where. visible: the numbers of the node's GPUs that it could see, "" for none."""

    num_cpus: float
    num_gpus: float
    memory: int
    visible: str
    node: str

    @classmethod
    def here(cls) -> "Reserved":
        """Return what the task that asks has."""
        context = ray.get_runtime_context()
        assigned: dict[str, float] = context.get_assigned_resources()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
        memory = int(assigned.get("memory", 0))
        return cls(assigned.get("CPU", 0.0), assigned.get("GPU", 0.0), memory, visible, context.get_node_id()[:8])

    def metrics(self, prefix: str = "") -> dict[str, float | str]:
        """Return it as figures of a run."""
        figures: dict[str, float | str] = {
            "reserved.cpus": self.num_cpus,
            "reserved.gpus": self.num_gpus,
            "reserved.memory_mib": self.memory / _MIB,
            "reserved.visible": self.visible,
        }
        return {prefix + name: value for name, value in figures.items()}

    def __str__(self) -> str:
        gpus = f"{self.num_gpus:g} GPU (of number {self.visible})" if self.num_gpus else "no GPU"
        return f"{gpus}, {self.num_cpus:g} cores and {self.memory / _MIB:.0f} MiB of node {self.node}"


def begin() -> Reserved:
    """Begin a task: hide GPUs that it did not reserve, take as many threads as cores; return what it has."""
    import torch

    reserved = Reserved.here()
    if not reserved.num_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a Ray that we did not start may let it see them all
        reserved = replace(reserved, visible="")
    torch.set_num_threads(max(int(reserved.num_cpus), 1))
    return reserved


@dataclass(frozen=True)
class ClusterRoom:
    """The nodes of a Ray, the share of their cores that nobody had reserved, and how many GPUs."""

    nodes: list[dict[str, float]]
    free: float
    free_gpus: float

    @classmethod
    def now(cls) -> "ClusterRoom":
        """Return that of the Ray that is connected."""
        total = _placement.cluster_resources().get("CPU", 0.0)
        available: dict[str, float] = ray.available_resources()  # Ray's own has no types
        return cls(_placement.nodes(), available.get("CPU", 0.0) / total if total else 1.0, available.get("GPU", 0.0))

    def reserve(self, taste: TasteConfig, *, items: int, beside: int = 1, num_gpus: float | None = None) -> Reservation:
        """Return the reservation of a task there; arguments and errors as `Reservation.of` has them. Warns where it has to wait."""
        reservation = Reservation.of(taste, self.nodes, items=items, beside=beside, num_gpus=num_gpus, free=self.free)
        if reservation.num_gpus > self.free_gpus:
            log.warning(
                "taste=%s reserves %g GPU, and %g are free: it waits until others (a service, another command) give theirs back; "
                "with %s=cpu it would not",
                taste.kind,
                reservation.num_gpus,
                self.free_gpus,
                device_of(taste)[0],
            )
        return reservation


def network_of(taste: TasteConfig) -> str:
    """Return the kind of the network that a taste is or has as a part; "" for none."""
    if taste.kind in taste_factory.NETWORKS:
        return taste.kind
    return next((part for part in taste.ensemble.parts if part in taste_factory.NETWORKS), "") if taste.kind == "ensemble" else ""


def device_of(taste: TasteConfig) -> tuple[str, str]:
    """Return the setting that says which device a taste takes, and its value; "" and cpu for one that computes on CPUs only."""
    name = network_of(taste)
    return (f"taste.{name}.fit.device", getattr(taste, name).fit.device) if name else ("", "cpu")


def on_device(taste: TasteConfig, device: str) -> TasteConfig:
    """Return the taste's config with this device for its networks."""
    for name in taste_factory.NETWORKS:
        own = getattr(taste, name)
        taste = replace(taste, **{name: replace(own, fit=replace(own.fit, device=device))})
    return taste


def device_used(taste: TasteConfig) -> str:
    """Return the device that a taste's fit took in this task."""
    name = network_of(taste)
    return str(getattr(taste, name).fit.place()) if name else "cpu"


@contextlib.contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """Keep the warnings that are logged in the block, once each: a task's own log is not seen by whoever waits for it."""
    messages: list[str] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() not in messages:
                messages.append(record.getMessage())

    handler = _Keep(logging.WARNING)
    log.addHandler(handler)
    try:
        yield messages
    finally:
        log.removeHandler(handler)


def _cores(taste: TasteConfig, nodes: Sequence[dict[str, float]], beside: int, free: float) -> float:
    """Return the cores of a task without a GPU: an image tower uses all that are free, shared with the tasks beside it."""
    if network_of(taste) != "lora":
        return 1.0
    largest = max((node.get("CPU", 0.0) for node in nodes), default=1.0)
    total = sum(node.get("CPU", 0.0) for node in nodes)
    return float(max(math.floor(min(largest * free, total * free / max(beside, 1))), 1))


def _memory(taste: TasteConfig, items: int, *, on_gpu: bool) -> int:
    """Return bytes that a task holds on the host: copies of its items, and what is kept of the frozen blocks."""
    if taste.kind == "lora":
        kept = min(8 * items, taste.lora.cache_mib * _MIB)  # of ViT-B/32 a little less than the pixels, of ViT-L/14 seven times
        return _MODEL + kept
    return _PROCESS + (2 if on_gpu else 4) * items
