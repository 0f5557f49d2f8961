"""A helper process: answers one request after the other, crashes alone, and is killed where an answer takes too long.

It is a module that is run and calls `serve`; who asks has a HelperProcess of that module. A request is the length of its head in 4
bytes, the head in JSON with the number of `bytes` that follow, and those; an answer is a line of JSON. The helper's first line
says that it is ready, and it ends where its input ends, so it does not outlive who started it.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

_START_S = 60.0  # seconds that a process has to start


class HelperProcess:
    """A process that runs a module, started when it is needed, and again after it was killed. One thread at a time may ask."""

    def __init__(self, module: str, *words: str) -> None:
        self._words = [sys.executable, "-m", module, *words]
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, head: dict[str, Any], data: bytes, seconds: float) -> dict[str, Any] | None:
        """Return the answer; None where it took longer, or the process ended, and is started anew for the next.

        Raises TimeoutError where the process can't be started.
        """
        process = self.start()
        text = json.dumps({**head, "bytes": len(data)}).encode()
        reply = self._within(process, len(text).to_bytes(4) + text + data, seconds)
        if reply is None:
            self.stop()
        return reply

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process, started where there is none. Raises TimeoutError where it does not start in time."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd="/"
        )
        if self._within(self._process, b"", _START_S) is None:
            self.stop()
            raise TimeoutError(f"{self._words[2]} did not start")
        return self._process

    def stop(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @staticmethod
    def _within(process: subprocess.Popen[bytes], message: bytes, seconds: float) -> dict[str, Any] | None:
        """Return the line that a process answers, None where it has none after so many seconds."""
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(max(seconds, 0.001), process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(message)
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
        try:
            reply: dict[str, Any] = json.loads(line)
        except ValueError:
            return None
        return reply


def serve(answer: Callable[[dict[str, Any], bytes], dict[str, Any]]) -> None:
    """Answer requests, given the head and the bytes of each, until the input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(b"{}\n")
    sink.flush()
    while start := source.read(4):
        head = json.loads(source.read(int.from_bytes(start)))
        reply = answer(head, source.read(head["bytes"]))
        sink.write(json.dumps(reply).encode() + b"\n")
        sink.flush()
