"""Threads: work on many pictures divided so that each thread computes some of them by itself.

The parts of a small picture are too small to be divided: cores that compute one together wait for each other most of the time, and
all of them for the one that is busy elsewhere.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

# Environment variables of a process whose networks share the cores with others: threads that have nothing to do leave them after
# some tens of microseconds, while OpenBLAS, left to itself, keeps looking for work much longer. Not at once, as layers follow each
# other faster than that, and waking up for each would take longer.
BRIEF = {"GOMP_SPINCOUNT": "20000", "OPENBLAS_THREAD_TIMEOUT": "14"}


class Threads:
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
