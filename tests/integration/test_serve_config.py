"""The same app from a Serve config file, as `serve build` writes it and `serve run` and `serve deploy` read it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from beholder.recommending.choices.store import Store

SERVE = str(Path(sys.executable).with_name("serve"))


def test_serve_build_writes_all_parts_with_their_queues(tmp_path):
    subprocess.run(
        [SERVE, "build", "beholder.serve.app:service", "-o", tmp_path / "app.yaml"], check=True, timeout=120, cwd=tmp_path
    )
    (app,) = yaml.safe_load((tmp_path / "app.yaml").read_text())["applications"]
    assert app["import_path"] == "beholder.serve.app:service"
    parts = {part["name"]: part for part in app["deployments"]}
    assert set(parts) == {"Api", "Editor", "Encoder", "Ranker"}
    assert all(part["max_queued_requests"] >= 1 for part in parts.values())


@pytest.fixture
def free() -> Callable[[], int]:
    """Gives ports that nobody listens at."""

    def find() -> int:
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            return door.getsockname()[1]

    return find


def app_file(folder: Path, port: int, **args: object) -> Path:
    """A config file of the app, in which one queue is shorter than it comes."""
    given = {"workspace": str(folder / "workspace"), "parts.candidates.count": 60, "keys.required": False, **args}
    app = {"name": "beholder", "route_prefix": "/", "import_path": "beholder.serve.app:build", "args": given}
    app["deployments"] = [{"name": "Ranker", "num_replicas": 1, "max_queued_requests": 7}]
    http = {"host": "127.0.0.1", "port": port}
    path = folder / "app.yaml"
    path.write_text(yaml.safe_dump({"proxy_location": "HeadOnly", "http_options": http, "applications": [app]}))
    return path


@contextlib.contextmanager
def running(words: list[str], folder: Path, **env: str) -> Iterator[Callable[[], str]]:
    """Inside, a command of Ray's runs; gives what it said last, and fails where it stopped."""
    said = folder / "said.txt"
    with said.open("w") as out:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
        process = subprocess.Popen(words, stdout=out, stderr=out, cwd=folder, env=environment, start_new_session=True)

    def alive() -> str:
        assert process.poll() is None, said.read_text()[-3000:]
        return said.read_text()[-3000:]

    try:
        yield alive
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def ask(port: int, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def wait_for(ready: Callable[[], object], alive: Callable[[], str]) -> None:
    until = time.monotonic() + 240
    while True:
        said = alive()
        with contextlib.suppress(OSError):
            ready()
            return
        assert time.monotonic() < until, said
        time.sleep(0.5)


def test_a_config_file_is_served(tmp_path, free):
    port = free()
    with running([SERVE, "run", str(app_file(tmp_path, port))], tmp_path, RAY_ADDRESS="local") as alive:
        wait_for(lambda: ask(port, "/readyz"), alive)
        assert ask(port, "/readyz") == {"editor": True, "encoder": True, "ranker": True}
        assert ask(port, "/v1/questions?user_id=ana&image_id=seed-7")["rounds"] == 0


def test_a_config_file_is_deployed_to_a_cluster_that_keeps_choices_in_postgresql(tmp_path, free, empty):
    """And is deployed anew with other settings, while what was chosen stays."""
    port, head, dashboard = free(), free(), free()
    ray = [str(Path(SERVE).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--port={head}"]
    ray += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--disable-usage-stats"]
    proxies = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "beholder.serve.porch:porch", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    proxies |= {"RAY_SERVE_ENABLE_DIRECT_INGRESS": "0", "RAY_SERVE_PROXY_USE_GRPC": "1"}
    no_token = {"RAY_AUTH_MODE": "disabled"}  # nobody else reaches this one

    def deploy(**args: object) -> None:
        words = [SERVE, "deploy", str(app_file(tmp_path, port, choices=empty, **args)), "-a", f"http://127.0.0.1:{dashboard}"]
        subprocess.run(words, check=True, timeout=120, cwd=tmp_path, env={**os.environ, **no_token})

    def recommended(count: int) -> None:
        told = ask(port, "/v1/recommendations", {"user_id": "ana", "image_id": "seed-7", "count": 16})
        if len(told["recommendations"]) != count:
            raise OSError(f"it still serves {len(told['recommendations'])}")

    with running(ray, tmp_path, **proxies, **no_token) as alive:
        wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{dashboard}/api/version", timeout=5).close(), alive)
        deploy(**{"parts.recommend.exact": 3})
        wait_for(lambda: ask(port, "/readyz"), alive)
        for number in range(1, 3):
            question = ask(port, "/v1/questions?user_id=ana&image_id=seed-7")
            sent = {"event_id": f"e{number}", "question_id": question["question_id"], "choice": "left"}
            assert ask(port, "/v1/choices", sent)["rounds"] == number
        recommended(3)
        deploy(**{"parts.recommend.exact": 2})
        wait_for(lambda: recommended(2), alive)
        assert ask(port, "/v1/users/ana")["rounds"] == 2
    store = Store(empty)
    assert [choice.answer.event_id for choice in store.choices("ana")] == ["e1", "e2"]
    store.close()
