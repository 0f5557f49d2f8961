"""Keys at the API: who comes in, to what, how often."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.partial_doubles import PartialService

from beholder import api_keys
from beholder.errors import ConfigError
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.serve import api
from beholder.serve.admission import TokenBuckets
from beholder.serve.auth import ApiKeysConfig, KeyAuth
from beholder.serve.protocols import DirectionList

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
# Every route that needs a key, and its scope.
NEEDS = {
    ("POST", "/v1/images"): "ask",
    ("GET", "/v1/images/seed-7"): "ask",
    ("GET", "/v1/images/seed-7/edits/smile=1"): "ask",
    ("GET", "/v1/directions"): "ask",
    ("POST", "/v1/questions"): "ask",
    ("GET", "/v1/questions"): "ask",
    ("POST", "/v1/choices"): "ask",
    ("DELETE", "/v1/choices/q"): "ask",
    ("GET", "/v1/users/ana"): "ask",
    ("POST", "/v1/recommendations"): "recommend",
    ("POST", "/v1/scores"): "recommend",
    ("GET", "/v1/users/ana/taste"): "ask",
    ("PUT", "/v1/users/ana/taste"): "ask",
    ("POST", "/v1/predictions"): "recommend",
    ("DELETE", "/v1/users/ana"): "ask",
    ("GET", "/metrics"): "admin",
}
OPEN = ("/healthz", "/")
DESCRIPTIONS = ("/docs", "/openapi.json")


class Empty(PartialService):
    """A graph with no directions, and nothing else."""

    async def directions(self) -> DirectionList:
        return DirectionList("none", ())

    async def close(self) -> None: ...


class Tally:
    """Metrics that remember what was rejected."""

    def __init__(self):
        self.counts = []

    def answered(self, route, method, status, seconds): ...

    def counted(self, what, kind):
        self.counts.append((what, kind))

    async def exposition(self):
        return b"", "text/plain"


class Clock:
    """Both clocks of the keys, moved by hand."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


@pytest.fixture
def ring(tmp_path: Path):
    store = Store.at(tmp_path / "choices.db")
    yield KeyStore(store)
    store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def service(ring, clock, tally):
    """service(**settings of keys): a client of an API behind the ring's keys."""

    def serve(**more) -> TestClient:
        authorizer = KeyAuth(ring, ApiKeysConfig(**more), metrics=tally, clock=clock, now=clock.now)
        return TestClient(api.create(Empty(), authorizer=authorizer, metrics=tally), raise_server_exceptions=False)

    return serve


