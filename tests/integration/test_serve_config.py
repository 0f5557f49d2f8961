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
import yaml  # type: ignore[import-untyped]
from support.ray_head import ray_head

from beholder.serve import ray_compat

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
    given = {"workspace": str(folder / "workspace"), "components.candidates.count": 60, "keys.required": False, **args}
    app: dict[str, object] = {"name": "beholder", "route_prefix": "/", "import_path": "beholder.serve.app:build", "args": given}
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


@pytest.mark.soak
def test_a_config_file_is_served(tmp_path, free):
    port = free()
    with running([SERVE, "run", str(app_file(tmp_path, port))], tmp_path, RAY_ADDRESS="local") as alive:
        wait_for(lambda: ask(port, "/readyz"), alive)
        assert ask(port, "/readyz") == {"editor": True, "encoder": True, "ranker": True}
        assert ask(port, "/v1/questions?user_id=ana&image_id=seed-7")["rounds"] == 0


@pytest.mark.soak
def test_a_config_file_is_deployed_on_a_running_cluster(tmp_path, free):
    port = free()
    patient = "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"  # on a busy machine, Serve kills its proxy before it is up
    with ray_head(num_cpus=2, env={patient: ray_compat.environment({})[patient]}) as head:
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head.token}

        def command(*words: str) -> str:
            words = (SERVE, *words, "--address", head.address)
            ran = subprocess.run(words, timeout=300, env=environment, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr[-3000:]
            return ran.stdout

        command("deploy", str(app_file(tmp_path, port)))
        try:
            wait_for(lambda: ask(port, "/readyz"), lambda: "")
        except AssertionError:
            pytest.fail(command("status"))
        assert ask(port, "/v1/questions?user_id=ana&image_id=seed-7")["rounds"] == 0
        (app,) = yaml.safe_load(command("status"))["applications"].values()
        states = {name: part["status"] for name, part in app["deployments"].items()}
        assert states == dict.fromkeys(("Api", "Editor", "Encoder", "Ranker"), "HEALTHY")
