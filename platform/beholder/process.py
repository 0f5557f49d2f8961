"""This process: its memory, its ports, who handles its signals, and work divided among its threads."""

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from beholder.errors import ConfigError

# Environment variables of a process that runs networks, which ask for the same large blocks again and again. Left to itself glibc
# gives them back to the kernel after each use, and a fifth of the time of drawing goes into getting them anew.
KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


def check_port(host: str, port: int) -> None:
    """Raise ConfigError where something listens at a port of this machine already.

    Ray Serve's proxy would share the port with it, and each would get some of the requests.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((host, port))
    except PermissionError:
        raise ConfigError(f"port {port} is not for this user: give a port= of 1024 or above") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is taken: stop what listens there, or give another port=") from None
        raise ConfigError(f"host={host} is no address of this machine: {error.strerror or error}") from None


@contextlib.contextmanager
def keep_handlers(which: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """What is called inside may put a handler of its own in place; afterwards the one from before handles the signal again.

    Starting Ray installs one that kills the processes of Ray at once: nothing that we have in hand would be finished.
    """
    before = signal.getsignal(which)
    try:
        yield
    finally:
        # Only the main thread may set a handler, so none was set elsewhere; None: it was set in C, and can't be set from here.
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(which, before)


# Environment variables of a process whose networks share the cores with others: threads that have nothing to do leave them after
# some tens of microseconds, while OpenBLAS, left to itself, keeps looking for work much longer. Not at once, as layers follow each
# other faster than that, and waking up for each would take longer.
BRIEF = {"GOMP_SPINCOUNT": "20000", "OPENBLAS_THREAD_TIMEOUT": "14"}


class ThreadShare:
    """As many as torch may use where they are asked for, each with torch on one core. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0

    def share(self, work: Callable[[Any], np.ndarray], rows: Any) -> np.ndarray:
        """What `work` makes of rows, a sequence or an array, divided among the threads: a row for each, [N, ...] in their order.

        How many threads there are changes no bit of it where `work` makes each row by itself: one core computes it, also where it
        is the only one. Raises what `work` raises.
        """
        import torch

        count = torch.get_num_threads()
        if count == 1 or not len(rows):
            return work(rows)
        share = -(-len(rows) // count)
        parts = [rows[start : start + share] for start in range(0, len(rows), share)]
        return np.concatenate(list(self._hired(count).map(work, parts)))

    def _hired(self, count: int) -> ThreadPoolExecutor:
        import torch

        with self._lock:
            if self._pool is None or self._count != count:
                self._pool, self._count = ThreadPoolExecutor(count, thread_name_prefix="share"), count
                hired = threading.Barrier(count)

                def hire(_: int) -> None:
                    torch.get_num_threads()  # takes what is set for all threads now, so that it is not taken later
                    torch.set_num_threads(1)
                    hired.wait()

                list(self._pool.map(hire, range(count)))
                torch.set_num_threads(count)  # for all other threads it stays as it was
            return self._pool
