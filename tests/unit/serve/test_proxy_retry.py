"""Requests that got no response are retried, once."""

import asyncio
import importlib
import json

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from beholder.serve.proxy_retry import HEADS, RetryMiddleware, inside, limit_heads, middleware

SCOPE = {"type": "http", "method": "POST", "path": "/v1/choices", "headers": []}


class Behind:
    """Replicas that die under the first `deaths` requests; what each of them heard."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        if len(self.bodies) > self.deaths:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})


def ask(behind, parts: list[bytes], *, leaves: bool = False, length: int | None = None) -> list[Message]:
    """What somebody hears who sends a body in parts; leaves: before it is all sent; length: what they say it has."""
    last = len(parts) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": at < last or leaves} for at, part in enumerate(parts)
    ]
    messages.append({"type": "http.disconnect"})
    incoming, heard = iter(messages), []

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        heard.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    asyncio.run(RetryMiddleware(behind)({**SCOPE, "headers": headers}, receive, send))
    return heard


def test_a_small_body_that_does_not_come_is_given_up():
    heard: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        heard.append(message)

    behind = Behind(deaths=0)
    asyncio.run(RetryMiddleware(behind, body_seconds=0.05)({**SCOPE, "headers": [(b"content-length", b"10")]}, receive, send))
    assert heard[0]["status"] == 408
    assert dict(heard[0]["headers"])[b"connection"] == b"close"
    assert behind.bodies == []


def test_an_answer_passes_as_it_is():
    behind = Behind(deaths=0)
    heard = ask(behind, [b"one", b"two"])
    assert [each["type"] for each in heard] == ["http.response.start", "http.response.body"]
    assert heard[1]["body"] == b"onetwo"
    assert behind.bodies == [b"onetwo"]


class Quick:
    """A replica's application: it answers what it hears first, and remembers everything."""

    def __init__(self, deaths: int = 0) -> None:
        self.deaths, self.asked = deaths, 0
        self.heard: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def silent() -> Message:
            raise AssertionError("the proxy was asked for what was sent along")

        self.heard.append((await inside(scope, silent)())["body"])
        if len(self.heard) > self.deaths:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            hear = inside(scope, receive)
            while (message := await hear())["type"] == "http.request":
                self.asked += 1
            assert message == {"type": "http.disconnect"}


@pytest.mark.parametrize("deaths", [0, 1])
def test_a_small_body_goes_along_and_is_heard_once(deaths):
    quick = Quick(deaths)
    heard = ask(quick, [b"one", b"two"], length=6)
    assert heard[0]["status"] == 200
    assert quick.heard == [b"onetwo"] * (deaths + 1)
    assert quick.asked == 1


@pytest.mark.parametrize("length", [None, 0, 100_000, "six", -6, "9" * 5000])
def test_others_are_asked_for(length):
    behind = Behind(deaths=0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert inside(scope, receive) is receive
        await behind(scope, receive, send)

    assert ask(app, [b"one", b"two"], length=length)[0]["status"] == 200
    assert behind.bodies == [b"onetwo"]


@pytest.mark.parametrize("length", [None, 6])
def test_where_a_replica_dies_another_hears_the_same(length):
    behind = Behind(deaths=1)
    heard = ask(behind, [b"one", b"two"], length=length)
    assert heard[0]["status"] == 200
    assert behind.bodies == [b"onetwo", b"onetwo"]


@pytest.mark.parametrize(("parts", "asked"), [([b"small"], 2), ([b"x" * 40_000, b"y" * 40_000], 1)])
def test_where_none_answers_one_is_told_to_come_again(parts, asked):
    behind = Behind(deaths=9)
    start, end = ask(behind, parts)
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(end["body"])["status"] == 503
    assert len(behind.bodies) == asked  # what is large is not kept to be sent again


@pytest.mark.parametrize("length", [None, 8])
def test_nobody_is_told_who_has_gone(length):
    assert ask(Behind(deaths=9), [b"half"], leaves=True, length=length) == []


def test_ray_finds_it():
    (only,) = middleware()
    kind: object = only.cls
    assert kind is RetryMiddleware


@pytest.mark.parametrize(("path", "status"), [("/-/routes", 404), ("/-/routes/", 404), ("/-/", 404), ("/-/healthz", 200)])
def test_what_ray_serve_would_tell_everybody_is_not_told(path, status):
    heard: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        heard.append(message)

    asyncio.run(RetryMiddleware(Behind(0))({**SCOPE, "method": "GET", "path": path}, receive, send))
    assert heard[0]["status"] == status


def test_heads_have_a_deadline_where_uvicorn_knows_protocols():
    protocols = {"auto": "uvicorn's", "h11": "uvicorn's"}
    limit_heads(protocols)
    assert protocols == {"auto": HEADS, "h11": "uvicorn's"}
    none: dict[str, str] = {}
    limit_heads(none)
    assert none == {}
    assert "auto" in uvicorn.config.HTTP_PROTOCOLS
    assert uvicorn.Config("none:app").http == "auto"
    module, _, name = HEADS.partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), AutoHTTPProtocol)
