"""Load and its figures, on a server of the standard library whose answers are known; no Ray."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from beholder.jobs.bench import chaos
from beholder.jobs.bench.loadtest import LOST, Endpoint, RequestStats, people
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Question


class Moody(BaseHTTPRequestHandler):
    """Answers every third request well, refuses one, and breaks one."""

    count = 0
    key: str | None = None  # what the last one brought

    def do_GET(self) -> None:
        Moody.count += 1
        Moody.key = self.headers["Authorization"]
        status = (200, 503, 500)[Moody.count % 3]
        body = json.dumps({"question_id": "q"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def moody() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_became_of_requests_is_counted(moody: str) -> None:
    left = [9]

    async def live(caller, number: int) -> bool:
        left[0] -= 1
        await caller.call("GET", "/v1/directions")
        return left[0] > 0

    tally = people(Endpoint(moody), 1, 30.0, live)
    assert dict(tally.statuses) == {200: 3, 503: 3, 500: 3}
    assert (len(tally.waits), tally.refused, tally.broken) == (3, 3, 3)
    assert tally.available == pytest.approx(1 / 3)
    assert tally.rate == pytest.approx(3 / tally.seconds)


def test_nobody_there_is_lost_and_no_error() -> None:
    async def live(caller, number: int) -> bool:
        await caller.call("GET", "/")
        return False

    tally = people(Endpoint("http://127.0.0.1:1/"), 2, 1.0, live)
    assert dict(tally.statuses) == {LOST: 2}
    assert tally.quantile(0.5) == float("inf")
    assert tally.broken == 0


@pytest.mark.parametrize(("key", "header"), [(None, None), ("beholder_1", "Bearer beholder_1")])
def test_who_has_a_key_brings_it(moody: str, key: str | None, header: str | None) -> None:
    async def live(caller, number: int) -> bool:
        await caller.call("GET", "/v1/directions")
        return False

    people(Endpoint(moody, key), 1, 1.0, live)
    assert Moody.key == header


def test_people_come_at_the_same_time(moody: str) -> None:
    together = asyncio.Barrier(5)

    async def live(caller, number: int) -> bool:
        await asyncio.wait_for(together.wait(), 10)
        return False

    assert people(Endpoint(moody), 5, 1.0, live).seconds < 10


def test_quantiles_are_those_of_what_was_answered() -> None:
    tally = RequestStats(seconds=2.0, waits=[0.1, 0.2, 0.3])
    assert tally.quantile(0.5) == pytest.approx(0.2)
    assert tally.rate == 1.5


def test_a_confirmed_choice_that_is_gone_or_another_is_found(tmp_path: Path) -> None:
    store = Store.at(tmp_path / "choices.db")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("a", "b"):
        store.ask(Question(name, "ana", "seed-1", {"smile": 1.0}, {"smile": -1.0}, "random", at))
        store.answer(Answer(f"event-{name}", name, "left", at))
    store.close()
    confirmed = {"event-a": ("a", "left"), "event-b": ("b", "right"), "event-c": ("c", "left")}
    assert chaos.missing(confirmed, f"sqlite:///{tmp_path}/choices.db") == ["event-b", "event-c"]
    assert chaos.doubled(f"sqlite:///{tmp_path}/choices.db") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["parts=[speed]"], "parts: expected some of limit"),
        (["paths=[nginx]"], "paths: expected some of plain"),
        (["users=0"], "users and crowd must be at least 1"),
        (["nodes=2"], "with nodes, parts can't have chaos"),
        (["seconds=0"], "seconds, chaos and every above 0"),
    ],
)
def test_what_can_not_be_measured_is_said_in_one_line(beholder, tmp_path: Path, words: list[str], says: str) -> None:
    said = beholder("bench", "serve", *words, f"workspace={tmp_path}")
    assert said.code == 2
    assert says in said.err[0]
