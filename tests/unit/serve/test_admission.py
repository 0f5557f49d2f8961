"""What a service does that is full, slow, broken, or asked by a stranger: on a graph that misbehaves as it is told."""

import asyncio
import threading
import time
from collections.abc import Coroutine, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.partial_doubles import PartialService

from beholder.errors import BeholderError, StoreError, WeightsError
from beholder.recommending.service import Recommendation
from beholder.recommending.steering import Steering
from beholder.serve import api
from beholder.serve.admission import Remembered, RequestLimits
from beholder.serve.middleware import Drain
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import DeadlineExceeded, DirectionList, Overloaded


class Moody(PartialService):
    """A graph whose `directions` and `recommend` wait for `seconds` and then raise `error`; all its other answers are missing."""

    def __init__(self, error: Exception | None = None, seconds: float = 0.0, *, lost: bool = False):
        self.error, self.seconds, self.lost, self.cancelled = error, seconds, lost, False
        self.asked = threading.Event()

    async def directions(self) -> DirectionList:
        self.asked.set()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        return DirectionList("none", ())

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        await self.directions()
        return Recommendation(user_id, image_id, 0, "bayes-0", (), ())

    async def ready(self) -> dict[str, bool]:
        return {"editor": True, "ranker": False}

    def recovering(self) -> bool:
        return self.lost

    async def close(self) -> None: ...


class Tally:
    """Metrics that remember."""

    def __init__(self):
        self.told, self.counts = [], []

    def answered(self, route, method, status, seconds):
        assert seconds >= 0
        self.told.append((route, method, status))

    def counted(self, what, kind):
        self.counts.append((what, kind))

    async def exposition(self):
        return b"up 1\n", "text/plain"


def client_of(service, **more):
    return TestClient(api.create(service, **more), raise_server_exceptions=False)


def test_too_many_are_told_to_come_again():
    tally = Tally()
    answer = client_of(Moody(Overloaded("editor")), metrics=tally, limits=RequestLimits(retry_seconds=3)).get("/v1/directions")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.headers["content-type"] == "application/problem+json"
    assert tally.counts == [("rejected", "editor")]
    assert tally.told == [("/v1/directions", "GET", 503)]


def test_what_takes_too_long_is_given_up():
    tally, service = Tally(), Moody(seconds=30)
    answer = client_of(service, metrics=tally, limits=RequestLimits(seconds=0.05)).get("/v1/directions")
    assert answer.status_code == 504
    assert service.cancelled
    assert tally.counts == [("rejected", "late")]
    assert client_of(Moody(DeadlineExceeded())).get("/v1/directions").status_code == 504


def test_what_waits_for_a_lost_part_is_told_to_come_again():
    tally = Tally()
    with TestClient(api.create(Moody(seconds=30, lost=True), limits=RequestLimits(seconds=0.2), metrics=tally)) as client:
        answer = client.get("/v1/directions")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "being replaced" in answer.json()["detail"]
    assert tally.counts == [("rejected", "recovering")]


def test_only_so_many_are_inside():
    service, tally = Moody(seconds=1.0), Tally()
    app = api.create(service, limits=RequestLimits(inside=1), metrics=tally)
    with TestClient(app) as client:
        first = threading.Thread(target=client.get, args=("/v1/directions",))
        first.start()
        assert service.asked.wait(5)
        answer = client.get("/v1/directions")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").status_code == 200  # whoever looks after it is not refused
        first.join()
        assert client.get("/v1/directions").status_code == 200
    assert ("rejected", "full") in tally.counts


def test_who_goes_on_after_429_waits_for_the_next_ones():
    service, tally = Moody(ProblemError(429, "too many")), Tally()
    drain = Drain()
    with TestClient(api.create(service, limits=RequestLimits(inside=60), metrics=tally, drain=drain)) as client:

        def timed() -> tuple[int, float]:
            began = time.monotonic()
            status = client.get("/v1/directions").status_code
            return status, time.monotonic() - began

        with ThreadPoolExecutor(50) as pool:
            told = [asked.result() for asked in [pool.submit(timed) for _ in range(50)]]
        assert [status for status, _ in told] == [429] * 50
        assert any(seconds >= 1.0 for _, seconds in told)
        assert drain.inside == 0
        assert client.get("/v1/images/seed-1/nothing").status_code == 404


