"""The same app from a Serve config file, as `serve build` writes it and `serve run` and `serve deploy` read it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

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


def test_a_config_file_is_served(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = {"workspace": str(tmp_path / "workspace"), "parts.candidates.count": 60, "keys.required": False}
    app = {"name": "beholder", "route_prefix": "/", "import_path": "beholder.serve.app:build", "args": args}
    app["deployments"] = [{"name": "Ranker", "num_replicas": 1, "max_queued_requests": 7}]
    http = {"host": "127.0.0.1", "port": port}
    (tmp_path / "app.yaml").write_text(yaml.safe_dump({"proxy_location": "HeadOnly", "http_options": http, "applications": [app]}))
    with (tmp_path / "said.txt").open("w") as out:
        environment = {**os.environ, "RAY_ADDRESS": "local", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([SERVE, "run", "app.yaml"], stdout=out, stderr=out, cwd=tmp_path, env=environment)
    try:
        told = None
        until = time.monotonic() + 240
        while told is None:
            said = (tmp_path / "said.txt").read_text()[-3000:]
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                    told = json.loads(answer.read())
            except OSError:
                continue
        assert told == {"editor": True, "encoder": True, "ranker": True}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/questions?user_id=ana&image_id=seed-7", timeout=30) as answer:
            assert json.loads(answer.read())["rounds"] == 0
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
