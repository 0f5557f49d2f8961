"""Client and AsyncClient: the steps of a call carried out over httpx, and nothing else."""

import asyncio
import contextlib
import copy
import os
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from beholder.client.operations import Operations
from beholder.client.retry_policy import Call, HttpAnswer, NoAnswer, RetryPolicy, Send, Wait, steps

T = TypeVar("T")
H = TypeVar("H", httpx.Client, httpx.AsyncClient)
DEFAULT_URL = "http://127.0.0.1:8000"
_MOST = 64 << 20  # bytes of an answer


class _Connection(Operations, Generic[H]):
    """What both clients are: an address, a key, a policy, and a connection of httpx."""

    def __init__(self, http: H, url: str | None, key: str | None, retry: RetryPolicy | None) -> None:
        address = url or os.environ.get("BEHOLDER_URL") or DEFAULT_URL
        parsed = httpx.URL(address)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"expected the address of a service, such as {DEFAULT_URL}, got {address!r}")
        if parsed.userinfo:
            raise ValueError("a key goes into key=... or BEHOLDER_KEY, not into the address")
        self.url, self.retry = str(parsed).rstrip("/"), retry or RetryPolicy()
        self.http: H = http
        self._key = key if key is not None else os.environ.get("BEHOLDER_KEY", "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, key={'...' if self._key else None})"

    def within(self, seconds: float) -> Self:
        """Return a client over the same connection whose calls end after so many seconds, retries included."""
        other = copy.copy(self)
        other.retry = self.retry.within(seconds)
        return other

    @contextlib.contextmanager
    def _request(self, send: Send) -> Iterator[dict[str, Any]]:
        """Return the arguments of httpx for a request."""
        call: Call[Any] = send.call
        headers = {"Accept": "application/json", "User-Agent": "beholder-client/0.2.0", **call.headers}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request: dict[str, Any] = {
            "method": call.method,
            "url": self.url + call.path,
            "headers": headers,
            "timeout": send.seconds,
            "follow_redirects": False,
        }
        if call.params:
            request["params"] = dict(call.params)
        if call.upload is not None:
            with call.upload.opened() as file:
                yield {**request, "data": dict(call.form), "files": {"file": file}}
        else:
            yield {**request, "json": call.json} if call.json is not None else request


def _failure(error: Exception, send: Send) -> NoAnswer:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return NoAnswer(f"no answer came within {send.seconds:.0f} s")
    return NoAnswer(f"it could not be reached ({str(error) or type(error).__name__})")


def _answer(response: httpx.Response, body: bytearray) -> HttpAnswer:
    headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
    return HttpAnswer(response.status_code, headers, bytes(body))


def _add(body: bytearray, chunk: bytes, until: float) -> None:
    """Add to a body. Raises TimeoutError after the deadline, httpx.ReadError beyond what any answer has."""
    body += chunk
    if len(body) > _MOST:
        raise httpx.ReadError(f"the answer has more than {_MOST:,} bytes")
    if time.monotonic() > until:
        raise TimeoutError


class Client(_Connection[httpx.Client]):
    """The API, synchronously. Safe to share between threads. Use it as a context manager, or `close` it.

    url: of the service; None: BEHOLDER_URL, or this machine's. key: an API key or a person's token; None: BEHOLDER_KEY, or none.
    retry: when requests are sent again. http: a connection of your own, for proxies and certificates. Raises ValueError for an
    address that is none; what its methods raise is in client_errors.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(http or httpx.Client(), url, key, retry)

    def send(self, call: Call[T]) -> T:
        """Send a call until it is answered, or the policy gives it up."""
        going = steps(call, self.retry)
        step = next(going)
        while True:
            try:
                step = going.send(self._carry_out(step))
            except StopIteration as done:
                result: T = done.value
                return result

    def _carry_out(self, step: Send | Wait) -> HttpAnswer | NoAnswer | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        body = bytearray()
        try:
            with self._request(step) as request, self.http.stream(**request) as response:
                for chunk in response.iter_bytes():
                    _add(body, chunk, step.until)
        except (httpx.TransportError, TimeoutError) as error:
            return _failure(error, step)
        return _answer(response, body)

    def close(self) -> None:
        """Close the connection."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient(_Connection[httpx.AsyncClient]):
    """The API for asyncio: the methods of Client, each to be awaited. Use it as an async context manager, or `await close()`."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(http or httpx.AsyncClient(), url, key, retry)

    async def send(self, call: Call[T]) -> T:
        """Send a call until it is answered, or the policy gives it up."""
        going = steps(call, self.retry)
        step = next(going)
        while True:
            try:
                step = going.send(await self._carry_out(step))
            except StopIteration as done:
                result: T = done.value
                return result

    async def _carry_out(self, step: Send | Wait) -> HttpAnswer | NoAnswer | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        body = bytearray()
        try:
            with self._request(step) as request:
                async with self.http.stream(**request) as response:
                    async for chunk in response.aiter_bytes():
                        _add(body, chunk, step.until)
        except (httpx.TransportError, TimeoutError) as error:
            return _failure(error, step)
        return _answer(response, body)

    async def close(self) -> None:
        """Close the connection."""
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
