"""Batches that fit into a device's memory: as large as it holds, and halved where it turns out to be short."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from beholder.errors import TasteError
from beholder.runs import log

T = TypeVar("T")
_USED = 0.8  # of a device's memory: an allocator leaves gaps, and batches differ
_SMALL = 32  # rows of the smaller of the two batches whose memory is measured


class SharedWorkTooLargeError(TasteError):
    """Work of which other processes do a share at the same time does not fit into this one's memory; all have to halve theirs."""


class BatchLimit:
    """How many rows go through a device at once.

    Where memory is short, work is done again in parts of half the size, and stays at that size: it is halved seldom and said once
    each time.
    """

    def __init__(self, most: int, *, name: str, shared: bool = False):
        """most: rows at once, to begin with. name: of the work, for messages. shared: whether other processes wait for each
        step, so that this one can't make more of them than they do: it raises SharedWorkTooLargeError instead."""
        self.most, self._name, self._shared = max(most, 1), name, shared

    def parts(self, rows: np.ndarray, *, longest: int = 0) -> list[np.ndarray]:
        """Return rows in parts of nearly equal length, none longer than the limit. longest: of the rows of all who share the work,
        who then have as many parts each."""
        return np.array_split(rows, max(-(-max(len(rows), longest) // self.most), 1))

    def run(self, rows: np.ndarray, work: Callable[[list[np.ndarray]], T], *, longest: int = 0) -> T:
        """Return what `work` makes of the parts of some rows; it is begun anew in smaller parts where memory is short.

        longest: as for `parts`. Raises TasteError where a single row does not fit.
        """
        while True:
            try:
                return work(self.parts(rows, longest=longest))
            except torch.OutOfMemoryError as error:
                reason = str(error).splitlines()[0]
            self._halve(len(rows), reason)  # outside, so that the error holds no tensors any more

    def each(self, rows: np.ndarray, work: Callable[[np.ndarray], T]) -> list[T]:
        """Return what `work` makes of each part, in order; where memory is short, that part and those behind it are halved."""
        results: list[T] = []
        start = 0
        while start < len(rows):
            part = rows[start : start + self.most]
            try:
                results.append(work(part))
                start += len(part)
                continue
            except torch.OutOfMemoryError as error:
                reason = str(error).splitlines()[0]
            self._halve(len(part), reason)
        return results

    def _halve(self, count: int, reason: str) -> None:
        tried = min(self.most, count)
        short = f"{self._name}: the GPU's memory does not hold {tried} at once ({reason}); take"
        if self._shared and tried > 2:
            raise SharedWorkTooLargeError(f"{short} a smaller fit.batch")
        if self._shared or tried <= 1:
            raise TasteError(f"{short} a smaller encoder or another device")
        self.most = -(-tried // 2)
        torch.cuda.empty_cache()  # does nothing where there is no GPU
        log.warning("%s: %d at once are too many for the GPU's memory; going on with %d", self._name, tried, self.most)


def largest_batch(peak: Callable[[int], int], *, memory: int, most: int) -> int:
    """Return how many rows a device's memory holds, in 1..most.

    peak: the most bytes that a batch of so many rows has allocated at a time, as measured. It grows by the same number of bytes for
    each row, so two measurements tell that number; memory: bytes that there are.
    """
    if most <= 2 * _SMALL:
        return max(most, 1)
    small, large = peak(_SMALL), peak(2 * _SMALL)
    each = max((large - small) / _SMALL, 1.0)
    room = (_USED * memory - (small - each * _SMALL)) / each
    return int(min(max(room, 1), most))
