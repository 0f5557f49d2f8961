"""Whose is it: every route of the OpenAPI document, asked for what is somebody else's, so that a new route is in it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.partial_doubles import PartialService
from support.store_suite import question

from beholder import api_keys, person_tokens
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import ErasureReport
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.store.person_owners import Caller, PersonOwners
from beholder.serve import api
from beholder.serve.auth import KeyAuth
from beholder.serve.security.ownership import OwnedService, QuotaConfig

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PEOPLE = ("ana", "bo", "shop-1")
PHOTO = {name: f"photo-{number:024d}" for number, name in enumerate(PEOPLE, 1)}
# What belongs to somebody, by the name of the parameter or field -> whose it is.
OBJECTS: dict[str, dict[str, Any]] = {
    "user_id": {name: name for name in PEOPLE},
    "image_id": PHOTO,
    "image_ids": {name: [photo] for name, photo in PHOTO.items()},
    "shared_with": {name: [photo] for name, photo in PHOTO.items()},
    "question_id": {name: f"q{number}" for number, name in enumerate(PEOPLE, 1)},
}
OWN = {"bo": "bo", "bo's token": "bo", "prefix": "shop-1", "prefix's token": "shop-1", "admin": "bo"}  # who sends -> their person
# What belongs to nobody, with a value that does; what is not required is left out, but where one of two is.
VALUES: dict[str, Any] = {
    "edit": "smile=1", "event_id": "e1", "choice": "left", "edits": [{"smile": 1.0}], "attribute": "friendly", "choices": [],
}  # fmt: skip
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/v1/images"): {"image": ""},
    ("post", "/v1/predictions"): {"question": "smiling", "image_ids": ["seed-1"]},
}
NOBODYS = {("get", "/v1/directions")}
OTHERWISE = {"participants", "studies"}  # by the token of a participant's link, or with the scope admin: test_study_routes


class Reached(Exception):
    """The service was asked: whoever owns it let the request pass."""


class Reach(PartialService):
    """A service that is reached, or not."""

    reached = 0

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in ("reached", "close", "recovering"):
            object.__setattr__(self, "reached", object.__getattribute__(self, "reached") + 1)
        return object.__getattribute__(self, name)

    async def close(self) -> None: ...

    def recovering(self) -> bool:
        return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.at(tmp_path / "choices.db")
    yield store
    store.close()


@pytest.fixture
def keys(store: Store) -> dict[str, str]:
    """The keys of applications, one of which has a prefix of people, with a person each, and tokens of these; an admin's."""
    texts = {}
    for name, people, scopes in (
        ("ana", None, ["ask", "recommend"]),
        ("bo", None, ["ask", "recommend"]),
        ("prefix", "shop-*", ["ask", "recommend"]),
        ("everybody", "*", ["ask", "recommend"]),
        ("admin", None, ["admin"]),
    ):
        key, texts[name] = api_keys.make(name, scopes, now=NOON, people=people)
        KeyStore(store).add(key)
        person = OWN.get(name, name)
        if name in ("ana", "bo", "prefix"):
            assert PersonOwners(store).claim(Caller(key.key_id, people), person)
            store.ask(question(PEOPLE.index(person) + 1, person, asked_at=datetime.now(UTC)))
            store.uploaded(person, PHOTO[person], f"/{PHOTO[person]}", at=NOON)
            texts[f"{name}'s token"] = person_tokens.sign(texts[name], person, now=NOON)
    return texts


@pytest.fixture
def reach() -> Reach:
    return Reach()


@pytest.fixture
def client(store: Store, reach: Reach) -> TestClient:
    authorizer = KeyAuth(KeyStore(store), now=lambda: NOON + timedelta(seconds=1))
    app = api.create(OwnedService(reach, PersonOwners(store)), authorizer=authorizer)
    return TestClient(app, raise_server_exceptions=False)


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def operations() -> Iterator[tuple[str, str, list[str], list[str], list[str]]]:
    """Yield method and path of every route, the names of its parameters, of its body's fields, and of those that it needs."""
    document = api.create(Reach()).openapi()
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            if not path.startswith("/v1/") or (method, path) in NOBODYS or OTHERWISE & set(operation["tags"]):
                continue
            parameters = operation.get("parameters", [])
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
            needed = [each["name"] for each in parameters if each.get("required")] + list(schema.get("required", []))
            yield method, path, [each["name"] for each in parameters], list(schema.get("properties", {})), needed


OPERATIONS = list(operations())
CASES = [
    pytest.param(operation, name, id=f"{operation[0]} {operation[1]} of another's {name}")
    for operation in OPERATIONS
    for name in OBJECTS
    if name in (*operation[2], *operation[3])
]


