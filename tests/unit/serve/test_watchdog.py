"""The watchdog says when a service is lost, and never before."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

from beholder.serve import watchdog


class Busy(BaseHTTPRequestHandler):
    """Refuses everything, which a service that lives may do."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def child() -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def _start(port: int = 0) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", port), Busy)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def _stop(server: HTTPServer) -> None:
    server.shutdown()
    server.server_close()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/healthz"


def test_a_part_that_ends_is_noticed_while_all_is_answered(child: psutil.Process) -> None:
    server = _start()
    timer = threading.Timer(0.2, child.kill)
    timer.start()
    assert watchdog.watch(_url(server.server_port), {"raylet": child}, seconds=60, period=0.02) == "raylet of Ray ended"
    timer.join()
    _stop(server)


def test_a_service_that_comes_back_in_time_is_waited_for_and_one_that_does_not_is_lost() -> None:
    server = _start()
    port = server.server_port
    away, back = threading.Event(), threading.Event()

    def leave_and_return() -> None:
        _stop(server)
        away.wait(0.5)
        again = _start(port)
        back.set()
        away.wait(1.5)
        _stop(again)

    thread = threading.Timer(0.2, leave_and_return)
    thread.start()
    reason = watchdog.watch(_url(port), {}, seconds=1, period=0.02)
    assert back.is_set()  # the first half second was not enough
    assert reason == f"nothing listens at {_url(port)} for 1 s"
    thread.join()


def test_who_takes_connections_and_says_nothing_has_four_times_as_long() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        port = silent.getsockname()[1]
        assert watchdog.watch(_url(port), {}, seconds=0.2, period=0.02) == f"nothing answers at {_url(port)} for 0.8 s"


def test_parts_are_those_that_this_process_has_started(child: psutil.Process) -> None:
    assert watchdog.ray_parts() == {}  # a Python is none
