"""What bad input gets: a clear 4xx as problem+json, and nothing of how it looks inside."""

import base64
import importlib.util
import struct
import zlib

import numpy as np
import pytest

from beholder import images

JSON = {"content-type": "application/json"}


def refused(answer, *statuses):
    assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == answer.status_code
    for secret in ("Traceback", 'File "', "/work", "site-packages", "sqlite", "SELECT", "latents/", ".db"):
        assert secret not in answer.text
    return told["detail"]


def add_photo(client, data, **more):
    return client.post("/v1/images", files={"file": ("photo", data)}, data={"user_id": "mal", "aligned": "true", **more})


def bomb(width, height):
    """A PNG of a few bytes that says it is huge."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(10_000))),
        (b"IEND", b""),
    ]
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_bombs_of_pixels(client):
    assert "over the limit" in refused(add_photo(client, bomb(60_000, 60_000)), 422)
    refused(add_photo(client, bomb(5000, 5000)), 422)  # within the limit, but not there
    body = {"user_id": "mal", "images": [base64.b64encode(bomb(60_000, 60_000)).decode()], "question": "friendly"}
    refused(client.post("/v1/predictions", json=body), 422)


def test_images_that_are_none(client):
    whole = images.encode(np.zeros((64, 64, 3), np.uint8))
    for data in (b"", b"GIF89a", b"<svg onload=alert(1)>", whole[: len(whole) // 2], bytes(1000), b"%!PS-Adobe"):
        refused(add_photo(client, data), 422)


def test_a_photo_without_a_face(client):
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip('the extra "faces" is not installed')
    detail = refused(add_photo(client, images.encode(np.zeros((200, 200, 3), np.uint8)), aligned="false"), 422)
    assert "face" in detail


def test_bodies_that_are_too_large(client):
    refused(client.post("/v1/choices", content=b'{"event_id": "' + b"x" * 10_000_000 + b'"}', headers=JSON), 413)
    refused(client.post("/v1/images", content=b"x" * 20_000_000, headers=JSON), 413)
    refused(add_photo(client, b"x" * 18_000_000), 413)

    def drip():
        for _ in range(200):
            yield b"[" * 1000

    refused(client.post("/v1/recommendations", content=drip(), headers=JSON), 413)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"\xff\xfe", b"null", b"[]", b'"x"', b"1" * 5000, b'{"seed": NaN}'])
@pytest.mark.parametrize("path", ["/v1/images", "/v1/choices", "/v1/recommendations", "/v1/predictions"])
def test_json_that_is_none(client, path, body):
    refused(client.post(path, content=body, headers=JSON), 400, 422)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_other_content_types(client, kind):
    refused(client.post("/v1/images", content=b'{"seed": 1}', headers={"content-type": kind}), 400, 415, 422)
    refused(client.post("/v1/choices", content=b"{}", headers={"content-type": kind}), 400, 415, 422)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1.5},
        {"seed": "7"},
        {"seed": True},
        {"seed": 7, "image": "AAAA", "user_id": "mal"},
        {"image": "AAAA"},
        {"image": "data:image/png;base64,AAAA", "user_id": "mal"},
        {"image": "AAAA", "user_id": "a/b"},
        {"image": "AAAA", "user_id": ""},
        {"image": "AAAA", "user_id": "a\u0000b"},
        {"seed": 7, "path": "/etc/passwd"},
    ],
)
def test_images_that_make_no_sense(client, body):
    refused(client.post("/v1/images", json=body), 422)


@pytest.mark.parametrize(
    "edit",
    [
        "smile",
        "smile=",
        "=1",
        "smile=x",
        "smile=nan",
        "smile=inf",
        "smile=-1e999",
        "smile=4",
        "smile=1,smile=2",
        "smil=1",
        "__class__=1",
        "smile=1,",
        "%00=1",
        "smile=1%0Aglasses=2,x",
        ",",
        "smile=1e308",
        "ſmile=1",
        "%F0%9F%98%80=1",
        "a" * 2001,
    ],
)
def test_edits_that_make_no_sense(client, edit):
    detail = refused(client.get(f"/v1/images/seed-7/edits/{edit}"), 422)
    assert len(detail) < 1000


@pytest.mark.parametrize(
    "image_id",
    [
        "seed-01",
        "seed--1",
        "seed-4294967296",
        "seed-7.png",
        "photo-" + "0" * 24,
        "photo-" + "0" * 23 + "/",
        "photo-" + "A" * 24,
        "..%2F..%2Fetc%2Fpasswd",
        "photo-..%2F..%2F..%2Fchoices.db",
        "seed-7%00",
        "seed-٧",
        "%2e%2e",
        "seed-7%0a",
        "photo-" + "%2e" * 24,
    ],
)
def test_ids_of_images_that_are_none(client, image_id):
    refused(client.get(f"/v1/images/{image_id}"), 404, 422)
    refused(client.get(f"/v1/questions?user_id=mal&image_id={image_id}"), 404, 422)


@pytest.mark.parametrize("user", ["", "a%00b", "a%0Ab", "a%2Fb", "..%5C..", "x" * 201, "%7F"])
def test_people_without_a_name(client, user):
    refused(client.get(f"/v1/questions?user_id={user}&image_id=seed-7"), 422)


def test_names_that_no_database_can_keep(client):
    body = b'{"user_id": "\\ud800", "image_id": "seed-7"}'
    refused(client.post("/v1/recommendations", content=body, headers=JSON), 400, 422)


def test_names_that_look_dangerous_are_names(client):
    for user in ("Robert'); DROP TABLE people;--", "Zoë Ω 李", "<script>", "${jndi:ldap:x}", "null", "%s%n"):
        assert client.get("/v1/questions", params={"user_id": user, "image_id": "seed-7"}).json()["user_id"] == user


def test_forged_questions_and_strategies(client):
    for question_id in ("0" * 32, "1' OR '1'='1", "x" * 201, "é", ""):
        body = {"event_id": "e", "question_id": question_id, "choice": "left"}
        refused(client.post("/v1/choices", json=body), 404, 422)
    refused(client.delete("/v1/choices/" + "0" * 32), 404)
    refused(client.get("/v1/questions?user_id=mal&image_id=seed-7&strategy=greedy"), 422)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("choice", "both"),
        ("choice", None),
        ("response_seconds", -1),
        ("response_seconds", "NaN"),
        ("response_seconds", False),
        ("event_id", ""),
        ("alpha", 1),
    ],
)
def test_answers_that_make_no_sense(client, name, value):
    question = client.get("/v1/questions?user_id=mal&image_id=seed-7").json()
    body = {"event_id": "e", "question_id": question["question_id"], "choice": "left", name: value}
    refused(client.post("/v1/choices", json=body), 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(client, number):
    question = client.get("/v1/questions?user_id=mal&image_id=seed-7").json()["question_id"]
    body = f'{{"event_id": "e", "question_id": "{question}", "choice": "left", "response_seconds": {number}}}'
    refused(client.post("/v1/choices", content=body, headers=JSON), 422)
    body = f'{{"user_id": "mal", "image_id": "seed-7", "count": {number}}}'
    refused(client.post("/v1/recommendations", content=body, headers=JSON), 422)


@pytest.mark.parametrize("count", [0, -1, 1001, 2**70, 1.5, "4", None])
def test_counts_that_make_no_sense(client, count):
    refused(client.post("/v1/recommendations", json={"user_id": "mal", "image_id": "seed-7", "count": count}), 422)


@pytest.mark.parametrize(
    "body",
    [
        {"question": "friendly"},
        {"image_ids": ["seed-1"]},
        {"image_ids": ["seed-1"], "question": "friendly", "attribute": "smart"},
        {"image_ids": [], "question": "friendly"},
        {"image_ids": ["seed-1"], "images": ["AAAA"], "question": "friendly"},
        {"image_ids": ["seed-1"] * 17, "question": "friendly"},
        {"image_ids": ["seed-1"], "attribute": "smart"},
        {"image_ids": ["seed-1"], "question": "?"},
        {"image_ids": ["seed-1"], "question": "x" * 201},
        {"image_ids": ["../seed-1"], "question": "friendly"},
        {"images": ["AAAA"], "question": "friendly"},
        {"images": [7], "question": "friendly"},
    ],
)
def test_predictions_that_make_no_sense(client, body):
    refused(client.post("/v1/predictions", json={"user_id": "mal", **body}), 422)


def test_paths_and_methods_that_are_not_there(client):
    for path in ("/v1", "/v1/nothing", "/v1/images", "/v2/images", "/v1/images/seed-7/edits/", "/v1/images/seed-7/edits/a/b"):
        refused(client.get(path), 404, 405)
    for path in ("/..%2f..%2fetc/passwd", "/%2e%2e/api.py", "/..\\api.py", "/%00"):
        refused(client.get(path), 404)
    answer = client.put("/v1/choices", json={})
    refused(answer, 405)
    assert answer.headers["allow"] == "OPTIONS, POST"
    assert client.put("/v1/users/ana", json={}).headers["allow"] == "DELETE, GET, HEAD, OPTIONS"