def send(
    client: TestClient,
    operation: tuple[str, str, list[str], list[str], list[str]],
    key: str,
    own: str,
    whose: dict[str, str],
) -> Any:
    """Send a request with objects of these people, and the sender's own where one is needed and nothing is said."""
    method, path, parameters, fields, needed = operation
    beside = BESIDE.get((method, path), {})
    of_somebody = [name for name in OBJECTS if name in needed or name in whose or (name == "user_id" and name in fields)]
    values = {name: OBJECTS[name][whose.get(name, own)] for name in of_somebody}
    for name in needed:
        assert name in OBJECTS or name in VALUES, f"{method} {path}: whose is {name}? Say so in OBJECTS or VALUES"
        values.setdefault(name, VALUES.get(name))
    values = {**beside, **values}
    if "image_ids" in values and "image_ids" not in whose and (method, path) in BESIDE:
        values["image_ids"] = beside["image_ids"]
    query = {name: values[name] for name in parameters if name in values and f"{{{name}}}" not in path}
    body = {name: values[name] for name in fields if name in values}
    for name in parameters:
        path = path.replace(f"{{{name}}}", str(values.get(name)))
    return client.request(method, path, params=query, json=body if fields else None, headers=bearer(key))


def test_there_are_routes_of_everybodys_objects():
    assert {name for _, _, parameters, fields, _ in OPERATIONS for name in (*parameters, *fields)} >= set(OBJECTS)
    assert len(CASES) >= 14


@pytest.mark.parametrize("who", ["bo", "bo's token", "prefix", "prefix's token"])
@pytest.mark.parametrize(("operation", "name"), CASES)
def test_what_is_anothers_is_refused(client, keys, reach, operation, name, who):
    answer = send(client, operation, keys[who], OWN[who], {name: "ana"})
    assert answer.status_code in (403, 404), answer.text
    assert reach.reached == 0
    if name != "user_id":  # as if it was not there
        assert answer.status_code == 404
        nowhere = "photo-" + "0" * 24
        unknown = {"image_id": nowhere, "image_ids": [nowhere], "shared_with": [nowhere], "question_id": "none"}
        detail = answer.json()["detail"].replace(str(OBJECTS[name]["ana"]).strip("[']"), str(unknown[name]).strip("[']"))
        before = OBJECTS[name]["ana"]
        OBJECTS[name]["ana"] = unknown[name]
        try:
            assert send(client, operation, keys[who], OWN[who], {name: "ana"}).json()["detail"] == detail
        finally:
            OBJECTS[name]["ana"] = before


@pytest.mark.parametrize("who", OWN)
@pytest.mark.parametrize("operation", OPERATIONS, ids=[f"{each[0]} {each[1]}" for each in OPERATIONS])
def test_what_is_ones_own_is_given(client, keys, reach, operation, who):
    """The double can nothing: 500 means that the request came through to it."""
    own = {name: OWN[who] for name in OBJECTS if name in (*operation[2], *operation[3])}
    answer = send(client, operation, keys[who], OWN[who], own)
    assert (answer.status_code, reach.reached) == (500, 1), answer.text


def test_a_key_of_everybody_asks_for_all_and_forgets_nobody(client, keys, reach):
    assert client.get("/v1/users/ana", headers=bearer(keys["everybody"])).status_code == 500
    assert reach.reached == 1
    refused = client.delete("/v1/users/ana", headers=bearer(keys["everybody"]))
    assert (refused.status_code, reach.reached) == (403, 1)
    assert client.delete("/v1/users/ana", headers=bearer(keys["admin"])).status_code == 500


def test_a_person_is_whose_key_named_them_first(client, keys, store, reach):
    body = {"user_id": "new", "image_id": "seed-1"}
    assert client.post("/v1/questions", json=body, headers=bearer(keys["bo"])).status_code == 500
    assert client.post("/v1/questions", json=body, headers=bearer(keys["ana"])).status_code == 403
    assert client.get("/v1/users/new", headers=bearer(keys["ana"])).status_code == 403
    assert client.get("/v1/users/nobody", headers=bearer(keys["ana"])).status_code == 500  # asked about, but not named
    assert "nobody" not in store.people()
    assert client.get("/v1/users/shop-9", headers=bearer(keys["ana"])).status_code == 403  # of the prefix


def test_a_route_that_forgot_to_ask_for_a_key_gets_nothing(store, reach):
    client = TestClient(api.create(OwnedService(reach, PersonOwners(store), keys=True)), raise_server_exceptions=False)
    for operation in OPERATIONS:
        own = {name: "bo" for name in OBJECTS if name in (*operation[2], *operation[3])}
        if own != {"image_id": "bo"}:
            assert send(client, operation, "", "bo", own).status_code == 401, operation
    assert client.get(f"/v1/images/{PHOTO['bo']}").status_code == 401
    assert reach.reached == 0


class Tokens:
    """What a token can be wrong in."""

    def __init__(self, key: str):
        self.key, self.right = key, person_tokens.sign(key, "bo", now=NOON)

    def altered(self, part: int, **claims: Any) -> str:
        pieces = self.right.split(".")
        values = json.loads(person_tokens._bytes(pieces[part]))
        pieces[part] = person_tokens._written({**values, **claims})
        return ".".join(pieces)


