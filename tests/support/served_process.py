"""`beholder serve` in a process of its own, which can be killed and started again at the same port."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

_PATIENCE_S = 300  # for a machine with much else to do


class ServedProcess:
    def __init__(self, folder: Path, *settings: str, local: bool = True) -> None:
        """folder: of its workspace and its log. settings: more words of the command. local: without Ray."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = ["serve", f"local={str(local).lower()}", f"port={self.port}", f"workspace={folder / 'workspace'}", *settings]
        self.command = [sys.executable, "-m", "beholder", *words]
        self.url, self.log = f"http://127.0.0.1:{self.port}/", folder / "log"
        self.local = local
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> bytes:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for _ in range(10 * _PATIENCE_S):
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urlopen(f"{self.url}readyz") as answer:
                    data: bytes = answer.read()
                    return data
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise AssertionError(f"not ready after {_PATIENCE_S} s: {self.log.read_text()}")

    def stop(self) -> None:
        """End it at once; on Ray in peace, so that nothing of it is left."""
        assert self.process is not None
        if self.local:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait()
