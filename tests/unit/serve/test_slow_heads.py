"""Heads that come slowly or are too large, on a socket."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from beholder.serve.security.slow_heads import PromptHeadProtocol


class Hasty(PromptHeadProtocol):
    head_seconds = 0.5


async def app(scope, receive, send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, lifespan="off", log_level="critical", timeout_keep_alive=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def closed_after(port: int, first: bytes, more: bytes = b"", every: float = 0.1) -> tuple[float, bytes]:
    """Send bytes one after the other until the connection is closed; return the seconds that it was open, and what came."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(every)
        began, heard = time.monotonic(), b""
        connection.sendall(first)
        while time.monotonic() - began < 4:
            try:
                if more:
                    connection.sendall(more)
                data = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            heard += data
        return time.monotonic() - began, heard


HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX-a: "


@pytest.mark.parametrize(("first", "more"), [(b"", b""), (b"G", b""), (HEAD, b""), (HEAD, b"a")])
def test_a_head_that_does_not_end_is_given_up(port, first, more):
    seconds, heard = closed_after(port, first, more)
    assert 0.3 < seconds < 2
    assert heard in (b"", b"Invalid HTTP request received.") or heard.startswith(b"HTTP/1.1 400")


def test_a_head_without_end_is_too_large(port):
    seconds, heard = closed_after(port, b"GET / HTTP/1.1\r\nHost: h\r\n", b"X-a: " + b"b" * 16_000 + b"\r\n", every=0.02)
    assert seconds < 2
    assert heard.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) or heard == b""  # the answer may be lost with what was unread


def test_requests_on_one_connection_go_on(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            heard = b""
            while not heard.endswith(b"ok"):
                heard += connection.recv(4096)
            time.sleep(0.7)  # longer than a head may take
