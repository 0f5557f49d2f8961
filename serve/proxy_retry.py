"""Porch: what stands in Ray Serve's proxy before the API's replicas: where one of them dies under a request, another is asked.

Every request may be made twice without harm. Without this the proxy would answer 500, and say that a process died.

A small body goes along with its request: a replica would have to ask the proxy for it, and wait.
"""

import json
from http import HTTPStatus

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing else of ours is imported here: a proxy has seconds to start.
PLACE = "beholder.serve.proxy_retry:porch"  # where Ray is told to find it
_MOST = 64 << 10  # bytes of a body that are kept to be sent again, or sent along
_BODY = "beholder.body"  # in the scope of a request: its whole body
_RETRY_SECONDS = 1


def porch() -> list[Middleware]:
    """What Ray Serve's proxies wrap around their application."""
    return [Middleware(RetryMiddleware)]


def inside(scope: Scope, receive: Receive) -> Receive:
    """What a replica hears of a request: its body at once where the porch sent it along, then what the proxy has to say."""
    body = scope.get(_BODY)
    if body is None:
        return receive
    begun = False

    async def heard() -> Message:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await receive())["type"] == "http.request":
            pass  # the same body again
        return message

    return heard


class RetryMiddleware:
    """Asks again, once, where a request ended without an answer; then tells to come again (503)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        heard: list[Message] = []
        kept, started, gone = 0, False, False

        async def listen() -> Message:
            nonlocal kept, gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            kept += len(message.get("body", b""))
            if kept <= _MOST:
                heard.append(message)
            return message

        def again() -> Receive:
            before = iter(tuple(heard))

            async def listen_again() -> Message:
                return next(before, None) or await listen()

            return listen_again

        async def out(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if 0 < _length(scope) <= _MOST:
            while (await listen()).get("more_body", False):
                pass
            if not gone:
                scope = {**scope, _BODY: b"".join(message.get("body", b"") for message in heard)}
        await self.app(scope, again(), out)
        if not started and not gone and kept <= _MOST:
            await self.app(scope, again(), out)
        if not started and not gone:
            await _later(send)


def _length(scope: Scope) -> int:
    """The bytes of a request's body as it says itself; 0 where it does not, or there is none."""
    told = dict(scope["headers"]).get(b"content-length", b"")
    return int(told) if told.isdigit() and len(told) < 10 else 0


async def _later(send: Send) -> None:
    """503, as the API says it."""
    detail = "a part of the service is not there at the moment; try again soon"
    body = json.dumps({"type": "about:blank", "title": HTTPStatus(503).phrase, "status": 503, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"retry-after", str(_RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
