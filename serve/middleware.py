"""Middleware: what every request passes before anything reads it: its size, its origin, the host it asks for; and what is counted.

Plain ASGI, because nothing here needs the body. The hosts are checked here and not by Starlette's TrustedHostMiddleware, which
answers 400 in plain text: for a host that is not this service RFC 9110 has 421, and our errors are problem+json (RFC 9457).
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from beholder.serve.admission import RequestLimits, TokenBuckets
from beholder.serve.problem_details import MEDIA
from beholder.serve.protocols import RequestMetrics
from beholder.serve.proxy_retry import inside
from beholder.serve.security import request_syntax

_WITH_IMAGES = ("/v1/images", "/v1/predictions")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_MOST_HEADERS, _HEADER_BYTES = 100, 32 << 10
_REFUSED_A_MINUTE, _REFUSED_AT_ONCE = 600, 30  # requests of one address that are told 429 at once; others wait for it
_HELD, _HELD_S = 64, 1.0  # requests that wait for it, at each replica of the API, and for how many seconds
_TRY_AGAIN = "no more requests are taken at the moment; try again soon"


class _Refused(Exception):
    """Reading a body was given up."""


@dataclass
class Drain:
    """The requests inside, those whose bodies are on their way, and whether new ones are refused because the service stops."""

    inside: int = 0
    reading: int = 0
    closing: bool = False

    async def close(self, seconds: float) -> int:
        """Refuse new requests, and wait for those inside; returns how many are left after so many seconds."""
        self.closing = True
        until = time.monotonic() + seconds
        while self.inside + self.reading and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return self.inside + self.reading


class RequestPolicy:
    """Refuses bodies that are too large (413) or come too slowly (408), pages of other sites (403), other hosts' names (421).

    A request counts as inside while it is worked on, and not while its body is still on its way, so that who sends slowly takes
    nobody's place. Times all. Who goes on after 429 hears the next ones a second later: a flood is as large as the answers to it
    are prompt.
    """

    def __init__(
        self, app: ASGIApp, *, limits: RequestLimits, metrics: RequestMetrics | None = None, drain: Drain | None = None
    ) -> None:
        self.app, self.limits, self.metrics, self.drain = app, limits, metrics, drain or Drain()
        self._reading: Counter[str] = Counter()  # bodies on their way, by who sends them
        self._bytes = 0  # of the bodies of all requests
        self._refused = TokenBuckets(_REFUSED_A_MINUTE, _REFUSED_AT_ONCE)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, held, status = time.perf_counter(), 0.0, 500
        headers = Headers(scope=scope)
        most = (self.limits.images_mb << 20) if scope["path"] in _WITH_IMAGES else (self.limits.body_kb << 10)
        started, read, complete, receive_next = False, 0, False, inside(scope, receive)
        refused: tuple[int, str, Sequence[tuple[bytes, bytes]]] | None = None
        sender, reading_since = _sender(scope, headers), time.monotonic()

        async def out(message: Message) -> None:
            nonlocal status, started, held
            if refused is not None:  # whoever read the body can't know better than to call it broken
                if not started:
                    started, status = True, refused[0]
                    await _refuse(send, *refused)
                return
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                if status == HTTPStatus.TOO_MANY_REQUESTS:
                    held = await self._hold(_address(scope))
                added = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    added.setdefault(name, value)
            elif scope["method"] == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}  # RFC 9110, 9.3.2
            await send(message)

        async def bounded() -> Message:
            nonlocal read, complete, refused
            if complete:  # what may still come is a farewell
                return await receive_next()
            if self.drain.reading >= self.limits.reading or self._reading[sender] >= self.limits.reading_each:
                refused = (503, _TRY_AGAIN, self._again())
                raise _Refused
            left = self.limits.body_seconds + read / (self.limits.body_kb_per_second * 1024)
            self._reading[sender] += 1
            self.drain.inside, self.drain.reading = self.drain.inside - 1, self.drain.reading + 1
            try:
                async with asyncio.timeout(reading_since + left - time.monotonic()):
                    message = await receive_next()
            except TimeoutError:
                refused = (408, "the rest of the body did not come in time", ())
                raise _Refused from None
            finally:
                self.drain.inside, self.drain.reading = self.drain.inside + 1, self.drain.reading - 1
                self._reading[sender] -= 1
                if not self._reading[sender]:
                    del self._reading[sender]
            size = len(message.get("body", b""))
            read, self._bytes = read + size, self._bytes + size
            complete = not message.get("more_body", False)
            if read > most:
                refused = (413, f"expected a body of at most {most:,} bytes", ())
            elif self.drain.inside > self.limits.inside or self._bytes > self.limits.bodies_mb << 20:
                # so many came in while this one's body was on its way
                refused = (503, _TRY_AGAIN, self._again())
            if refused is not None:
                raise _Refused
            return message

        self.drain.inside += 1
        try:
            if (refusal := self._refusal(scope, headers, most)) is not None:
                await _refuse(out, *refusal)
            elif (self.drain.closing or self.drain.inside > self.limits.inside) and scope["path"].startswith("/v1/"):
                if self.metrics is not None:
                    self.metrics.counted("rejected", "closing" if self.drain.closing else "full")
                await _refuse(out, 503, _TRY_AGAIN, self._again())
            else:
                await self.app(scope, bounded, out)
        except _Refused:
            await out({"type": "http.response.start"})
        finally:
            self.drain.inside -= 1
            self._bytes -= read
            if self.metrics is not None:
                self.metrics.answered(_route(scope), scope["method"], status, time.perf_counter() - began - held)

    async def _hold(self, address: str) -> float:
        """Let an address that goes on after a refusal wait for the next one, in nobody's place; return the seconds."""
        if self._held >= _HELD or not self._refused.take(address):
            return 0.0
        self._held, self.drain.inside = self._held + 1, self.drain.inside - 1
        try:
            await asyncio.sleep(_HELD_S)
        finally:
            self._held, self.drain.inside = self._held - 1, self.drain.inside + 1
        return _HELD_S

    def _again(self) -> list[tuple[bytes, bytes]]:
        return [(b"retry-after", str(self.limits.retry_seconds).encode())]

    def _refusal(self, scope: Scope, headers: Headers, most: int) -> tuple[int, str] | None:
        if len(scope["headers"]) > _MOST_HEADERS or sum(len(name) + len(value) for name, value in scope["headers"]) > _HEADER_BYTES:
            return 431, f"expected at most {_MOST_HEADERS} header fields of {_HEADER_BYTES:,} bytes together"
        hosts = headers.getlist("host")
        host = request_syntax.host_of(hosts)
        if host is None and (hosts or scope.get("http_version") != "1.0"):
            return 400, "expected one Host, a name or an address and a port"
        if self.limits.hosts and (host is None or host[0] not in self.limits.hosts):
            return 421, "this service is not called by that name"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        strange = bool(origin) and origin not in self.limits.origins
        own = host is not None and request_syntax.is_same_origin(origin or "", scope.get("scheme", "http"), host, fetch_site=site)
        if strange and not own and scope["method"] not in _SAFE:
            return 403, "pages of other sites may not call this service"
        elsewhere = site in ("cross-site", "same-site")
        if elsewhere and scope["path"].startswith("/v1/") and origin not in self.limits.origins:
            return 403, "pages of other sites may not call this service"  # not even by an address in one of theirs
        if (fault := request_syntax.fault_of_target(scope)) is not None:
            return fault
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return 400, "expected a number as Content-Length"
        if int(length[:20]) > most:
            return 413, f"expected a body of at most {most:,} bytes, got {int(length[:20]):,}"
        return None


async def _refuse(send: Send, status: int, detail: str, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    title = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    headers = [(b"content-type", MEDIA.encode()), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    headers += more
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _sender(scope: Scope, headers: Headers) -> str:
    """Return who sends a request: the key that it names, or the address where it comes from."""
    parts = headers.get("authorization", "").split("_")
    return parts[1][:12] if len(parts) == 3 else _address(scope)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _route(scope: MutableMapping[str, Any]) -> str:
    """Return the template of the route that answered; one word where none did, so that nobody can fill the metrics with names."""
    return str(getattr(scope.get("route"), "path", "page" if scope["method"] == "GET" else "none"))
