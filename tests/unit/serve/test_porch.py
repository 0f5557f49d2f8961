"""The porch: requests that nobody answered are asked again, once."""

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from beholder.serve.porch import Porch, porch

SCOPE = {"type": "http", "method": "POST", "path": "/v1/choices", "headers": []}


class Behind:
    """Replicas that die under the first `deaths` requests; what each of them heard."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.bodies = deaths, []

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


def ask(behind: Behind, parts: list[bytes], *, leaves: bool = False) -> list[Message]:
    """What somebody hears who sends a body in parts; leaves: before it is all sent."""
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

    asyncio.run(Porch(behind)(SCOPE, receive, send))
    return heard


def test_an_answer_passes_as_it_is():
    behind = Behind(deaths=0)
    heard = ask(behind, [b"one", b"two"])
    assert [each["type"] for each in heard] == ["http.response.start", "http.response.body"]
    assert heard[1]["body"] == b"onetwo"
    assert behind.bodies == [b"onetwo"]


def test_where_a_replica_dies_another_hears_the_same():
    behind = Behind(deaths=1)
    heard = ask(behind, [b"one", b"two"])
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


def test_nobody_is_told_who_has_gone():
    assert ask(Behind(deaths=9), [b"half"], leaves=True) == []


def test_ray_finds_it():
    (found,) = porch()
    assert found.cls is Porch
