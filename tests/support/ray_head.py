"""A Ray head as `ray start` makes it, with a dashboard, a token and a folder of its own, beside whatever Ray runs already."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RayHead:
    """Where a head's dashboard is, its token, and what `ray.address=` takes."""

    address: str
    token: str
    ray_address: str


@contextlib.contextmanager
def ray_head(*, num_cpus: int = 2, package: bool = True, env: dict[str, str] | None = None) -> Iterator[RayHead]:
    """Start a head for the length of the block.

    package: whether its Python has the project; without it, it has every library of this Python and nothing of ours.
    """
    # Not pytest's folder: the path of a socket in it has to be short.
    with tempfile.TemporaryDirectory(prefix="head-", ignore_cleanup_errors=True) as name:
        folder, token = Path(name), secrets.token_hex(32)
        with socket.socket() as door, socket.socket() as other:
            door.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            port, gcs = door.getsockname()[1], other.getsockname()[1]
        python = Path(sys.executable) if package else _bare_python(folder)
        environment = {
            **os.environ,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            "OMP_NUM_THREADS": "1",
            **({} if package else {"PYTHONPATH": str(folder / "site")}),
            **(env or {}),
        }
        environment.pop("RAY_ADDRESS", None)
        fixed = "-m ray.scripts.scripts start --head --block --dashboard-agent-listen-port=0 --node-ip-address=127.0.0.1"
        words = [*fixed.split(), f"--temp-dir={folder}", f"--port={gcs}", f"--dashboard-port={port}", f"--num-cpus={num_cpus}"]
        with (folder / "head.txt").open("w") as out:
            process = subprocess.Popen(
                [python, *words], stdout=out, stderr=out, cwd=folder, env=environment, start_new_session=True
            )
        try:
            head = RayHead(f"http://127.0.0.1:{port}", token, f"127.0.0.1:{gcs}")
            _wait(head, process, folder / "head.txt")
            yield head
        finally:
            process.send_signal(signal.SIGTERM)  # `ray start --block` ends what it started
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _bare_python(folder: Path) -> Path:
    """Make a Python in the folder that finds every library of this one in folder/site, through PYTHONPATH, and nothing of ours."""
    (folder / "bin").mkdir()
    (folder / "site").mkdir()
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("beholder", "__editable__")) and path.suffix != ".pth":
            (folder / "site" / path.name).symlink_to(path)
    return python


def _wait(head: RayHead, process: subprocess.Popen, log: Path) -> None:
    """Wait until the dashboard answers."""
    request = urllib.request.Request(f"{head.address}/api/version", headers={"Authorization": f"Bearer {head.token}"})
    until = time.monotonic() + 90
    while True:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except OSError:
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.2)