def test_a_token_is_what_was_signed_and_nothing_else(client, keys):
    tokens = Tokens(keys["bo"])
    assert client.get("/v1/users/bo", headers=bearer(tokens.right)).status_code == 500
    other = api_keys.split(keys["ana"])
    assert other is not None
    wrong = [
        tokens.altered(1, sub="ana"),
        tokens.altered(1, exp=2**39),
        tokens.altered(1, scope="ask:self admin"),
        tokens.altered(1, admin=True),
        tokens.altered(0, alg="none"),
        tokens.altered(0, alg="HS256"),
        tokens.altered(0, kid=other[0]),
        tokens.altered(0, kid="000000000000"),
        tokens.right.rpartition(".")[0] + ".",
        tokens.right[:-8] + "AAAAAAA=",
        f"{tokens.right}.{tokens.right}",
        person_tokens.sign(keys["bo"], "bo", now=NOON - timedelta(hours=2)),
        person_tokens.sign(keys["bo"], "bo", now=NOON + timedelta(hours=2)),
    ]
    for number, token in enumerate(wrong):
        answer = client.get("/v1/users/bo", headers=bearer(token))
        assert answer.status_code == 401, number
    scoped = person_tokens.sign(keys["bo"], "bo", now=NOON, scopes=["ask:self"])
    refused = client.post("/v1/recommendations", json={"user_id": "bo", "image_id": "seed-1"}, headers=bearer(scoped))
    assert refused.status_code == 403
    assert client.get("/metrics", headers=bearer(tokens.right)).status_code in (403, 404)
    strangers = person_tokens.sign(keys["bo"], "ana", now=NOON)  # bo's key does not speak for ana, and can't have a token do so
    assert client.get("/v1/users/ana", headers=bearer(strangers)).status_code == 403


def test_a_token_ends_with_its_key(client, keys, store):
    token = person_tokens.sign(keys["bo"], "bo", now=NOON)
    parts = api_keys.split(keys["bo"])
    assert parts is not None
    KeyStore(store).revoke(parts[0], at=NOON)
    assert client.get("/v1/users/bo", headers=bearer(token)).status_code == 401


class Easy(PartialService):
    """A service that keeps photos and forgets people."""

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        return LibraryImage("photo-" + "c" * 24, "photo", 128, 0.1)

    async def erase(self, user_id: str) -> ErasureReport:
        return ErasureReport(user_id, 0, 0, 0, ())

    async def close(self) -> None: ...


class Waiting(Easy):
    """One whose photos take until they are released."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Semaphore(0), threading.Event()

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        self.begun.release()
        await asyncio.to_thread(self.release.wait, 30)
        return await super().add_photo(data, user_id, aligned=aligned)


def test_a_key_has_two_photos_worked_on_whatever_names_it_gives(store, keys):
    service = Waiting()
    app = api.create(OwnedService(service, PersonOwners(store)), authorizer=KeyAuth(KeyStore(store), now=lambda: NOON))
    with TestClient(app) as client, ThreadPoolExecutor(4) as pool:

        def upload(name: str, key: str) -> int:
            return client.post("/v1/images", json={"user_id": name, "image": ""}, headers=bearer(keys[key])).status_code

        first = [pool.submit(upload, name, "bo") for name in ("one", "two")]
        for _ in first:
            assert service.begun.acquire(timeout=20)
        assert [upload(f"name-{at}", "bo") for at in range(3)] == [429] * 3
        other = pool.submit(upload, "ana", "ana")
        assert service.begun.acquire(timeout=20)  # another key's is begun all the same
        service.release.set()
        assert [each.result(20) for each in (*first, other)] == [201] * 3


def test_quotas_of_people_questions_and_photos(store, keys):
    quotas = QuotaConfig(people=1, open_questions=1, photos=1)
    app = api.create(OwnedService(Easy(), PersonOwners(store), quotas), authorizer=KeyAuth(KeyStore(store), now=lambda: NOON))
    client, bo = TestClient(app, raise_server_exceptions=False), bearer(keys["bo"])
    for path, body, says in (
        ("/v1/questions", {"user_id": "somebody", "image_id": "seed-1"}, "this key has named 1 people"),
        ("/v1/questions", {"user_id": "bo", "image_id": "seed-1"}, "bo has left 1 questions unanswered"),
        ("/v1/images", {"user_id": "bo", "image": ""}, "bo has 1 photos"),
    ):
        refused = client.post(path, json=body, headers=bo)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
        assert refused.json()["detail"].startswith(says)
    gone = client.delete("/v1/users/bo", headers=bearer(keys["bo's token"]))
    assert (gone.status_code, gone.json()["user_id"]) == (200, "bo")
