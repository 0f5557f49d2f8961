"""`beholder bench abuse`: what others notice while one client abuses the service: how long they wait, and how many are refused.

The service is `beholder serve local=true`, a process of its own, with a key for who abuses it and one for everybody else. Others
ask, look and answer as the page does, first alone, then beside each abuse, which is a process of its own, too, so that no thread
whose time is taken waits for Python's lock behind those that send as fast as they can.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import process
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log

_READY_S = 300.0  # for the server to start, on a machine with much else to do
_WARM_S = 3.0  # of visits that are not counted, before the first that are
_PEOPLE = 2  # others, at the same time
_PROCESSES = get_context("spawn")


@dataclass(frozen=True)
class BenchAbuseSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench abuse",
        "beholder bench abuse seconds=30 connections=60",
    )
    seconds: float = setting(12.0, "seconds of each abuse")
    connections: int = setting(130, "connections of an abuse that holds them open")
    threads: int = setting(16, "requests of an abuse at the same time")
    abuses: list[str] = setting([], "which abuses; empty: all of them")
    port: int = setting(8241, "port of this machine for the service")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs; the service's is kept elsewhere")

    def __post_init__(self) -> None:
        if self.seconds <= 0 or min(self.connections, self.threads) < 1:
            raise ConfigError("seconds must be above 0, connections and threads at least 1")
        if unknown := [name for name in self.abuses if name not in ABUSES]:
            raise ConfigError(f"abuses={unknown}: expected some of {', '.join(ABUSES)}")


@dataclass
class Visits:
    """What requests were answered, and how soon in seconds."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def p99(self) -> float:
        """Return the 99th percentile of the seconds; not a number where nothing was answered."""
        return float(np.percentile(self.seconds, 99)) if self.seconds else float("nan")

    def refused(self) -> float:
        """Return the share that was answered 503, or not at all."""
        return (self.statuses[503] + self.statuses[0]) / max(1, self.statuses.total())


@dataclass(frozen=True)
class Target:
    """The service, for who abuses it and for others."""

    port: int
    key: str

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, visits: Visits | None = None) -> Any:
        """Send a request; return its JSON, None where there is none. key: instead of one's own."""
        began, status, data = time.monotonic(), 0, b""
        headers = {"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json", "Accept": "*/*"}
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
            connection.close()
        if visits is not None:
            visits.seconds.append(time.monotonic() - began)
            visits.statuses[status] += 1
        return json.loads(data) if data[:1] == b"{" else None


def main(settings: BenchAbuseSettings, run: Run) -> None:
    process.check_port("127.0.0.1", settings.port)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="beholder-abuse-") as scratch:
        keys = [_key(name, scratch) for name in ("abuser", "others")]
        server = _start(settings.port, scratch)
        try:
            abuser, others = (Target(settings.port, key) for key in keys)
            _visit(others, _WARM_S)
            alone = _visit(others, settings.seconds)
            for name in settings.abuses or ABUSES:
                rows.append(_beside(name, ABUSES[name], abuser, others, settings, alone))
                log.info("%s", rows[-1])
        finally:
            server.terminate()
            server.wait(60)
    frame = pd.DataFrame(rows)
    run.results(frame)
    run.metrics(
        {"alone.p99_ms": 1000 * alone.p99()}
        | {f"{row['abuse'].replace(' ', '_')}.{name}": row[name] for row in rows for name in ("p99_ms", "times_alone", "refused")}
    )
    shown = frame.round({"p99_ms": 0, "times_alone": 1, "refused": 4})
    table = "\n".join(markdown_table(list(shown.columns), shown.itertuples(index=False)))
    run.summary(f"# Others beside an abuse\n\nAlone, p99 is {1000 * alone.p99():.0f} ms.\n\n{table}\n")
    print(f"alone: p99 {1000 * alone.p99():.0f} ms of {len(alone.seconds)} requests\n{table}")


def _beside(
    name: str,
    abuse: "Abuse",
    abuser: Target,
    others: Target,
    settings: BenchAbuseSettings,
    alone: Visits,
) -> dict[str, Any]:
    """Return what others noticed beside an abuse, and what became of it."""
    ours, theirs = _PROCESSES.Pipe()
    process_of_abuser = _PROCESSES.Process(target=_abuse, args=(abuse, abuser, settings, theirs), daemon=True)
    process_of_abuser.start()
    try:
        if not ours.poll(_READY_S):
            raise BeholderError(f"{name} did not begin within {_READY_S:.0f} s")
        ours.recv()
        time.sleep(0.5)
        visits = _visit(others, settings.seconds)
        ours.send("over")
        done: Visits = ours.recv() if ours.poll(90) else Visits()
    finally:
        process_of_abuser.kill()
    return {
        "abuse": name,
        "requests": visits.statuses.total(),
        "p99_ms": 1000 * visits.p99(),
        "times_alone": visits.p99() / alone.p99(),
        "refused": visits.refused(),
        "abuser": " ".join(f"{status or 'cut off'}:{count}" for status, count in sorted(done.statuses.items())),
    }


def _abuse(abuse: "Abuse", target: Target, settings: BenchAbuseSettings, pipe: Connection) -> None:
    """Abuse the service, in a process of its own: say when it begins, end when told to, and say what it was answered."""
    over, done = threading.Event(), Visits()
    thread = threading.Thread(target=abuse, args=(target, settings, over, done), daemon=True)
    pipe.send("begins")
    thread.start()
    pipe.recv()
    over.set()
    thread.join(80)
    pipe.send(done)


