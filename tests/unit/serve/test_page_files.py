"""page_files: Cache-Control, ETag and compression of the page's files, and names that carry their digest."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.api_double import PAGE

from beholder.serve import api

FILES = [str(path.relative_to(PAGE)) for path in sorted(PAGE.rglob("*")) if path.is_file()]


class Nothing:
    async def close(self):
        pass


@pytest.fixture(scope="module")
def client():
    with TestClient(api.create(Nothing())) as client:  # type: ignore[arg-type]  # no route of the API is asked
        yield client


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_kept_and_asked_about_or_never_again(client, name):
    reply = client.get(f"/{name}", headers={"accept-encoding": "identity"})
    assert reply.content == (PAGE / name).read_bytes()
    for_ever = re.search(r"\.([0-9a-f]{12})\.\w+$", name)
    assert reply.headers["cache-control"] == ("public, max-age=31536000, immutable" if for_ever else "no-cache")
    if for_ever:
        assert hashlib.sha256(reply.content).hexdigest().startswith(for_ever[1])
    again = client.get(f"/{name}", headers={"accept-encoding": "identity", "if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", reply.headers["etag"])


def test_text_is_compressed_for_those_who_take_it(client):
    plain = client.get("/page.css", headers={"accept-encoding": "br"})
    with client.stream("GET", "/page.css", headers={"accept-encoding": "gzip"}) as reply:
        raw = b"".join(reply.iter_raw())
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < 0.4 * len(plain.content)
    assert reply.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert reply.headers["etag"] != plain.headers["etag"]
    tag = {"if-none-match": reply.headers["etag"]}
    assert client.get("/page.css", headers={"accept-encoding": "gzip", **tag}).status_code == 304
    assert client.get("/page.css", headers={"accept-encoding": "identity", **tag}).status_code == 200


@pytest.mark.parametrize(
    ("taken", "wanted"), [("gzip;q=0", False), ("*", True), ("GZIP;q=0.5, br", True), ("", False), ("*;q=0", False)]
)
def test_gzip_is_sent_where_it_is_taken(client, taken, wanted):
    assert ("content-encoding" in client.get("/app.js", headers={"accept-encoding": taken}).headers) == wanted


def test_what_is_compressed_already_is_sent_as_it_is(client):
    font = next(name for name in FILES if name.endswith(".woff2"))
    assert "content-encoding" not in client.get(f"/{font}", headers={"accept-encoding": "gzip"}).headers


def test_the_start_page_and_what_is_not_there(client):
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/nowhere.js").status_code == 404
    assert client.get("/../api.py").status_code in (400, 404)
    assert client.get("/docs").headers["cache-control"] == "private, no-cache"
    head = client.head("/app.js")
    assert (head.status_code, head.content) == (200, b"")


def test_every_file_that_is_named_for_ever_is_the_one_that_pages_ask_for():
    names = {Path(name).name for name in FILES if name.endswith(".woff2")}
    for page in ("index.html", "studies/study.html", "page.css"):
        assert set(re.findall(r"[\w.-]+\.woff2", (PAGE / page).read_text())) == names
