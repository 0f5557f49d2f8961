"""A command in a process group of its own, killed with everything that it started."""

import contextlib
import os
import signal
import subprocess
import time

import psutil


def kill_group(process: subprocess.Popen) -> None:
    """Kill a process that leads its group and all that it started, Ray's workers too, which have groups of their own.

    When this returns, none of them lives any more.
    """
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    for each in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while living := list(filter(_lives, started)):
        assert time.monotonic() < deadline, f"killed a minute ago, and still there: {living}"
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    """A zombie doesn't: nobody has asked how it ended, but it does nothing any more."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
