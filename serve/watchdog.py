"""Watchdog: whether a service still answers and the parts of Ray that it stands on still run.

Where one of them is lost, Ray leaves a process that answers nobody and does not end; what restarts services (systemd, Docker,
Kubernetes) restarts what ends. A lost replica, controller or proxy comes back by itself (Ray Serve), and is waited for.
"""

import contextlib
import http.client
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import psutil

_SILENT = 4  # times as long is waited for a service that takes connections and does not answer: it may have much to do
_ANSWER_S = 5.0  # seconds that a request to it may take
_PARTS = ("gcs_server", "raylet")  # the processes of Ray that a node can't do without; an agent that ends takes its raylet along


def ray_parts() -> dict[str, psutil.Process]:
    """Return the parts of Ray that this process has started, by name; none where it is connected to another's Ray."""
    children = psutil.Process().children()
    return {name: child for child in children if (name := _name(child)) in _PARTS}


def watch(url: str, parts: Mapping[str, psutil.Process], *, seconds: float, period: float = 1.0) -> str:
    """Wait until the service is lost, and return why, in words.

    url: answers with any status while the service lives. parts: processes that it can't do without, as `ray_parts` returns them.
    seconds: how long connections may be refused; four times that, how long nothing may be answered.
    """
    connected = answered = time.monotonic()
    while True:
        lost = [name for name, part in parts.items() if not _runs(part)]
        if lost:
            return f"{' and '.join(lost)} of Ray ended"
        taken, said = _ask(url, min(_ANSWER_S, seconds))
        now = time.monotonic()
        connected, answered = now if taken else connected, now if said else answered
        if now - connected > seconds:
            return f"nothing listens at {url} for {seconds:g} s"
        if now - answered > _SILENT * seconds:
            return f"nothing answers at {url} for {_SILENT * seconds:g} s"
        time.sleep(period)


def _ask(url: str, timeout: float) -> tuple[bool, bool]:
    """Return whether somebody takes a connection, and answers within so many seconds."""
    there = urlsplit(url)
    connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=timeout)
    try:
        connection.connect()
    except OSError:
        return False, False
    with contextlib.closing(connection):
        try:
            connection.request("GET", there.path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return True, False
        return True, True


def _runs(part: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(part.is_running() and part.status() != psutil.STATUS_ZOMBIE)
    return False


def _name(part: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(part.name())
    return ""
