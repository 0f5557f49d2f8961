"""Load: simulated people who use the API at the same time, from outside the server's processes, and how long they wait."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import aiohttp

LOST = 0  # the status of a request that got no answer: the connection was refused or broken
_SECONDS = 60.0  # that a person waits for an answer
_AGAIN = 1.0  # seconds until a client tries again that got no Retry-After


@dataclass
class RequestStats:
    """What became of requests. waits: seconds of each that was answered well; statuses: how often each came."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Requests a second that were answered well."""
        return len(self.waits) / self.seconds if self.seconds else 0.0

    @property
    def refused(self) -> int:
        """How many were refused (503, 429)."""
        return self.statuses[503] + self.statuses[429]

    @property
    def broken(self) -> int:
        """How many got an answer that nobody should get: 5xx but 503."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 503)

    @property
    def available(self) -> float:
        """The share that was answered well."""
        return len(self.waits) / max(self.statuses.total(), 1)

    def quantile(self, q: float) -> float:
        """Seconds within which this share of the answers came; infinite where none did."""
        return float(np.quantile(self.waits, q)) if self.waits else float("inf")


class LoadClient:
    """The API as one of many uses it; what becomes of the requests goes into `tally`."""

    def __init__(self, session: "aiohttp.ClientSession", tally: RequestStats, until: float = math.inf) -> None:
        self.session, self.tally, self.until = session, tally, until  # by time.perf_counter
        self.headers: dict[str, str] = {}  # of this client's requests
        self._again = _AGAIN  # seconds of the latest Retry-After

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Send one request, and return its status and the JSON of the response, or its bytes. It is never retried here."""
        import aiohttp

        began = time.perf_counter()
        try:
            async with self.session.request(method, path, json=body, headers=self.headers) as response:
                data = await (response.json() if response.content_type.endswith("json") else response.read())
                status = response.status
                self._again = float(response.headers.get("Retry-After", _AGAIN))
        except (aiohttp.ClientError, TimeoutError, OSError):
            status, data, self._again = LOST, None, _AGAIN
        self.tally.statuses[status] += 1
        if 200 <= status < 300:
            self.tally.waits.append(time.perf_counter() - began)
        return status, data

    async def recommend(self, user_id: str, image_id: str) -> int:
        """Ask for a recommendation and return the status; after a refusal, wait as long as Retry-After says."""
        status, _ = await self.call("POST", "/v1/recommendations", {"user_id": user_id, "image_id": image_id, "count": 4})
        await self._patience(status)
        return status

    async def score(self, user_id: str, image_id: str, edits: list[dict[str, float]]) -> int:
        """Ask for the scores of edits and return the status; after a refusal, wait as long as Retry-After says."""
        status, _ = await self.call("POST", "/v1/scores", {"user_id": user_id, "image_id": image_id, "edits": edits})
        await self._patience(status)
        return status

    async def question(self, user_id: str, image_id: str) -> dict[str, Any] | None:
        """Fetch a question; None where the request was refused."""
        status, asked = await self.call("GET", f"/v1/questions?user_id={user_id}&image_id={image_id}")
        await self._patience(status)
        return asked if status == 200 else None

    async def choose(self, question: dict[str, Any], choice: str, *, event_id: str | None = None) -> int:
        """Send an answer and return the status."""
        sent = {"event_id": event_id or uuid.uuid4().hex, "question_id": question["question_id"], "choice": choice}
        status, _ = await self.call("POST", "/v1/choices", sent)
        await self._patience(status)
        return status

    async def persist(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Send a request until it is answered: again where it got no answer or was refused for want of room."""
        while True:
            status, data = await self.call(method, path, body)
            if status not in (LOST, 429, 502, 503, 504) or time.perf_counter() > self.until:
                return status, data
            await self._patience(status)

    async def _patience(self, status: int) -> None:
        if status in (LOST, 429, 503):
            await asyncio.sleep(max(0.0, min(self._again, self.until - time.perf_counter())))


@dataclass(frozen=True)
class Endpoint:
    """An API. key: the API key, where one is needed."""

    address: str
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}


Life = Callable[[LoadClient, int], Awaitable[bool]]


def people(endpoint: Endpoint, count: int, seconds: float, live: Life, *, tally: RequestStats | None = None) -> RequestStats:
    """Run so many people at a time, each doing one thing after the other until the time is over or it returns False.

    live: (the API, the number of the person) -> whether there is more to do. What has begun is finished and counted.
    """
    return asyncio.run(_people(endpoint, count, seconds, live, tally if tally is not None else RequestStats()))


async def _people(endpoint: Endpoint, count: int, seconds: float, live: Life, tally: RequestStats) -> RequestStats:
    import aiohttp

    limit = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(
        endpoint.address.rstrip("/"), connector=limit, timeout=patience, headers=endpoint.headers
    ) as session:
        began = time.perf_counter()

        async def one(number: int) -> None:
            caller = LoadClient(session, tally, began + seconds)
            while time.perf_counter() - began < seconds and await live(caller, number):
                pass

        await asyncio.gather(*map(one, range(count)))
        tally.seconds = time.perf_counter() - began
    return tally