def _visit(target: Target, seconds: float) -> Visits:
    """Ask, look and answer for so long, several people at a time."""
    visits, until = Visits(), time.monotonic() + seconds

    def live(number: int) -> None:
        person = f"visitor-{time.time_ns()}-{number}"
        turn = 0
        while time.monotonic() < until:
            asked = target.send("POST", "/v1/questions", {"user_id": person, "image_id": "seed-7"}, visits=visits)
            if asked is not None and "left" in asked:
                target.send("GET", asked["left"]["picture"], visits=visits)
                body = {"event_id": f"e{turn}", "question_id": asked["question_id"], "choice": "left"}
                target.send("POST", "/v1/choices", body, visits=visits)
            turn += 1
            time.sleep(0.1)

    _together(_PEOPLE, live)
    return visits


Abuse = Callable[[Target, BenchAbuseSettings, threading.Event, Visits], None]


def slow_bodies(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Send a byte of a body now and then, on many connections."""
    head = f"POST /v1/choices HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nAuthorization: Bearer {target.key}\r\n"
    _hold(target, settings, over, done, f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())


def slow_heads(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Send a byte of a head now and then, on many connections."""
    _hold(target, settings, over, done, f"GET /v1/directions HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nX-a: ".encode())


def wrong_keys(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Guess keys."""
    _flood(settings, over, lambda: target.send("GET", "/v1/directions", key=_guess(), visits=done))


def readiness(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Ask whether the service is ready, all the time."""
    _flood(settings, over, lambda: target.send("GET", "/readyz", visits=done))


def claimed_photos(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Upload a few bytes that claim millions of pixels."""
    body = {"user_id": "abuser", "image": b64encode(claimed_gif(6000, 6000)).decode()}
    _flood(settings, over, lambda: target.send("POST", "/v1/images", body, visits=done))


def many_photos(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Upload photos in which there is no face, one for each of many people."""
    image = b64encode(flat_png(1500, 1500, bits=8)).decode()
    _flood(
        settings, over, lambda: target.send("POST", "/v1/images", {"user_id": f"a{time.time_ns()}", "image": image}, visits=done)
    )


def large_predictions(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Have 16 pictures of 40 million pixels with 16 bits scored, two requests at a time."""
    image = b64encode(flat_png(6324, 6324, bits=16)).decode()
    body = {"user_id": "abuser", "question": "a happy face", "images": [image] * 16}
    _flood(settings, over, lambda: target.send("POST", "/v1/predictions", body, visits=done), threads=2)


def questions(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits) -> None:
    """Ask for questions in the name of ever new people."""

    def ask() -> None:
        body = {"image_id": "seed-7", "user_id": f"q{time.time_ns()}"}
        target.send("POST", "/v1/questions", body, visits=done)

    _flood(settings, over, ask, threads=2)


ABUSES: dict[str, Abuse] = {
    "slow bodies": slow_bodies,
    "slow heads": slow_heads,
    "wrong keys": wrong_keys,
    "readiness": readiness,
    "claimed photos": claimed_photos,
    "many photos": many_photos,
    "large predictions": large_predictions,
    "questions": questions,
}


def claimed_gif(width: int, height: int) -> bytes:
    """Return a GIF of one pixel whose screen is as large as it says."""
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"GIF89a" + screen + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def flat_png(width: int, height: int, *, bits: int) -> bytes:
    """Return a grey PNG of one value, with 8 or 16 bits a pixel."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(1 + width * bits // 8)) for _ in range(height)] + [packer.flush()]
    head = width.to_bytes(4) + height.to_bytes(4) + bytes([bits, 0, 0, 0, 0])
    chunks = ((b"IHDR", head), (b"IDAT", b"".join(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks
    )


def _hold(target: Target, settings: BenchAbuseSettings, over: threading.Event, done: Visits, begin: bytes) -> None:
    """Open connections that begin so, send a byte on each every other second, and open another where one was closed."""
    connections: list[socket.socket] = []
    while not over.wait(2.0 if connections else 0.0):
        for connection in list(connections):
            try:
                connection.sendall(b"a")
            except OSError:
                connections.remove(connection)
                done.statuses[0] += 1
        while len(connections) < settings.connections:
            connection = socket.create_connection(("127.0.0.1", target.port), timeout=5)
            connection.sendall(begin)
            connections.append(connection)
    for connection in connections:
        connection.close()


def _flood(settings: BenchAbuseSettings, over: threading.Event, send: Callable[[], Any], *, threads: int | None = None) -> None:
    def go(_: int) -> None:
        while not over.is_set():
            send()

    _together(threads or settings.threads, go)


def _together(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _guess() -> str:
    return f"beholder_{os.urandom(6).hex()}_{os.urandom(32).hex()}"


def _words(*words: str) -> list[str]:
    return [sys.executable, "-m", "beholder", *words]


def _key(name: str, scratch: str) -> str:
    said = subprocess.run(_words("keys", f"make={name}", f"workspace={scratch}/served"), capture_output=True, text=True)
    if said.returncode:
        raise BeholderError(f"no key could be made: {said.stderr.strip()[:300]}")
    return said.stdout.split()[0]


def _start(port: int, scratch: str) -> subprocess.Popen[bytes]:
    words = _words("serve", "local=true", "keys.required=true", f"port={port}", f"workspace={scratch}/served")
    with (Path(scratch) / "log").open("wb") as out:
        server = subprocess.Popen(words, stdout=out, stderr=out)
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return server
        time.sleep(0.5)
    server.kill()
    raise BeholderError(f"the service did not start: {(Path(scratch) / 'log').read_text()[-300:]}")
