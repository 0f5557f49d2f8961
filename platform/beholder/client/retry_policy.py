"""The retry policy: when a request is sent again and how long to wait before. It knows no sockets and no clocks of its own.

Every operation of the API may be sent twice without harm (an answer carries its event id), so every one is.
"""

import math
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

from beholder.client.client_errors import ClientError, NotReached, problem
from beholder.client.upload import Upload

T = TypeVar("T")
_AGAIN = (408, 429, 502, 503, 504)  # statuses of what may go better later


@dataclass(frozen=True)
class RetryPolicy:
    """How long a call may take and how often it is sent.

    deadline: seconds of a call with all its retries; photo_deadline: of one that uploads a photo; timeout: seconds that the
    server may take for one answer; retries: how often it is sent again at most; longest_wait: seconds of Retry-After beyond which
    the error is raised at once; first_wait: seconds before the first retry where the server named none, doubled each time. Raises
    ValueError for what is not above 0.
    """

    deadline: float = 60.0
    photo_deadline: float = 180.0
    timeout: float = 30.0
    retries: int = 5
    longest_wait: float = 30.0
    first_wait: float = 0.5

    def __post_init__(self) -> None:
        for name in ("deadline", "photo_deadline", "timeout", "longest_wait", "first_wait"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, got {getattr(self, name)}")
        if self.retries < 0:
            raise ValueError(f"retries must be at least 0, got {self.retries}")

    def within(self, seconds: float) -> "RetryPolicy":
        """Return the same policy with a deadline of its own for every call."""
        return replace(self, deadline=seconds, photo_deadline=seconds, timeout=min(self.timeout, seconds))


@dataclass(frozen=True)
class HttpAnswer:
    """A response that came: its status, its header fields by lower-case name, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class NoAnswer:
    """A response that did not come. reason: why, in words."""

    reason: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how its answer is read. path: quoted already. upload: the photo of a form."""

    method: str
    path: str
    read: Callable[[HttpAnswer], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The method and the path, as errors name it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Send:
    """To be sent now. seconds: that may be waited for each part of the answer; until: when all of it has to be there."""

    call: Call[Any]
    seconds: float
    until: float


@dataclass(frozen=True)
class Wait:
    """To be waited."""

    seconds: float


Steps = Generator[Send | Wait, HttpAnswer | NoAnswer | None, T]


def steps(
    call: Call[T],
    policy: RetryPolicy,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    rng: Callable[[], float] = random.random,
) -> Steps[T]:
    """Yield what to do, take what came of it, and return what the answer says.

    clock: seconds of a clock that only goes on; now: the time of day; rng: a number in [0, 1). Raises ClientError.
    """
    until = clock() + (policy.deadline if call.upload is None else policy.photo_deadline)
    patience = policy.timeout if call.upload is None else policy.photo_deadline
    for sent in range(policy.retries + 1):
        got = yield Send(call, max(0.001, min(patience, until - clock())), until)
        if isinstance(got, HttpAnswer) and 200 <= got.status < 300:
            return call.read(got)
        named: float | None = None
        if isinstance(got, HttpAnswer):
            named = retry_after(got.headers.get("retry-after"), now())
            media_type = got.headers.get("content-type", "")
            error: ClientError = problem(call.name, got.status, media_type, got.body, named)
            again = got.status in _AGAIN
        else:
            reason = got.reason if got is not None else "nothing came"
            error, again = NotReached(f"{call.name}: {reason}; is `beholder serve` running there?"), True
        wait = named if named is not None else policy.first_wait * 2**sent * (0.5 + rng() / 2)
        once = call.upload is not None and not call.upload.again
        if not again or once or sent == policy.retries or wait > policy.longest_wait or clock() + wait >= until:
            raise error
        yield Wait(wait)
    raise AssertionError("every way out of the loop is above")


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After, a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
