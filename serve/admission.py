"""Admission: how many requests are worked on at a time, how long one may take, and when a refused one may come again."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.serve.protocols import DeadlineExceeded, Overloaded, RequestMetrics, Service

T = TypeVar("T")

_LONGEST = 30.0  # seconds that anybody is sent away
_EAGER = 2.0  # times given out for each place that comes free: some never come back, and a place that nobody takes is wasted
_NEWS = 0.1  # the weight of the latest duration in the moving average
_MOST_NAMES = 10_000  # token buckets in memory, but for those of who asks all the time
_RECOVERY_S = 5  # seconds after which to come again where a replica is being replaced


class ConcurrencyLimiter:
    """A concurrency limit: at most `most` requests inside at a time.

    A refused client comes again. If all had the same Retry-After, all would come at once, and refusing them again would take the
    time of those inside. So each gets a time of its own, one after the other, at twice the rate at which those inside leave: by
    Little's law, `most` in the mean time that one takes.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.inside, self._clock = most, 0, clock
        self._mean = 1.0  # seconds
        self._last = -math.inf  # the latest turn that was given

    @contextlib.contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Hold a place for the length of the block.

        Raises Overloaded of this name, with the seconds to stay away, where there is none.
        """
        if self.inside >= self.most:
            raise Overloaded(what, seconds=self._away())
        self.inside += 1
        began = self._clock()
        try:
            yield
            self._mean += _NEWS * (self._clock() - began - self._mean)
        finally:
            self.inside -= 1

    def _away(self) -> int:
        now = self._clock()
        self._last = min(max(self._last, now) + self._mean / self.most / _EAGER, now + _LONGEST)
        return max(1, min(math.ceil(self._last - now), int(_LONGEST)))


@dataclass(frozen=True)
class RequestLimits:
    """What a request may cost."""

    body_kb: int = setting(64, "kilobytes of a request's body at most")
    images_mb: int = setting(17, "megabytes of a body that holds images, at most")
    images: int = setting(16, "images that one request may have scored")
    recommendations: int = setting(16, "edits that one request may be recommended")
    body_seconds: float = setting(10.0, "seconds that a request's body may take to come, and more by its size (408)")
    body_kb_per_second: float = setting(50.0, "kilobytes of a body for which there is another second")
    reading: int = setting(1024, "bodies on their way at a time, per replica of the API; more are refused (503)")
    reading_each: int = setting(256, "the same of one key, or of one address without a key")
    bodies_mb: int = setting(512, "megabytes of the bodies of all requests together, per replica of the API; beyond: 503")
    seconds: float = setting(15.0, "deadline of a request in seconds (504)")
    photo_seconds: float = setting(40.0, "deadline of a request that uploads a photo, which has to be inverted")
    at_once: int = setting(2, "recommendations and predictions at a time, per replica of the API; beyond: 503 with Retry-After")
    inside: int = setting(128, "requests at a time, per replica of the API; more are refused (503 with Retry-After)")
    retry_seconds: int = setting(1, "Retry-After in seconds of a request that is refused because too many wait (503)")
    origins: list[str] = setting([], "origins whose pages may call this API (CORS); none by default")
    hosts: list[str] = setting([], "host names that this service answers to (421 for others); empty: any")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value <= 0:
                raise ConfigError(f"limits.{name} must be above 0, got {value}")


class Remembered(Generic[T]):
    """What some work returned or raised, for a while: whoever asks meanwhile, or while it works, gets the same."""

    def __init__(self, work: Callable[[], Awaitable[T]], *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._seconds, self._clock = work, seconds, clock
        self._task: asyncio.Future[T] | None = None
        self._until = math.inf

    async def get(self) -> T:
        """Return what the work returns, or raise what it raises."""
        if self._task is None or self._clock() >= self._until:
            self._until = math.inf
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._done)
        return await asyncio.shield(self._task)

    def _done(self, task: "asyncio.Future[T]") -> None:
        self._until = self._clock() + self._seconds
        if not task.cancelled():
            task.exception()  # seen, even where nobody waits for it any more


class TokenBuckets:
    """A token bucket for each key: it holds `burst`, and `per_minute` are added each minute."""

    def __init__(self, per_minute: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = per_minute / 60, float(burst), clock
        self._left: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many

    def wait(self, name: str) -> float:
        """Return the seconds until there is a token, 0 where there is one, and take none."""
        left, then = self._left.get(name, (self.burst, self._clock()))
        return max(0.0, (1 - min(self.burst, left + (self._clock() - then) * self.rate)) / self.rate)

    def take(self, name: str) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        left, then = self._left.get(name, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        if left < 1:
            return (1 - left) / self.rate
        if name not in self._left and len(self._left) >= _MOST_NAMES:
            self._left = {each: (n, at) for each, (n, at) in self._left.items() if n + (now - at) * self.rate < self.burst}
        self._left[name] = (left - 1, now)
        return 0.0


class RequestRunner:
    """Runs what requests ask of a service, each under a deadline, and counts what is refused."""

    def __init__(self, service: Service, limits: RequestLimits, metrics: RequestMetrics | None = None) -> None:
        self.service, self.limits, self._metrics = service, limits, metrics
        self._limiter = ConcurrencyLimiter(limits.at_once)  # of requests that draw many pictures

    def count(self, what: str, kind: str) -> None:
        """Count something that happened, where anything is counted."""
        if self._metrics is not None:
            self._metrics.counted(what, kind)

    async def run(self, work: Awaitable[T], *, seconds: float | None = None) -> T:
        """Return what the work returns within the deadline, `limits.seconds` unless said.

        Raises DeadlineExceeded (504), or Overloaded (503) where it is late because a replica is being replaced, or too many wait.
        """
        try:
            async with asyncio.timeout(self.limits.seconds if seconds is None else seconds):
                return await work
        except (TimeoutError, DeadlineExceeded):
            if self.service.recovering():
                self.count("rejected", "recovering")
                raise Overloaded("recovering", seconds=_RECOVERY_S) from None
            self.count("rejected", "late")
            raise DeadlineExceeded from None
        except Overloaded as refused:
            self.count("rejected", str(refused))
            raise

    async def run_heavy(self, work: Callable[[], Awaitable[T]]) -> T:
        """The same for work that draws many pictures, of which `limits.at_once` run at a time. Raises Overloaded beyond them."""

        async def limited() -> T:
            with self._limiter.turn("heavy"):
                return await work()

        return await self.run(limited())