def test_only_so_many_draw_at_a_time():
    service, tally = Moody(seconds=1.0), Tally()
    want = {"user_id": "ana", "image_id": "seed-1"}
    with TestClient(api.create(service, limits=RequestLimits(at_once=1), metrics=tally)) as client:
        first = threading.Thread(target=client.post, args=("/v1/recommendations",), kwargs={"json": want})
        first.start()
        assert service.asked.wait(5)
        assert client.post("/v1/recommendations", json=want).status_code == 503
        assert client.get("/v1/directions").status_code == 200  # whoever wants less is not refused
        first.join()
        assert client.post("/v1/recommendations", json=want).status_code == 200
    assert tally.counts == [("rejected", "heavy"), ("model", "bayes-0"), ("model", "bayes-0")]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("the store of choices at sqlite:////secret/choices.db: disk I/O error"), 503),
        (WeightsError("/secret/weights are not there"), 500),
        (BeholderError("/secret"), 500),
        (RuntimeError("/secret"), 500),
        (KeyError("/secret"), 500),
    ],
)
def test_nothing_of_the_inside_is_told(error, status):
    answer = client_of(Moody(error)).get("/v1/directions")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Error" not in answer.json()["detail"]


def test_a_part_that_does_not_answer_is_named():
    answer = client_of(Moody()).get("/readyz")
    assert answer.status_code == 503
    assert "ranker" in answer.json()["detail"]


def test_whether_it_is_ready_is_asked_once_a_second():
    class Counting(Moody):
        asked_ready = 0

        async def ready(self) -> dict[str, bool]:
            self.asked_ready += 1
            await asyncio.sleep(0.01)
            return {"editor": True}

    service = Counting()
    with client_of(service) as client:
        assert {client.get("/readyz").status_code for _ in range(20)} == {200}
    assert service.asked_ready == 1


def test_what_is_remembered_is_forgotten_in_time():
    now, asked = [0.0], []

    async def work() -> int:
        asked.append(now[0])
        await asyncio.sleep(0)
        if len(asked) == 2:
            raise BeholderError("away")
        return len(asked)

    async def walk() -> list[object]:
        remembered = Remembered(work, seconds=1.0, clock=lambda: now[0])
        results: list[object] = list(await asyncio.gather(*(remembered.get() for _ in range(3))))
        for now[0] in (0.9, 1.0, 1.9, 2.0):
            results += await asyncio.gather(remembered.get(), return_exceptions=True)
        return [str(each) for each in results]

    assert asyncio.run(walk()) == ["1", "1", "1", "1", "away", "away", "3"]


def test_a_gate_decides_who_comes_in():
    seen = []

    async def authorizer(request, scope):
        seen.append(scope)
        if request.headers.get("authorization") != "Bearer key":
            raise ProblemError(401, "a key is needed", {"WWW-Authenticate": "Bearer"})

    client = client_of(Moody(), authorizer=authorizer)
    refused = client.get("/v1/directions")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/v1/directions", headers={"authorization": "Bearer key"}).status_code == 200
    assert client.get("/healthz").status_code == 200
    wanted = {"/v1/recommendations": ("post", "recommend"), "/v1/users/ana": ("delete", "ask"), "/v1/questions": ("get", "ask")}
    for path, (method, scope) in wanted.items():
        assert client.request(method, path).status_code == 401
        assert seen[-1] == scope


def test_metrics_are_there_where_something_counts():
    tally = Tally()
    client = client_of(Moody(), metrics=tally)
    assert client.get("/metrics").text == "up 1\n"
    assert client_of(Moody()).get("/metrics").status_code == 404
    for name in ("a", "b"):
        client.get(f"/v1/nothing/{name}")
    assert {route for route, _, status in tally.told if status == 404} <= {"page", "none"}


