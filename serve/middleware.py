"""Middleware: what every request passes before anything reads it: its size, its origin, the host it asks for; and what is counted.

Plain ASGI, because nothing here needs the body. The hosts are checked here and not by Starlette's TrustedHostMiddleware, which
answers 400 in plain text: for a host that is not this service RFC 9110 has 421, and our errors are problem+json (RFC 9457).
"""

import asyncio
import json
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from beholder.serve.admission import RequestLimits
from beholder.serve.problem_details import MEDIA
from beholder.serve.protocols import RequestMetrics
from beholder.serve.proxy_retry import inside

_WITH_IMAGES = ("/v1/images", "/v1/predictions")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_TRY_AGAIN = "no more requests are taken at the moment; try again soon"


class _TooLarge(Exception):
    pass


@dataclass
class Drain:
    """The requests inside, and whether new ones are refused because the service stops."""

    inside: int = 0
    closing: bool = False

    async def close(self, seconds: float) -> int:
        """Refuse new requests, and wait for those inside; returns how many are left after so many seconds."""
        self.closing = True
        until = time.monotonic() + seconds
        while self.inside and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return self.inside


class RequestPolicy:
    """Refuses bodies that are too large (413) as they arrive, pages of other sites (403), other hosts' names (421); times all."""

    def __init__(
        self, app: ASGIApp, *, limits: RequestLimits, metrics: RequestMetrics | None = None, drain: Drain | None = None
    ) -> None:
        self.app, self.limits, self.metrics, self.drain = app, limits, metrics, drain or Drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = Headers(scope=scope)
        most = (self.limits.images_mb << 20) if scope["path"] in _WITH_IMAGES else (self.limits.body_kb << 10)
        started, read, receive_next = False, 0, inside(scope, receive)

        async def out(message: Message) -> None:
            nonlocal status, started
            if read > most:  # whoever read the body can't know better than to call it broken
                if not started:
                    started, status = True, 413
                    await _refuse(send, 413, f"expected a body of at most {most:,} bytes")
                return
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                added = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    added.setdefault(name, value)
            await send(message)

        async def bounded() -> Message:
            nonlocal read
            message = await receive_next()
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLarge
            return message

        self.drain.inside += 1
        try:
            if (refusal := self._refusal(scope, headers, most)) is not None:
                await _refuse(out, *refusal)
            elif (self.drain.closing or self.drain.inside > self.limits.inside) and scope["path"].startswith("/v1/"):
                if self.metrics is not None:
                    self.metrics.counted("rejected", "closing" if self.drain.closing else "full")
                more = [(b"retry-after", str(self.limits.retry_seconds).encode())]
                await _refuse(out, 503, _TRY_AGAIN, more)
            else:
                await self.app(scope, bounded, out)
        except _TooLarge:
            await out({"type": "http.response.start"})
        finally:
            self.drain.inside -= 1
            if self.metrics is not None:
                self.metrics.answered(_route(scope), scope["method"], status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers, most: int) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.limits.hosts and _split(f"//{host}").hostname not in self.limits.hosts:
            return 421, "this service is not called by that name"
        origin = headers.get("origin")
        if origin and scope["method"] not in _SAFE and origin not in self.limits.origins and _split(origin).netloc != host:
            return 403, "pages of other sites may not call this service"
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


def _split(address: str) -> SplitResult:
    """Return the parts of an address; empty ones where it is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _route(scope: MutableMapping[str, Any]) -> str:
    """Return the template of the route that answered; one word where none did, so that nobody can fill the metrics with names."""
    return str(getattr(scope.get("route"), "path", "page" if scope["method"] == "GET" else "none"))
