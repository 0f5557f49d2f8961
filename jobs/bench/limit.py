"""The limit: the throughput of one process that calls the library directly, measured in turns with the service, as machines drift.

The process has the allocator and thread settings of a replica: else the limit would be lower than it need be.
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

_baseline: Baseline | None = None  # of the process that is measured


@dataclass(frozen=True)
class Batching:
    """So many recommendations in a batch, by so many threads. took: seconds of each batch."""

    batch: int
    threads: int
    took: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Return recommendations a second."""
        return self.batch * len(self.took) / sum(self.took)

    @property
    def median(self) -> float:
        """Return the median seconds of a batch."""
        return float(np.median(self.took))


class ThroughputLimit:
    """One process that recommends to people who have answered some questions. requests: who, about which image."""

    def __init__(self, process: ProcessPoolExecutor, requests: list[PersonAndImage]) -> None:
        self._process, self._requests = process, requests

    def measure(self, way: Batching, seconds: float) -> Batching:
        """Measure a batching for so many seconds."""
        took = self._process.submit(_work, self._requests, way, seconds).result()
        return Batching(way.batch, way.threads, tuple(took))

    def ways(self, seconds: float) -> list[Batching]:
        """Measure one or all in a batch, by one thread or all, each so long; more threads are slower where others use the cores."""
        threads = sorted({1, len(os.sched_getaffinity(0))})
        return [self.measure(Batching(batch, each), seconds) for each in threads for batch in (1, len(self._requests))]


@contextmanager
def limit(encoder: EncoderConfig, *, users: int, rounds: int) -> Iterator[ThroughputLimit]:
    """Run such a process for the length of the block."""
    requests = [(f"person-{number}", f"seed-{number}") for number in range(users)]
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        with environment({**process.ALLOCATOR_ENV, **process.THREAD_ENV}):
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            pool.submit(_begin, encoder, scratch, requests, rounds).result()
        with pool:
            yield ThroughputLimit(pool, requests)


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """Give processes that are started in the block these environment variables."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _begin(encoder: EncoderConfig, scratch: str, requests: list[PersonAndImage], rounds: int) -> None:
    global _baseline
    _baseline = Baseline(ServiceConfig(encoder=encoder, workspace=scratch))
    for request in requests:
        _baseline.answer(request, rounds)
    _baseline.recommend(requests)


def _work(requests: list[PersonAndImage], way: Batching, seconds: float) -> list[float]:
    import torch

    assert _baseline is not None
    torch.set_num_threads(way.threads)
    return _baseline.measure(requests, way.batch, seconds)
