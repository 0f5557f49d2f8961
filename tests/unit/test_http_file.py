"""http_file: files from a web server that fails as web servers do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from beholder import http_file, images
from beholder.errors import ImageError, StorageError
from beholder.images import ImageLimits


class _Handler(BaseHTTPRequestHandler):
    failures: dict[str, int]

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        left = self.failures.get(name, 0)
        self.failures[name] = left - 1
        if name == "gone.jpg":
            self.send_error(404, "Not Found")
        elif left > 0:
            self.send_response(503, "Busy")
            self.send_header("Retry-After", "3")
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", "9" if name == "cut.jpg" else "5")
            self.end_headers()
            self.wfile.write(b"bytes")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, int]]]:
    """The address of a server, and how often each file fails before it comes."""
    failures: dict[str, int] = {}
    listener = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"failures": failures}))
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_port}", failures
    listener.shutdown()
    listener.server_close()


def test_a_file(server):
    address, _ = server
    assert http_file.read(f"{address}/a.jpg", max_bytes=5) == images.read(f"{address}/a.jpg") == b"bytes"


def test_a_server_that_is_busy_is_asked_again(server):
    address, failures = server
    failures["a.jpg"] = 2
    waits: list[float] = []
    assert http_file.read(f"{address}/a.jpg", max_bytes=5, sleep=waits.append) == b"bytes"
    assert waits == [3.0, 3.0]


def test_but_not_for_ever(server):
    address, failures = server
    failures["a.jpg"] = 99
    with pytest.raises(StorageError, match="tried 3 times: 503 Busy"):
        http_file.read(f"{address}/a.jpg", max_bytes=5, attempts=3, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("name", "limit", "reason"),
    [("gone.jpg", 5, "404 Not Found"), ("a.jpg", 4, "more than the 4 bytes"), ("cut.jpg", 99, "ended after 5 of 9 bytes")],
)
def test_what_is_refused(server, name, limit, reason):
    with pytest.raises(StorageError, match=reason):
        http_file.read(f"{server[0]}/{name}", max_bytes=limit, sleep=lambda _: None)


def test_nobody_there():
    (error,) = images.read_many(["http://127.0.0.1:9/a.jpg"])
    assert isinstance(error, ImageError)
    assert "refused" in str(error)


def test_no_name_leads_to_a_private_network(server):
    address, _ = server
    limits = ImageLimits(roots=[])
    for url in (f"{address}/a.jpg", f"{address.replace('127.0.0.1', 'localhost')}/a.jpg"):
        with pytest.raises(ImageError, match=r"leads to (127.0.0.1|::1), an address of a private network"):
            images.read(url, limits=limits)
    assert images.read(f"{address}/a.jpg", limits=ImageLimits(roots=[address])) == b"bytes"
    assert images.read(f"{address}/a.jpg", limits=ImageLimits()) == b"bytes"