@pytest.fixture
def made(ring):
    """made(*scopes): the text of a new key."""

    def make(*scopes: str, expires_at: datetime | None = None) -> str:
        key, text = api_keys.make("ana", scopes, now=NOON, expires_at=expires_at)
        ring.add(key)
        return text

    return make


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_every_route_wants_its_scope(service, made, method, path):
    client = service()
    refused = client.request(method, path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="beholder"')
    assert refused.headers["content-type"] == "application/problem+json"
    for scope in api_keys.SCOPES:
        answer = client.request(method, path, headers=bearer(made(scope)))
        if scope in (NEEDS[method, path], "admin"):
            assert answer.status_code not in (401, 403)
        else:
            assert answer.status_code == 403
            asked = f'Bearer realm="beholder", error="insufficient_scope", scope="{NEEDS[method, path]}"'
            assert answer.headers["www-authenticate"] == asked


def test_the_page_and_the_health_need_none(service):
    client = service()
    assert [client.get(path).status_code for path in OPEN] == [200] * len(OPEN)


def test_the_description_asks_for_what_the_api_asks_for(service, made):
    client = service()
    assert [client.get(path).status_code for path in (*DESCRIPTIONS, "/redoc")] == [401, 401, 404]
    page = client.get("/docs", headers=bearer(made("ask")))
    assert (page.status_code, page.headers["content-security-policy"].partition(";")[0]) == (200, "default-src 'none'")
    assert "/v1/choices" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text.replace("multipart", "")  # nothing from elsewhere
    without = TestClient(api.create(Empty()))
    assert [without.get(path).status_code for path in DESCRIPTIONS] == [200, 200]


def test_every_route_is_listed_above(service, made):
    document = service().get("/openapi.json", headers=bearer(made("ask"))).json()
    told = {(method.upper(), path): each for path, ways in document["paths"].items() for method, each in ways.items()}
    assert len([1 for _, path in told if path.startswith("/v1/")]) == len(NEEDS) - 1
    for (method, path), each in told.items():
        if path.startswith("/v1/"):
            (known,) = {
                scope
                for (way, example), scope in NEEDS.items()
                if way == method and example.count("/") == path.count("/") and example.startswith(path.partition("{")[0])
            }
            assert each["security"] == [{"key": [known]}]
        else:
            assert "security" not in each
    scheme = document["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_without_keys_the_document_speaks_of_none():
    document = TestClient(api.create(Empty())).get("/openapi.json").json()
    assert "securitySchemes" not in document["components"]


def test_what_is_no_key_is_refused(service, made):
    client, text = service(), made("ask")
    assert client.get("/v1/directions", headers=bearer(text)).status_code == 200
    assert client.get("/v1/directions", headers={"authorization": f"bearer  {text} "}).status_code == 200
    forged = text[:-1] + ("0" if text[-1] != "0" else "1")
    unknown = api_keys.make("ana", ["admin"], now=NOON)[1]
    for wrong in (
        forged,
        unknown,
        "",
        "x",
        "x" * 5000,
        text + " x",
        text.upper(),
        f"{text}\u00e9".encode("latin-1").decode("latin-1"),
    ):
        answer = client.get("/v1/directions", headers={"authorization": f"Bearer {wrong}".encode("latin-1")})
        assert answer.status_code == 401
        assert 'error="invalid_' in answer.headers["www-authenticate"]
        assert text not in answer.text
    for wrong in (f"Basic {text}", text, "Bearer"):
        assert client.get("/v1/directions", headers={"authorization": wrong}).status_code == 401
    twice = [("authorization", f"Bearer {text}"), ("authorization", f"Bearer {text}")]
    assert client.get("/v1/directions", headers=twice).status_code == 401
    assert client.get("/v1/directions", params={"access_token": text}).status_code == 401  # addresses end up in logs


def test_a_key_is_asked_for_before_a_body_is_read(service):
    """Otherwise anybody could have megabytes read and parsed."""
    client = service()
    answer = client.post("/v1/predictions", content=b"no json", headers={"content-type": "application/json"})
    assert answer.status_code == 401
    assert client.post("/v1/images", content=b"", headers={"content-type": "text/plain"}).status_code == 401


def test_it_ends_when_it_said(service, made, clock):
    client, text = service(), made("ask", expires_at=NOON + timedelta(seconds=60))
    for seconds, status in {0: 200, 59: 200, 60: 401, 600: 401}.items():
        clock.seconds = seconds
        assert client.get("/v1/directions", headers=bearer(text)).status_code == status


def test_a_revoked_key_lives_no_longer_than_it_is_fresh(service, made, ring, clock):
    client, text = service(fresh_seconds=5.0), made("ask")
    assert client.get("/v1/directions", headers=bearer(text)).status_code == 200
    parts = api_keys.split(text)
    assert parts is not None
    ring.revoke(parts[0], at=NOON)
    clock.seconds = 5.0
    assert client.get("/v1/directions", headers=bearer(text)).status_code == 401


def test_a_key_has_so_many_requests_a_minute_and_others_have_their_own(service, made, clock, tally):
    client, ana, bo = service(per_minute=60, burst=3), made("ask"), made("ask")
    assert [client.get("/v1/directions", headers=bearer(ana)).status_code for _ in range(5)] == [200] * 3 + [429] * 2
    refused = client.get("/v1/directions", headers=bearer(ana))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.headers["content-type"] == "application/problem+json"
    assert tally.counts == [("rejected", "rate")] * 3
    assert client.get("/v1/directions", headers=bearer(bo)).status_code == 200
    clock.seconds = 1.0
    assert [client.get("/v1/directions", headers=bearer(ana)).status_code for _ in range(2)] == [200, 429]


def test_buckets_fill_again_and_never_over_the_brim(clock):
    buckets = TokenBuckets(120, 4, clock=clock)  # 2 a second
    assert [buckets.take("a") for _ in range(4)] == [0.0] * 4
    assert buckets.take("a") == pytest.approx(0.5)
    clock.seconds = 0.25
    assert buckets.take("a") == pytest.approx(0.25)
    clock.seconds = 3600.0
    assert [buckets.take("a") > 0 for _ in range(5)] == [False] * 4 + [True]


def test_buckets_do_not_grow_without_end(clock):
    buckets = TokenBuckets(60, 2, clock=clock)
    for number in range(25_000):
        clock.seconds = number / 100
        assert buckets.take(str(number)) == 0.0
    assert len(buckets._left) <= 10_000


def test_who_sends_wrong_keys_waits_and_nobody_else(service, made, clock, tally):
    client, right, late = service(), made("ask"), made("ask")
    assert client.get("/v1/directions", headers=bearer(right)).status_code == 200
    statuses = [
        client.get("/v1/directions", headers=bearer(api_keys.make("x", ["ask"], now=NOON)[1])).status_code for _ in range(30)
    ]
    assert statuses == [401] * 20 + [429] * 10
    assert tally.counts == [("rejected", "key")] * 20 + [("rejected", "guess")] * 10
    clock.seconds = 0.9  # within a second there is no new one
    assert client.get("/v1/directions", headers=bearer(right)).status_code == 200  # from the same address
    refused = client.get("/v1/directions", headers=bearer(late))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    clock.seconds = 6.0  # so old that it is looked up again
    assert client.get("/v1/directions", headers=bearer(right)).status_code == 200
    assert client.get("/v1/directions", headers=bearer(late)).status_code == 200


@pytest.mark.parametrize("wrong", [{"per_minute": 0}, {"burst": 0}, {"fresh_seconds": -1.0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ConfigError, match=r"keys\.per_minute and keys\.burst must be at least 1"):
        ApiKeysConfig(**wrong)