def test_pages_of_other_sites_may_not_ask():
    client = client_of(Moody())
    other = {"origin": "https://evil.example"}
    assert client.post("/v1/choices", json={}, headers=other).status_code == 403
    assert client.delete("/v1/users/ana", headers=other).status_code == 403
    read = client.get("/v1/directions", headers=other)
    assert "access-control-allow-origin" not in read.headers
    assert "access-control-allow-origin" not in client.options("/v1/choices", headers=other).headers
    assert client.post("/v1/choices", json={}, headers={"origin": "http://testserver"}).status_code == 422


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)])
def test_pages_of_other_sites_may_not_even_get(site, status):
    """An <img> of another page sends no Origin, and a GET may have to work for its answer."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    assert client_of(Moody()).get("/v1/directions", headers=headers).status_code == status
    friend = {**headers, "origin": "https://friend.example"}
    assert (
        client_of(Moody(), limits=RequestLimits(origins=["https://friend.example"]))
        .get("/v1/directions", headers=friend)
        .status_code
        == 200
    )


def test_pages_of_a_site_that_was_named_may():
    client = client_of(Moody(), limits=RequestLimits(origins=["https://friend.example"]))
    friend = {"origin": "https://friend.example"}
    answer = client.get("/v1/directions", headers=friend)
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"
    asked = client.options("/v1/choices", headers={**friend, "access-control-request-method": "POST"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "https://friend.example")
    large = client.post("/v1/choices", content=b"x" * 100_000, headers=friend)
    assert (large.status_code, large.headers["access-control-allow-origin"]) == (413, "https://friend.example")
    assert client.post("/v1/choices", json={}, headers=friend).status_code == 422


def test_other_names_of_this_host_are_refused():
    """A page of another site whose name suddenly means this machine gets nothing."""
    client = client_of(Moody(), limits=RequestLimits(hosts=["testserver", "127.0.0.1", "::1"]))
    assert client.get("/v1/directions").status_code == 200
    assert client.get("/v1/directions", headers={"host": "evil.example:8000"}).status_code == 421
    assert client.get("/v1/directions", headers={"host": "[::1]:8000"}).status_code == 200
    for host in ("", "[", "a b", "[::1", "127.0.0.1.evil.example"):
        assert client.get("/v1/directions", headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com@127.0.0.1", "127.0.0.1#.evil.com", "127.0.0.1/.evil.com", "127.0.0.1?.evil", "127.0.0.1:99999999"),
        *("127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1:80:80", "127.0.0.1 ", "127.0.0.1\\", "[::1", "::1", "%31"),
    ],
)
def test_a_host_is_a_name_and_a_port(host):
    for limits in (RequestLimits(hosts=["127.0.0.1", "::1"]), RequestLimits()):
        assert client_of(Moody(), limits=limits).get("/v1/directions", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:65535", "[::1]", "LOCALHOST:8000", "a_b.example"])
def test_hosts(host):
    limits = RequestLimits(hosts=["127.0.0.1", "::1", "localhost", "a_b.example"])
    assert client_of(Moody(), limits=limits).get("/v1/directions", headers={"host": host}).status_code == 200


def test_a_request_has_one_host():
    client = client_of(Moody(), limits=RequestLimits(hosts=["127.0.0.1"]))
    twice = [("host", "127.0.0.1"), ("host", "evil.example")]
    assert client.get("/v1/directions", headers=twice).status_code == 400
    assert client.get("/v1/directions", headers=[twice[0], twice[0]]).status_code == 400


@pytest.mark.parametrize(
    ("origin", "site", "status"),
    [
        ("http://127.0.0.1:8101", None, 422),  # nothing is in the body
        ("https://127.0.0.1:8101", None, 403),
        ("http://127.0.0.1", None, 403),
        ("http://127.0.0.1:8101/", None, 403),
        ("http://a@127.0.0.1:8101", None, 403),
        ("ftp://127.0.0.1:8101", None, 403),
        ("null", None, 403),
        ("https://127.0.0.1:8101", "same-origin", 422),  # as it is behind a proxy that ends TLS
        ("https://127.0.0.1:8101", "same-site", 403),
        ("https://evil.example", "same-origin", 403),
    ],
)
def test_an_origin_has_a_scheme_a_name_and_a_port(origin, site, status):
    headers = {"host": "127.0.0.1:8101", "origin": origin} | ({"sec-fetch-site": site} if site else {})
    assert client_of(Moody()).post("/v1/choices", json={}, headers=headers).status_code == status


def test_the_usual_port_need_not_be_said():
    assert client_of(Moody()).post("/v1/choices", json={}, headers={"host": "a.b:80", "origin": "http://a.b"}).status_code == 422
    assert client_of(Moody()).post("/v1/choices", json={}, headers={"host": "a.b:443", "origin": "http://a.b"}).status_code == 403


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "1_0"])
def test_lengths_that_are_none(length):
    assert client_of(Moody()).get("/v1/directions", headers={"content-length": length}).status_code in (400, 413)


class Slow:
    """ASGI messages that come when they come: (seconds to wait, bytes, more)."""

    def __init__(self, *parts: tuple[float, bytes, bool]):
        self.parts = list(parts)

    async def __call__(self) -> dict[str, Any]:
        if not self.parts:
            await asyncio.sleep(3600)
        seconds, body, more = self.parts.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": body, "more_body": more}


def post(app: FastAPI, receive: Slow, *, key: str = "", client: str = "1.2.3.4") -> Coroutine[Any, Any, tuple[int, Any, bytes]]:
    """Return the coroutine of a POST to an app, which returns status, headers and body."""
    headers = [(b"host", b"h"), (b"content-type", b"application/json"), (b"authorization", f"Bearer {key}".encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/choices",
        "raw_path": b"/v1/choices",
        "query_string": b"",
    }
    scope |= {
        "headers": headers,
        "client": (client, 1),
        "scheme": "http",
        "server": ("h", 80),
        "root_path": "",
        "http_version": "1.1",
    }
    heard: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        heard.append(message)

    async def ask() -> tuple[int, Any, bytes]:
        await app(scope, receive, send)
        return heard[0]["status"], dict(heard[0]["headers"]), b"".join(each.get("body", b"") for each in heard[1:])

    return ask()


def test_who_sends_slowly_is_given_up_and_takes_nobodys_place():
    """130 of them, of whom 128 would have been all that are inside."""
    limits = RequestLimits(inside=4, body_seconds=0.3)
    app = api.create(Moody(), limits=limits)

    async def walk():
        slow = [asyncio.ensure_future(post(app, Slow((0.0, b"{", True)))) for _ in range(130)]
        await asyncio.sleep(0.05)
        quick = await post(app, Slow((0.0, b"{}", False)))
        return quick, await asyncio.gather(*slow)

    quick, slow = asyncio.run(walk())
    assert quick[0] == 422  # it was read, and has nothing in it
    assert {status for status, _, _ in slow} == {408}
    assert slow[0][1][b"connection"] == b"close"
    assert b"did not come in time" in slow[0][2]


def test_a_large_body_has_the_time_that_its_size_needs():
    limits = RequestLimits(body_seconds=0.2, body_kb_per_second=20)
    app = api.create(Moody(), limits=limits)
    steady = Slow(*[(0.1, b" " * 4096, True)] * 6, (0.0, b"{}", False))  # 40 KB a second, for longer than body_seconds
    assert asyncio.run(post(app, steady))[0] == 422
    slow = Slow(*[(0.1, b" " * 1024, True)] * 30)  # 10 KB a second
    assert asyncio.run(post(app, slow))[0] == 408


def test_bodies_on_their_way_have_a_number():
    app = api.create(Moody(), limits=RequestLimits(body_seconds=0.3, reading=5, reading_each=3))

    async def walk():
        keys = ["beholder_aaaaaaaaaaaa_s"] * 4 + ["beholder_bbbbbbbbbbbb_s"] * 3
        return await asyncio.gather(*(post(app, Slow((0.0, b"{", True)), key=key) for key in keys))

    statuses = [status for status, _, _ in asyncio.run(walk())]
    assert statuses == [408] * 3 + [503] + [408] * 2 + [503]


def test_headers_have_an_end():
    client = client_of(Moody())
    assert client.get("/v1/directions", headers={f"x-{number}": "1" for number in range(200)}).status_code == 431
    assert client.get("/v1/directions", headers={"x-long": "1" * 40_000}).status_code == 431


def test_the_bodies_of_all_have_a_size_together():
    app = api.create(Moody(), limits=RequestLimits(body_seconds=0.3, bodies_mb=1, body_kb=900))

    async def walk():
        large = (0.0, b" " * (600 << 10), True)
        return await asyncio.gather(post(app, Slow(large)), post(app, Slow(large)), post(app, Slow((0.5, b"{}", False))))

    assert [status for status, _, _ in asyncio.run(walk())] == [408, 503, 408]
    assert asyncio.run(post(app, Slow((0.0, b" " * (600 << 10), False))))[0] == 422  # there is room again
