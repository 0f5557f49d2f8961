"""http_client: both clients over httpx's own double of a network, what they send, and what they make of what comes."""

import asyncio
import inspect
import io
import json
import subprocess
import sys

import httpx
import pytest
from PIL import Image

from beholder.client import (
    AsyncClient,
    Client,
    InvalidRequest,
    KeyRefused,
    NotReached,
    RequestTooLarge,
    RetryPolicy,
    UnexpectedReply,
)

ANSWERED = {"question_id": "q", "choice": "left", "counted": True, "rounds": 1, "learned": []}
IMAGE = {"image_id": "photo-1", "source": "photo", "resolution": 512, "picture": "/v1/images/photo-1", "loss": 0.1}
QUICK = RetryPolicy(first_wait=0.001)


class Network:
    """Answers one after the other; seen: the requests. An answer is a response, or an exception that is raised."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def _next(self, request):
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __call__(self, request):
        request.read()
        return self._next(request)

    async def later(self, request):
        await request.aread()
        return self._next(request)


def client(*answers, **options):
    network = Network(*answers)
    http = httpx.Client(transport=httpx.MockTransport(network))
    return Client("http://there:8000/", http=http, retry=options.pop("retry", QUICK), **options), network


def reply(status=200, **body):
    return httpx.Response(status, json=body)


def refusal(status, detail, type="about:blank", **headers):
    body = json.dumps({"type": type, "title": "Refused", "status": status, "detail": detail})
    return httpx.Response(status, content=body, headers={"content-type": "application/problem+json", **headers})


def test_a_retry_carries_the_same_event_id():
    ana, network = client(httpx.ConnectError("refused"), refusal(503, "full", **{"Retry-After": "0"}), reply(**ANSWERED))
    assert ana.answer("q", "left", response_seconds=1.5).counted
    bodies = [json.loads(request.content) for request in network.seen]
    assert bodies[0] == bodies[1] == bodies[2]
    assert len(bodies[0].pop("event_id")) == 32
    assert bodies[0] == {"question_id": "q", "choice": "left", "response_seconds": 1.5}
    ana, network = client(reply(**ANSWERED), reply(**ANSWERED))
    ana.answer("q", "left")
    ana.answer("q", "left", event_id="mine")
    first, second = (json.loads(request.content)["event_id"] for request in network.seen)
    assert (first != bodies, second) == (True, "mine")


def test_a_key_is_sent_and_not_shown(monkeypatch):
    monkeypatch.setenv("BEHOLDER_KEY", "from-the-environment")
    ana, network = client(httpx.Response(200, json={"status": "alive"}))
    ana.health()
    assert network.seen[0].headers["authorization"] == "Bearer from-the-environment"
    ana, network = client(httpx.Response(200, json={"status": "alive"}), key="given")
    ana.health()
    assert network.seen[0].headers["authorization"] == "Bearer given"
    assert repr(ana) == "Client('http://there:8000', key=...)"
    ana, network = client(httpx.Response(200, json={"status": "alive"}), key="")
    ana.health()
    assert "authorization" not in network.seen[0].headers


@pytest.mark.parametrize("way", ["path", "text", "bytes", "file", "pil"])
def test_photos_come_from_everywhere_and_are_whole_in_each_retry(tmp_path, way):
    picture = Image.new("RGB", (40, 30), "red")
    picture.save(tmp_path / "me.png")
    data = (tmp_path / "me.png").read_bytes()
    file = io.BytesIO(data)
    file.seek(6)  # whoever wrote it forgot to go back
    photo = {"path": tmp_path / "me.png", "text": str(tmp_path / "me.png"), "bytes": data, "file": file, "pil": picture}[way]
    ana, network = client(httpx.ReadError("lost"), reply(201, **IMAGE))
    assert ana.add_photo("ana", photo, aligned=True).image_id == "photo-1"
    for request in network.seen:
        kind, body = request.headers["content-type"], request.content
        assert kind.startswith("multipart/form-data")
        assert b'name="user_id"\r\n\r\nana\r\n' in body
        assert b'name="aligned"\r\n\r\ntrue\r\n' in body
        sent = body[body.index(b"octet-stream\r\n\r\n") + 16 :].rpartition(b"\r\n--")[0]
        assert Image.open(io.BytesIO(sent)).size == (40, 30)
        assert (sent == data) == (way != "pil")


def test_a_pil_image_keeps_its_transparency_and_the_side_that_it_lies_on():
    from beholder.client.upload import Upload

    turned = Image.new("RGB", (4, 2))
    turned.getexif()[274] = 6
    with Upload(turned).opened() as (_, data, _kind):
        assert Image.open(io.BytesIO(data)).getexif()[274] == 6
    with Upload(Image.new("RGBA", (4, 2))).opened() as (_, data, _kind):
        assert Image.open(io.BytesIO(data)).mode == "RGBA"


def test_a_photo_is_read_while_it_is_sent(tmp_path):
    """A file of 8 MiB is asked for piece by piece, and none of them is as large as the file."""
    sizes = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            data = super().read(size)
            sizes.append(len(data))
            return data

    ana, _ = client(reply(201, **IMAGE))
    ana.add_photo("ana", Watched(bytes(8 << 20)))
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == 8 << 20


def test_what_is_no_photo_is_told():
    ana, network = client()
    with pytest.raises(TypeError, match="expected a path, bytes, a file opened for reading bytes, or a PIL image, got int"):
        ana.add_photo("ana", 7)
    with pytest.raises(FileNotFoundError):
        ana.add_photo("ana", "nowhere.jpg")
    assert network.seen == []


def test_pictures_are_asked_for_in_a_size_and_a_format():
    pixel = httpx.Response(200, content=b"webp", headers={"content-type": "image/webp"})
    ana, network = client(pixel, httpx.Response(200, content=b"webp", headers={"content-type": "image/webp"}))
    found = ana.edited_picture("seed-7", {"smile": 1.5, "hat": 0.0, "glasses": -2}, size=256, media_type="image/webp")
    assert (found.data, found.media_type) == (b"webp", "image/webp")
    assert str(network.seen[0].url) == "http://there:8000/v1/images/seed-7/edits/glasses%3D-2%2Csmile%3D1.5?size=256"
    assert network.seen[0].headers["accept"] == "image/webp"
    ana.edited_picture("seed-7", {})
    assert network.seen[1].url.path == "/v1/images/seed-7"


def test_errors_have_a_kind_of_their_own():
    ana, _ = client(refusal(401, "a key is needed"), refusal(413, "too much"), refusal(422, "no face", "/docs#problem-no-face"))
    with pytest.raises(KeyRefused, match="set BEHOLDER_KEY; `beholder keys make=NAME` makes a key"):
        ana.directions()
    with pytest.raises(RequestTooLarge, match="send a smaller file"):
        ana.add_photo("ana", b"huge")
    with pytest.raises(InvalidRequest) as caught:
        ana.add_photo("ana", b"a landscape")
    assert (caught.value.kind, caught.value.detail) == ("no-face", "no face")


def test_another_server_is_recognised():
    page = httpx.Response(200, html="<html>")
    moved = httpx.Response(307, headers={"location": "https://there/"})
    ana, _ = client(page, moved, reply(question_id="q"), reply(**{**ANSWERED, "rounds": "one"}), httpx.Response(200, text="hello"))
    with pytest.raises(UnexpectedReply, match="expected JSON"):
        ana.directions()
    with pytest.raises(UnexpectedReply, match="307, where a success was expected"):
        ana.directions()
    with pytest.raises(UnexpectedReply, match="lacks choice, counted, rounds, learned: the service is of another version"):
        ana.answer("q", "left")
    with pytest.raises(UnexpectedReply, match=r"the answer\.rounds: expected int, got 'one'"):
        ana.answer("q", "left")
    with pytest.raises(UnexpectedReply, match="expected a picture, got text/plain"):
        ana.picture("seed-7")


def test_fields_of_a_newer_service_are_passed_over():
    ana, _ = client(reply(**ANSWERED, mood="fine"))
    assert ana.answer("q", "left").rounds == 1


def test_a_deadline_of_its_own():
    ana, network = client(*[httpx.ConnectTimeout("slow")] * 9, retry=RetryPolicy(first_wait=0.02))
    with pytest.raises(NotReached, match="no answer came within"):
        ana.within(0.1).directions()
    assert len(network.seen) < 6
    assert ana.retry.deadline == 60


def test_an_answer_that_trickles_in_ends_at_the_deadline():
    import time

    def slowly():
        for _ in range(100):
            time.sleep(0.02)
            yield b" "

    ana, _ = client(*[httpx.Response(200, content=slowly()) for _ in range(3)])
    with pytest.raises(NotReached, match="no answer came within"):
        ana.within(0.1).directions()


@pytest.mark.parametrize("url", ["there:8000", "ftp://there", "/v1", "http://"])
def test_an_address_that_is_none(url):
    with pytest.raises(ValueError, match="expected the address of a service"):
        Client(url)


def test_a_key_in_the_address_is_refused():
    with pytest.raises(ValueError, match="a key goes into key="):
        Client("http://key@there")


def test_the_asynchronous_client_does_the_same():
    network = Network(httpx.ConnectError("refused"), reply(**ANSWERED), reply(201, **IMAGE), refusal(401, "a key is needed"))

    async def visit():
        http = httpx.AsyncClient(transport=httpx.MockTransport(network.later))
        async with AsyncClient("http://there:8000", http=http, retry=QUICK) as ana:
            recorded = await ana.answer("q", "left")
            image = await ana.add_photo("ana", io.BytesIO(b"photo"))
            with pytest.raises(KeyRefused):
                await ana.directions()
            return recorded, image

    recorded, image = asyncio.run(visit())
    assert (recorded.rounds, image.image_id) == (1, "photo-1")
    assert b"photo" in network.seen[2].content


def test_methods_tell_what_they_take():
    ana, _ = client()
    assert list(inspect.signature(ana.answer).parameters) == ["question_id", "choice", "response_seconds", "event_id"]
    assert str(inspect.getdoc(ana.answer)).startswith("Answer a question.")
    assert ana.answer.__name__ == "answer"


def test_importing_the_client_imports_nothing_else_of_ours():
    code = "import sys, beholder.client\nprint(*sorted(name for name in sys.modules))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    ours = {name for name in names if name.startswith("beholder.")}
    assert ours == {name for name in ours if name.startswith("beholder.client")}
    assert {"torch", "numpy", "pandas", "pyarrow", "ray", "PIL", "fastapi", "pydantic"}.isdisjoint(names)
