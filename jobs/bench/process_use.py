"""What a process and those below it use: memory and processor time, looked at twice a second while it runs."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from beholder.errors import BeholderError

_MIB = 2**20
_LOOK_S = 0.5


@dataclass
class ProcessUse:
    """What a process and those below it have used. driver_mib: the most memory of the process itself; all_mib: of all at one time
    (shared memory counted once); cpu: seconds of processor time of all."""

    driver_mib: float = 0.0
    all_mib: float = 0.0
    cpu: float = 0.0


@contextlib.contextmanager
def watched(pid: int) -> Iterator[ProcessUse]:
    """Note what a process uses for the length of the block, which waits for its end."""
    use, ended = ProcessUse(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(pid, use, ended), daemon=True)
    watcher.start()
    try:
        yield use
    finally:
        ended.set()
        watcher.join()


def used_by(words: Sequence[str]) -> ProcessUse:
    """Run a command as a process of its own, and return what it and those below it used. Raises BeholderError where it fails."""
    command = [sys.executable, "-m", "beholder", *words]
    with subprocess.Popen(command, stdout=sys.stderr, env=dict(os.environ)) as process, watched(process.pid) as use:
        code = process.wait()
    if code:
        raise BeholderError(f"beholder {' '.join(words)} ended with {code}")
    return use


def _watch(pid: int, use: ProcessUse, ended: threading.Event) -> None:
    spent: dict[tuple[int, float], float] = {}
    while not ended.wait(_LOOK_S):
        try:
            driver = psutil.Process(pid)
            together = 0.0
            for each in (driver, *driver.children(recursive=True)):
                try:
                    times, memory = each.cpu_times(), each.memory_full_info()
                    spent[each.pid, each.create_time()] = times.user + times.system
                except psutil.Error:
                    continue  # it ended while we looked
                together += memory.pss / _MIB
            use.driver_mib = max(use.driver_mib, _most_resident_mib(pid))
            use.all_mib, use.cpu = max(use.all_mib, together), sum(spent.values())
        except psutil.Error:
            continue


def _most_resident_mib(pid: int) -> float:
    """Return the largest resident memory that a process has had so far, as Linux keeps it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
