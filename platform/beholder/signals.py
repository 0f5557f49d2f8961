"""Signals: who handles them, whatever libraries do."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def kept(which: signal.Signals = signal.SIGTERM) -> Iterator[None]:
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
