"""This process: its memory allocator, thread pools, ports, signal handlers and end, and rows mapped over threads."""

import contextlib
import ctypes
import errno
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np
import psutil

from beholder.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
# Environment variables for processes that run networks, which allocate the same large blocks again and again. By default glibc
# returns them to the kernel after each use, and a fifth of the time of drawing goes into allocating them anew.
ALLOCATOR_ENV = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest value that glibc accepts
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
# Environment variables for processes whose networks share the cores with others: idle threads leave their core after some tens of
# microseconds, while OpenBLAS by default keeps polling for work much longer. Not at once: layers follow each other faster than
# that, and waking a thread for each would take longer.
THREAD_ENV = {"GOMP_SPINCOUNT": "20000", "OPENBLAS_THREAD_TIMEOUT": "14"}
_SWITCH_S = 0.0005  # each switch costs some microseconds
_BEHIND = 10  # niceness of threads that let others go first: a ninth of their share of a core


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Have this process keep memory that it frees, as ALLOCATOR_ENV has one that is yet to start; return False without glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another system's library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 32 << 20) and mallopt(_M_TRIM_THRESHOLD, 1 << 30))


def check_port(host: str, port: int) -> None:
    """Raise ConfigError where the port is taken, not allowed, or the host is no address of this machine.

    Ray Serve's proxy would share a taken port, and each listener would get some of the requests.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except PermissionError:
        raise ConfigError(f"port {port} needs root: give a port= of 1024 or above") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is taken: stop what listens there, or give another port=") from None
        raise ConfigError(f"host={host} is no address of this machine: {error.strerror or error}") from None


def own_names() -> list[str]:
    """Return what other machines may call this one: its name, and its addresses of version 4 beyond loopback, two at most."""
    found = [each.address for some in psutil.net_if_addrs().values() for each in some if each.family == socket.AF_INET]
    name = socket.gethostname()
    try:
        named = not socket.gethostbyname(name).startswith("127.")
    except OSError:
        named = False
    return [*([name] if named else []), *[each for each in found if not each.startswith("127.")][:2]]


@contextlib.contextmanager
def keep_handlers(which: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """Restore a signal's handler after a block that may replace it.

    Starting Ray installs a handler that kills the processes of Ray at once, so that nothing in progress would be finished.
    """
    before = signal.getsignal(which)
    try:
        yield
    finally:
        # Only the main thread may set a handler, so none was set elsewhere; None: it was set in C, and can't be set from here.
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(which, before)


def yield_to_others() -> None:
    """Let other threads go before this one, and those that it starts, where both want a core. It does nothing but on Linux."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BEHIND)


def switch_often() -> None:
    """Let a thread that waits for Python's lock have it after 0.5 ms instead of 5.

    Where the thread of an event loop is busy, each computation of another thread waits so long for the lock as often as it gave it
    up, which one question does some hundred times.
    """
    sys.setswitchinterval(_SWITCH_S)


def end(line: str, code: int) -> NoReturn:
    """End this process and all that it started, now, with a line on stderr that says why."""
    print(f"beholder: {line}", file=sys.stderr, flush=True)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    os._exit(code)


@contextlib.contextmanager
def stop_within(seconds: float, what: str) -> Iterator[None]:
    """End this process and all that it started where the block, which stops something, takes longer, or at a second signal to stop.

    The exit code is that of the exception that is on its way where the block begins: 130 of a KeyboardInterrupt, its own of a
    SystemExit, else 1. what: what is being stopped, for the line on stderr that says so. Only the main thread hears signals.
    """
    raised = sys.exception()
    code = 130 if isinstance(raised, KeyboardInterrupt) else raised.code if isinstance(raised, SystemExit) else 1
    code = code if isinstance(code, int) else 1

    timer = threading.Timer(seconds, end, (f"{what} did not stop within {seconds:g} s, and is ended", code))
    timer.daemon = True
    timer.start()
    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {each: signal.getsignal(each) for each in heard}
    try:
        for each in before:
            signal.signal(each, lambda number, _: end(f"{what} is ended before it has stopped", 128 + number))
        yield
    finally:
        timer.cancel()
        for each, handler in before.items():
            signal.signal(each, handler)


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with linear algebra on one thread: over many small matrices several threads wait for each other, the longer
    where others want the cores as well."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits  # settings are checked without it

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return run


class ThreadShare:
    """A pool of as many threads as torch may use, each with torch on one core. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0

    def share(self, work: Callable[[Any], np.ndarray], rows: Any) -> np.ndarray:
        """Map `work` over rows, a sequence or an array, divided among the threads; return an array [N, ...], a row for each.

        The number of threads changes no bit of the result where `work` computes each row by itself: every row is computed by one
        core in any case. Raises what `work` raises.
        """
        import torch

        count = torch.get_num_threads()
        if count == 1 or not len(rows):
            return work(rows)
        share = -(-len(rows) // count)
        parts = [rows[start : start + share] for start in range(0, len(rows), share)]
        return np.concatenate(list(self._pool_of(count).map(work, parts)))

    def _pool_of(self, count: int) -> ThreadPoolExecutor:
        import torch

        with self._lock:
            if self._pool is None or self._count != count:
                self._pool, self._count = ThreadPoolExecutor(count, thread_name_prefix="share"), count
                started = threading.Barrier(count)

                def start(_: int) -> None:
                    torch.get_num_threads()  # reads the value for all threads now, so that it is not read later
                    torch.set_num_threads(1)
                    started.wait()

                list(self._pool.map(start, range(count)))
                torch.set_num_threads(count)  # other threads keep their number
            return self._pool
