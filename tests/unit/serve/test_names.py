"""Names in the API: what looks like another name, or like none, is refused; who was stored before there was a rule can leave."""

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from beholder.recommending.store.person_owners import PersonOwners
from beholder.serve import api
from beholder.serve.security.ownership import OwnedService

BAD = ["\x9b", "\x85", "\u202eana", "an\u200ba", "\ufeffana", " ", "ana ", ".", "..", "\ufffd", "\ue000"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def owned(service, settings):
    app = api.create(OwnedService(service, PersonOwners(service.built.recommendations.store)), limits=settings.limits)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("name", BAD)
def test_nobody_new_has_such_a_name(owned, name):
    where = {"user_id": name, "image_id": "seed-7"}
    for path in ("/v1/questions", "/v1/recommendations"):
        assert owned.post(path, json=where).status_code == 422
    assert owned.get("/v1/questions", params=where).status_code == 422
    assert owned.post("/v1/images", data={"user_id": name}, files={"file": ("photo", b"x")}).status_code == 422
    if name.strip("."):  # a client takes these out of a path itself
        assert owned.get(f"/v1/users/{quote(name, safe='')}").status_code == 422
        assert owned.get(f"/v1/users/{quote(name, safe='')}/taste").status_code == 422
    assert owned.get("/v1/users/ana", params={"attribute": name}).status_code == 422


def test_a_name_has_one_form(owned):
    asked = owned.post("/v1/questions", json={"user_id": "Zoe\u0308", "image_id": "seed-7"}).json()
    assert asked["user_id"] == "Zo\u00eb"
    owned.post("/v1/choices", json={"event_id": "zoe", "question_id": asked["question_id"], "choice": "left"})
    for spelling in ("Zoe\u0308", "Zo\u00eb"):
        assert owned.get(f"/v1/users/{quote(spelling)}").json()["rounds"] == 1
    assert owned.delete(f"/v1/users/{quote('Zoe' + chr(0x308))}").json()["answers"] == 1


@pytest.mark.parametrize("name", ["ana ", "\u202ebob", "Zoe\u0308"])
def test_who_was_stored_before_is_read_and_erased(owned, service, name):
    asked = service.built.recommendations.question(name, "seed-7").question
    service.built.recommendations.answer(f"old {quote(name)}", asked.question_id, "left")
    path = f"/v1/users/{quote(name, safe='')}"
    assert owned.get(path).json()["rounds"] == 1
    assert len(owned.get(f"{path}/taste").json()["choices"]) == 1
    assert owned.delete(path).json()["answers"] == 1
    assert not PersonOwners(service.built.recommendations.store).known(name)


def test_bytes_that_are_no_text_are_nobody(owned):
    for path in ("/v1/users/%ff", "/v1/users/%fe", "/v1/users/ana?attribute=%c3%28", "/v1/questions?user_id=%ff&image_id=seed-7"):
        answer = owned.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), path
    body = b'{"user_id": "\xff", "image_id": "seed-7"}'
    assert owned.post("/v1/questions", content=body, headers=JSON).status_code == 400
    form = b'--x\r\ncontent-disposition: form-data; name="user_id"\r\n\r\n\xff\r\n--x\r\ncontent-disposition: form-data; '
    form += b'name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    answer = owned.post("/v1/images", content=form, headers=kind)
    assert (answer.status_code, "UTF-8" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize("external", [" id", "\u202e1", "a\x9b"])
def test_ids_of_panels_are_names(external):
    from pydantic import ValidationError

    from beholder.serve.studies.study_schemas import JoinRequest

    body = {"event_id": "0123456789abcdef"}
    assert JoinRequest.model_validate(body).external_id == ""
    assert JoinRequest.model_validate({**body, "external_id": "5f3a"}).external_id == "5f3a"
    with pytest.raises(ValidationError):
        JoinRequest.model_validate({**body, "external_id": external})


def test_every_member_and_field_stands_once(owned):
    body = b'{"user_id": "ana", "image_id": "seed-7", "user_id": "bob"}'
    for path in ("/v1/questions", "/v1/recommendations"):
        answer = owned.post(path, content=body, headers=JSON)
        assert (answer.status_code, "'user_id' once" in answer.json()["detail"]) == (422, True)
    nested = b'{"user_id": "ana", "image_id": "seed-7", "edits": [{"smile": 1, "smile": 2}]}'
    assert owned.post("/v1/scores", content=nested, headers=JSON).status_code == 422
    assert owned.post("/v1/images", content=b'{"seed": 1, "seed": 2}', headers=JSON).status_code == 422
    answer = owned.get("/v1/questions?user_id=ana&image_id=seed-7&user_id=bob")
    assert (answer.status_code, "'user_id' once" in answer.json()["detail"]) == (422, True)
    parts = [("user_id", (None, "ana")), ("user_id", (None, "bob")), ("file", ("a", b"x"))]
    answer = owned.post("/v1/images", files=parts)
    assert (answer.status_code, "once" in answer.json()["detail"]) == (422, True)
    assert owned.get("/v1/users/ana").status_code == 200


def test_head_of_a_get_that_keeps_something_keeps_nothing(owned, service):
    url, owners = "/v1/questions?user_id=header&image_id=seed-7", PersonOwners(service.built.recommendations.store)
    refused = owned.head(url)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, OPTIONS, POST")
    assert owners.open_questions("header") == 0
    assert owned.get(url).status_code == 200
    assert owners.open_questions("header") == 1


def test_head_and_options_are_there_where_get_is(owned):
    paths = ["/healthz", "/readyz", "/openapi.json", "/docs", "/v1/directions", "/v1/users/ana", "/v1/images/seed-7", "/"]
    for path in paths:
        got, head = owned.get(path), owned.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers.get("content-length") == got.headers.get("content-length"), path
        assert head.headers["content-type"] == got.headers["content-type"], path
    asked = owned.options("/v1/users/ana")
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, "DELETE, GET, HEAD, OPTIONS", b"")
    assert owned.options("/docs").headers["allow"] == "GET, HEAD, OPTIONS"
    assert owned.options("/v1/choices").headers["allow"] == "OPTIONS, POST"
    assert owned.head("/v1/choices").status_code == 405
    assert owned.options("/v1/questions").headers["allow"] == "GET, OPTIONS, POST"
    assert owned.options("/v1/nothing").status_code == 404
    document = owned.get("/openapi.json").json()
    assert not {method for ways in document["paths"].values() for method in ways} & {"head", "options"}
    for path, ways in document["paths"].items():
        if "get" in ways:
            concrete = path.replace("{user_id}", "ana").replace("{image_id}", "seed-7").replace("{edit}", "smile=1")
            kept = ways["get"].get("deprecated", False)  # a GET that keeps something has no HEAD
            assert (owned.head(concrete).status_code in (405, 500)) == kept, path
