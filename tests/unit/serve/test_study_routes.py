"""The requests of studies: participants by their token, researchers by a key, mistakes as problems, and the page itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.study_double import study_config
from support.study_server import study_app

from beholder import api_keys, images
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.serve.auth import KeyAuth
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

EVENT = "an-event-of-somebody"


@pytest.fixture
def service(tmp_path: Path, scene) -> Iterator[StudyService]:
    (tmp_path / "pictures").mkdir()
    for number in range(8):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(images.encode(scene(40, 30, number)))
    store = Store.at(tmp_path / "workspace" / "choices.db")
    service = StudyService(StudyStore(store), Workspace(str(tmp_path / "workspace")))
    service.create(study_config(images=tmp_path / "pictures"))
    service.store.set_state("faces", "open")
    yield service
    store.close()


@pytest.fixture
def client(service: StudyService) -> Iterator[TestClient]:
    with TestClient(study_app(service), raise_server_exceptions=False) as client:
        yield client


def join(client: TestClient) -> dict[str, str]:
    joined = client.post("/v1/studies/faces/participants", json={"event_id": EVENT})
    assert joined.status_code == 201
    return {"X-Participant": joined.json()["token"]}


def body(trial: dict[str, Any], value: str = "2", **more: Any) -> dict[str, Any]:
    answers = [{"attribute": asked["attribute"], "value": value, "response_ms": 640} for asked in trial["questions"]]
    return {"event_id": "e1", "trial_id": trial["trial_id"], "answers": answers, **more}


def test_a_participant_answers_and_withdraws(client: TestClient, service: StudyService):
    mine = join(client)
    assert join(client) == mine  # a retry
    session = client.get("/v1/studies/faces/session", headers=mine).json()
    assert (session["step"], session["done"], session["total"], len(session["trials"])) == ("trials", 0, 15, 2)
    trial = session["trials"][0]
    picture = client.get(f"/v1/studies/faces/pictures/{trial['pictures'][0]}", headers=mine)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
    tag = {"If-None-Match": picture.headers["etag"]}
    assert client.get(f"/v1/studies/faces/pictures/{trial['pictures'][0]}", headers=mine | tag).status_code == 304
    sent = body(trial, ago_ms=5000)
    recorded = [client.post("/v1/studies/faces/answers", headers=mine, json=sent).json() for _ in range(2)]
    assert [each["counted"] for each in recorded] == [True, False]
    assert recorded[0]["session"]["trials"][0]["trial_id"] == session["trials"][1]["trial_id"]
    other = client.post("/v1/studies/faces/answers", headers=mine, json=body(trial, "4"))
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    assert client.delete("/v1/studies/faces/session", headers=mine).json() == {"answers": len(sent["answers"])}
    assert client.get("/v1/studies/faces/session", headers=mine).status_code == 404


def test_ids_and_roles_are_not_told(client: TestClient):
    """Names of files may say what an experiment is about, and who knows a repetition for one repeats the answer."""
    mine = join(client)
    text = client.get("/v1/studies/faces/session", headers=mine).text
    assert ".png" not in text
    assert "repeat" not in text
    assert "expected" not in text


def test_answers_are_in_the_tables_when_the_service_ends(service: StudyService):
    with TestClient(study_app(service)) as client:
        mine = join(client)
        trial = client.get("/v1/studies/faces/session", headers=mine).json()["trials"][0]
        client.post("/v1/studies/faces/answers", headers=mine, json=body(trial))
    assert service.workspace.read("responses").num_rows == len(trial["questions"])


@pytest.mark.parametrize(
    ("method", "path", "json", "status", "said"),
    [
        ("GET", "/v1/studies/nothing", None, 404, "there is no study 'nothing'"),
        ("GET", "/v1/studies/Not%20a%20name", None, 422, "name"),
        ("POST", "/v1/studies/faces/participants", {"event_id": "short"}, 422, "event_id"),
        ("POST", "/v1/studies/faces/participants", {"event_id": EVENT, "name": "x"}, 422, "name"),
        ("GET", "/v1/studies/faces/session", "nobody-of-this-token", 404, "nobody takes part by this link"),
        ("GET", "/v1/studies/faces/session", None, 422, "X-Participant"),
        ("GET", "/v1/studies/faces/pictures/0123", None, 422, "picture"),
        ("POST", "/v1/studies/faces/state", {"state": "away"}, 422, "state"),
    ],
)
def test_mistakes_are_problems(client: TestClient, method, path, json, status, said):
    headers = {"X-Participant": json} if isinstance(json, str) else {}
    answer = client.request(method, path, json=json if isinstance(json, dict) else None, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_what_was_not_offered_is_refused(client: TestClient):
    mine = join(client)
    trial = client.get("/v1/studies/faces/session", headers=mine).json()["trials"][0]
    refused = client.post("/v1/studies/faces/answers", headers=mine, json=body(trial, "9"))
    assert refused.status_code == 422
    assert "must be one of 1, 2, 3, 4" in refused.json()["detail"]
    nothing = client.post("/v1/studies/faces/forms", headers=mine, json={"part": "before", "answers": {"x": "1"}})
    assert nothing.json()["detail"] == "before has no field 'x'"
    consent = client.post("/v1/studies/faces/consent", headers=mine, json={"lang": "de"})
    assert consent.json()["detail"] == "lang must be one of en, got 'de'"


def test_administration_needs_a_key_and_participants_do_not(service: StudyService):
    now = datetime.now(UTC)
    keys = KeyStore(service.store.store)
    texts = {}
    for scope in ("ask", "admin"):
        key, texts[scope] = api_keys.make(scope, [scope], now=now, expires_at=None)
        keys.add(key)
    with TestClient(study_app(service, authorizer=KeyAuth(keys))) as client:
        join(client)
        for path in ("/v1/studies", "/v1/studies/faces/status"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": f"Bearer {texts['ask']}"}).status_code == 403
        admin = {"Authorization": f"Bearer {texts['admin']}"}
        status = client.get("/v1/studies/faces/status", headers=admin).json()
        assert (status["joined"], status["state"], status["balance"][0]["images"]) == (1, "open", 8)
        assert [each["name"] for each in client.get("/v1/studies", headers=admin).json()] == ["faces"]
        assert client.post("/v1/studies/faces/state", json={"state": "closed"}).status_code == 401
        closed = client.post("/v1/studies/faces/state", json={"state": "closed"}, headers=admin)
        assert closed.json() == {"state": "closed", "changed": True}
        late = client.post("/v1/studies/faces/participants", json={"event_id": "somebody-who-is-late"})
        assert late.status_code == 409


def test_the_page_and_nothing_of_the_other_one(client: TestClient):
    page = client.get("/study/faces")
    assert page.headers["content-type"].startswith("text/html")
    assert "participant.js" in page.text
    for file in ("studies/participant.js", "studies/study.css", "page.css", "link.js"):
        assert client.get(f"/{file}").status_code == 200
    assert client.get("/").status_code == 404
    assert client.get("/v1/questions?user_id=a&image_id=seed-1").status_code == 404
    assert client.get("/readyz").json() == {"studies": True}


def test_a_block_of_trials_is_introduced(tmp_path: Path, scene):
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(images.encode(scene(40, 30, number)))
    text = """
name: faces
ask: in_blocks
questions: [{attribute: smart, rating: "How smart?", instructions: Go by your first impression.}]
ratings: {per_person: 3}
"""
    store = Store.at(tmp_path / "workspace" / "choices.db")
    service = StudyService(StudyStore(store), Workspace(str(tmp_path / "workspace")))
    service.create(study_config(text, images=tmp_path / "pictures"))
    service.store.set_state("faces", "open")
    with TestClient(study_app(service)) as client:
        trial = client.get("/v1/studies/faces/session", headers=join(client)).json()["trials"][0]
    store.close()
    assert trial["part"] == {"name": "smart", "title": "How smart?", "instructions": "Go by your first impression."}
