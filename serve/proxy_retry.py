"""Retries in Ray Serve's proxies: a request whose replica of the API dies is sent once more, to another one.

Every request of the API may be sent twice without harm. Without this the proxy would answer 500, and say that a process died.

A small body is sent along with its request: a replica would have to ask the proxy for it, and wait.
"""

import asyncio
import json
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

import uvicorn.config
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing else of ours is imported here: a proxy has seconds to start.
CALLBACK = "beholder.serve.proxy_retry:middleware"  # the import path that Ray Serve's proxies are given
HEADS = "beholder.serve.security.slow_heads:PromptHeadProtocol"
_MOST = 64 << 10  # bytes of a body that are kept to be sent again, or sent along
_BODY = "beholder.body"  # in the scope of a request: its whole body
_RETRY_SECONDS = 1
_OWN, _HEALTH = "/-/", "/-/healthz"  # what proxies answer themselves, to whoever asks; its health alone is for others
_BODY_S = 10.0  # seconds that such a body may take to come


def middleware() -> list[Middleware]:
    """Return the middleware that Ray Serve's proxies put around their application; called in each before it listens."""
    limit_heads(getattr(uvicorn.config, "HTTP_PROTOCOLS", {}))
    return [Middleware(RetryMiddleware)]


def limit_heads(protocols: MutableMapping[Any, Any]) -> None:
    """Give heads of requests a deadline in a server that takes what uvicorn takes by itself, as Ray Serve's proxies do.

    protocols: uvicorn's own, by name, which are documented for its command line and not here. Without them heads have no deadline.
    """
    if "auto" in protocols:
        protocols["auto"] = HEADS


def inside(scope: Scope, receive: Receive) -> Receive:
    """Return the `receive` of a replica: a body that the proxy sent along comes first, then what the proxy sends."""
    body = scope.get(_BODY)
    if body is None:
        return receive
    given = False

    async def receive_along() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await receive())["type"] == "http.request":
            pass  # the same body again
        return message

    return receive_along


class RetryMiddleware:
    """Retries a request once where it ended without a response; then answers 503 with Retry-After.

    The list of routes that Ray Serve would show to everybody, without a key and whatever the host, is not shown.
    """

    def __init__(self, app: ASGIApp, body_seconds: float = _BODY_S) -> None:
        self.app, self._body_seconds = app, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith(_OWN) and scope["path"] != _HEALTH:
            await _refuse(send, 404, "there is nothing here", (b"cache-control", b"no-store"))
            return
        received: list[Message] = []
        kept, started, gone = 0, False, False

        async def receive_next() -> Message:
            nonlocal kept, gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            kept += len(message.get("body", b""))
            if kept <= _MOST:
                received.append(message)
            return message

        def replayed() -> Receive:
            before = iter(tuple(received))

            async def receive_again() -> Message:
                return next(before, None) or await receive_next()

            return receive_again

        async def out(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if 0 < _length(scope) <= _MOST:
            try:
                async with asyncio.timeout(self._body_seconds):
                    while (await receive_next()).get("more_body", False):
                        pass
            except TimeoutError:
                await _refuse(send, 408, "the rest of the body did not come in time", (b"connection", b"close"))
                return
            if not gone:
                scope = {**scope, _BODY: b"".join(message.get("body", b"") for message in received)}
        await self.app(scope, replayed(), out)
        if not started and not gone and kept <= _MOST:
            await self.app(scope, replayed(), out)
        if not started and not gone:
            detail = "a part of the service is not there at the moment; try again soon"
            await _refuse(send, 503, detail, (b"retry-after", str(_RETRY_SECONDS).encode()))


def _length(scope: Scope) -> int:
    """Return a request's Content-Length; 0 without one, or where it is no number."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 10 else 0


async def _refuse(send: Send, status: int, detail: str, header: tuple[bytes, bytes]) -> None:
    """Answer with an error, as problem+json."""
    body = json.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()), header]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
