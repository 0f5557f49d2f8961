"""Metrics: what is counted, for Prometheus, in one process or many.

Every process counts for itself, in a Meter: the API's middleware its requests, the routes what happened (RequestMetrics has both),
each deployment its work and its batches. Whichever replica of the API is asked for /metrics gathers the counts of all, each with
its replica as a label, so that it does not matter which one a proxy leads to. Labels have few values: never a person, an image or
a question.
"""

import asyncio
import functools
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

log = logging.getLogger("beholder.serve")
T = TypeVar("T")
_PATIENCE = 4.0  # seconds for the counts of others
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_STATUS = {"late": "504", "rate": "429", "guess": "429", "key": "401"}  # of what is rejected; of all else 503


@dataclass(frozen=True)
class Counts:
    """The counts of a process so far. replica: its name among all."""

    replica: str
    metrics: tuple[Metric, ...]


class Meter:
    """The counts of one process."""

    def __init__(self, replica: str = "local") -> None:
        self.replica = replica
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("beholder_requests", "Requests answered", ["route", "method", "status"], registry=registry)
        self._seconds = Histogram(
            "beholder_request_seconds", "From a request to its answer", ["route", "method"], registry=registry, buckets=_SECONDS
        )
        self._work = Histogram(
            "beholder_part_seconds", "Work of a part, with its waiting", ["part", "work"], registry=registry, buckets=_SECONDS
        )
        self._batch = Histogram("beholder_batch_size", "Requests worked on together", ["part"], registry=registry, buckets=_SIZES)
        self._rejected = Counter(
            "beholder_rejections", "Requests refused for want of room", ["reason", "status"], registry=registry
        )
        self._choices = Counter("beholder_choices", "Answers to questions, and answers taken back", ["choice"], registry=registry)
        self._questions = Counter("beholder_questions", "Questions asked", ["strategy"], registry=registry)
        self._studies = Counter("beholder_study_events", "What participants of studies did", ["event"], registry=registry)
        self._model = Gauge("beholder_model_info", "Which models answer", ["model", "version"], registry=registry)
        self._versions: dict[str, str] = {}
        self.model("beholder", metadata.version("beholder"))
        ProcessCollector(registry=registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request. route: its template."""
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def counted(self, what: str, kind: str) -> None:
        """Count a choice, question or rejection of a kind, or an answer of a model's version."""
        if what == "choice":
            self._choices.labels(kind).inc()
        elif what == "study":
            self._studies.labels(kind).inc()
        elif what == "question":
            self._questions.labels(kind).inc()
        elif what == "rejected":
            self._rejected.labels(kind, _STATUS.get(kind, "503")).inc()
        elif what == "model":
            self.model("prior", kind)
        else:
            raise ValueError(f"{what!r} is not counted")

    def model(self, name: str, version: str) -> None:
        """Set the version of a model that answers now, instead of the one before."""
        before = self._versions.get(name)
        if before != version:
            self._versions[name] = version
            if before is not None:
                self._model.remove(name, before)
            self._model.labels(name, version).set(1)

    def batched(self, part: str, size: int) -> None:
        """Count a batch of so many requests."""
        self._batch.labels(part).observe(size)

    def count_inside(self, inside: Callable[[], int]) -> None:
        """Set the function that returns how many requests are being worked on."""
        Gauge("beholder_requests_inside", "Requests being worked on", registry=self.registry).set_function(inside)

    @contextmanager
    def work(self, part: str, name: str) -> Iterator[None]:
        """Time the block as work of a part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._work.labels(part, name).observe(time.perf_counter() - began)

    def watch(self, part: str, thing: T) -> T:
        """Return an object whose methods are timed as work of a part; all else is as it is."""
        return cast(T, _Watched(self, part, thing))

    def counts(self) -> Counts:
        """Return the counts so far."""
        return Counts(self.replica, tuple(self.registry.collect()))


class Metrics:
    """Implements RequestMetrics: counts with a meter of its own, and gathers what others counted."""

    def __init__(self, meter: Meter, gather: Callable[[], Awaitable[Sequence[Counts]]]) -> None:
        self.meter, self._gather = meter, gather

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self.meter.answered(route, method, status, seconds)

    def counted(self, what: str, kind: str) -> None:
        self.meter.counted(what, kind)

    async def exposition(self) -> tuple[bytes, str]:
        """Return everything that is counted anywhere, for Prometheus: the text and its media type."""
        others: Sequence[Counts] = ()
        try:
            async with asyncio.timeout(_PATIENCE):
                others = await self._gather()
        except Exception as error:  # its own counts are better than none
            log.warning("the parts' counts could not be had: %s", type(error).__name__)
        return generate_latest(cast(CollectorRegistry, _Together([self.meter.counts(), *others]))), CONTENT_TYPE_LATEST


def metered(part: str) -> Callable[[type[T]], type[T]]:
    """Decorate a deployment: its public methods are timed by its `meter` as work of a part; `counts` returns its counts."""

    def decorate(kind: type[T]) -> type[T]:
        for name, method in list(vars(kind).items()):
            if not name.startswith("_") and inspect.iscoroutinefunction(method):
                setattr(kind, name, _timed(part, name, method))

        async def counts(self: Any) -> Counts:
            """Return what this replica has counted."""
            result: Counts = self.meter.counts()
            return result

        kind.counts = counts  # type: ignore[attr-defined]
        return kind

    return decorate


def _timed(part: str, name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.meter.work(part, name):
            return await method(self, *args, **kwargs)

    return timed


_WORK = {"draw_images": "draw"}  # methods of the library that are known by the name that the deployment's has


class _Watched:
    """An object, its methods timed."""

    def __init__(self, meter: Meter, part: str, thing: Any) -> None:
        self._meter, self._part, self._thing = meter, part, thing

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._thing, name)
        if not inspect.ismethod(attribute):
            return attribute

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._meter.work(self._part, _WORK.get(name, name)):
                return attribute(*args, **kwargs)

        return timed


class _Together:
    """The counts of many processes as those of one, each sample with its replica's name."""

    def __init__(self, all_counts: Iterable[Counts]) -> None:
        self._all = all_counts

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        known: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
        for counts in self._all:
            for each in counts.metrics:
                family = families.setdefault(each.name, Metric(each.name, each.documentation, each.type, each.unit))
                for sample in each.samples:
                    labels = {**sample.labels, "replica": counts.replica}
                    key = (sample.name, tuple(sorted(labels.items())))
                    if key not in known and not sample.name.endswith("_created"):  # twice, where two meters are in one process
                        known.add(key)
                        family.samples.append(sample._replace(labels=labels))
        yield from families.values()
