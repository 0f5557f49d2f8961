"""Importing is free: no module of ours does anything when it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Runs in a process of its own: imports each module named on the command line and prints what importing did.
WATCH = """
import importlib, json, logging, os, sys, threading

seen, now = [], None
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
CONNECTS = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto")
STARTS = ("subprocess.Popen", "os.system", "os.fork", "os.exec", "os.posix_spawn")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate")


def watch(event, arguments):
    if now is None:
        return
    if event in CONNECTS or event in STARTS or event in CHANGES:
        seen.append(f"{now}: {event} {arguments[:2]}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES and arguments[0] != os.devnull:
        seen.append(f"{now}: writes {arguments[0]}")


def state():
    root = logging.getLogger()
    return {
        "environment": dict(os.environ),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "handlers on the root logger": list(map(repr, root.handlers)),
        "level of the root logger": root.level,
        "folder": os.getcwd(),
    }


modules = sys.argv[2:]
for name in json.loads(sys.argv[1]):  # other people's packages do what they do; it is not ours
    try:
        importlib.import_module(name)
    except ImportError:
        pass
sys.addaudithook(watch)
for now in modules:
    before = state()
    importlib.import_module(now)
    after = state()
    seen += [f"{now}: changes the {what}" for what in before if before[what] != after[what]]
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        seen.append(f"{now}: starts Ray")
        ray.shutdown()
now = None
print(json.dumps(seen))
"""
# Imported beforehand, because these start threads or set variables of their own.
OTHERS = ("numpy", "pandas", "pyarrow.parquet", "pyarrow.compute", "torch", "ray", "ray.data", "ray.serve", "ray.tune", "psutil")


def deeds(*modules: str, path: Path | None = None, others: tuple[str, ...] = OTHERS) -> list[str]:
    """What importing these modules, in this order, in a fresh process does besides importing."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{path or ''}{os.pathsep}{ROOT / 'platform'}"}
    ran = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(others), *modules], capture_output=True, text=True, timeout=120, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def ours() -> list[str]:
    """Every module of beholder, beholder.jobs and beholder.serve."""
    found = []
    for folder, package in (("platform/beholder", "beholder"), ("jobs", "beholder.jobs"), ("serve", "beholder.serve")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [part for part in path.relative_to(ROOT / folder).with_suffix("").parts if part != "__init__"]
            found.append(".".join((package, *parts)))
    return [name for name in found if not name.endswith("__main__")]


def test_importing_any_module_does_nothing():
    modules = ours()
    assert len(modules) >= 18
    assert deeds(*modules) == []


def test_the_command_line_waits_for_no_heavy_dependency():
    """What `beholder --help` imports before it knows what it is asked."""
    light = ("beholder.cli", "beholder.config", "beholder.storage", "beholder.errors", "beholder.jobs")
    heavy = ("ray", "torch", "open_clip", "PIL", "hydra", "omegaconf", "openpyxl", "rich", "pandas")
    code = "import importlib, sys\nfor n in sys.argv[1:]: importlib.import_module(n)\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code, *light], capture_output=True, text=True, check=True, timeout=60)
    assert set(heavy).isdisjoint(ran.stdout.split())


def test_the_service_in_one_process_does_without_ray():
    code = "import sys, beholder.serve.run, beholder.serve.api, beholder.serve.local_service\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "ray" not in ran.stdout.split()


def test_the_api_and_the_command_that_serves_do_without_torch():
    """It costs a process seconds of a core and hundreds of megabytes; editor, encoder and ranker have it."""
    code = "import sys, beholder.serve.run, beholder.serve.app, beholder.serve.api\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {"torch", "open_clip", "lightgbm"}.isdisjoint(ran.stdout.split())


@pytest.mark.parametrize(
    ("body", "deed"),
    [
        ("open('made.txt', 'w').close()", "writes made.txt"),
        ("open('made.txt', 'a').close()", "writes made.txt"),
        ("import os; os.makedirs('made')", "os.mkdir"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import os; os.system('true')", "os.system"),
        ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))", "socket.connect"),
        ("import socket; socket.getaddrinfo('localhost', 80)", "socket.getaddrinfo"),
        ("import os; os.environ['X'] = '1'", "changes the environment"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()", "changes the threads"),
        ("import logging; logging.basicConfig()", "changes the handlers on the root logger"),
        ("import logging; logging.getLogger().setLevel(10)", "changes the level of the root logger"),
        ("import os; os.chdir('/')", "changes the folder"),
    ],
)
def test_a_deed_is_seen(tmp_path, monkeypatch, body, deed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(body + "\n")
    found = deeds("bad", path=tmp_path, others=())
    assert any(line.startswith("bad: ") and deed in line for line in found), found


def test_reading_is_no_deed(tmp_path):
    (tmp_path / "good.py").write_text("import json, socket, pathlib\npathlib.Path(__file__).read_text()\n")
    assert deeds("good", path=tmp_path, others=()) == []
