"""The limit: what one process does that calls the library directly, measured in turns with the service, as machines drift.

The process keeps memory and lets threads wait as a replica does: else the limit would be lower than it need be.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from beholder import process
from beholder.encoder import EncoderConfig
from beholder.jobs.bench.baseline import Baseline, PersonAndImage
from beholder.recommending.components import ServiceConfig

_bare: Baseline | None = None  # of the process that works


@dataclass(frozen=True)
class Batching:
    """A way to do it: so many recommendations at a time, by so many threads. took: seconds of each batch."""

    batch: int
    threads: int
    took: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Recommendations a second."""
        return self.batch * len(self.took) / sum(self.took)

    @property
    def median(self) -> float:
        """Seconds of a batch."""
        return float(np.median(self.took))


class ThroughputLimit:
    """One process that recommends to `wishes`, who have answered some questions."""

    def __init__(self, process: ProcessPoolExecutor, wishes: list[PersonAndImage]) -> None:
        self._process, self._wishes = process, wishes

    def measure(self, way: Batching, seconds: float) -> Batching:
        """So long, that way."""
        took = self._process.submit(_work, self._wishes, way, seconds).result()
        return Batching(way.batch, way.threads, tuple(took))

    def ways(self, seconds: float) -> list[Batching]:
        """All ways, each so long: one or all at a time, by one thread or by all; more are slower where others use the cores too."""
        threads = sorted({1, len(os.sched_getaffinity(0))})
        return [self.measure(Batching(batch, each), seconds) for each in threads for batch in (1, len(self._wishes))]


@contextmanager
def limit(encoder: EncoderConfig, *, users: int, rounds: int) -> Iterator[ThroughputLimit]:
    """Inside, there is such a process."""
    wishes = [(f"person-{number}", f"seed-{number}") for number in range(users)]
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        with environment({**process.ALLOCATOR_ENV, **process.THREAD_ENV}):
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            pool.submit(_begin, encoder, scratch, wishes, rounds).result()
        with pool:
            yield ThroughputLimit(pool, wishes)


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """Inside, processes that are started have these variables."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _begin(encoder: EncoderConfig, scratch: str, wishes: list[PersonAndImage], rounds: int) -> None:
    global _bare
    _bare = Baseline(ServiceConfig(encoder=encoder, workspace=scratch))
    for wish in wishes:
        _bare.answer(wish, rounds)
    _bare.recommend(wishes)


def _work(wishes: list[PersonAndImage], way: Batching, seconds: float) -> list[float]:
    import torch

    assert _bare is not None
    torch.set_num_threads(way.threads)
    return _bare.measure(wishes, way.batch, seconds)
