"""The epochs of a fit that runs in a task, followed from the command that waits for it."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from beholder.jobs import _placement
from beholder.progress import Progress


class EpochLog:
    """An actor that keeps how many epochs are done, of how many, and the figures of each."""

    def __init__(self) -> None:
        self._epoch, self._epochs = 0, 0
        self._figures: list[dict[str, float]] = []

    def write(self, epoch: int, epochs: int, figures: dict[str, float] | None = None) -> None:
        self._epoch, self._epochs = epoch, epochs
        if figures:
            self._figures.append(figures)

    def read(self) -> tuple[int, int]:
        return self._epoch, self._epochs

    def figures(self) -> list[dict[str, float]]:
        return self._figures


@contextlib.contextmanager
def follow(label: str) -> Iterator[Any]:
    """Show what is written to the EpochLog that this gives, for the length of the block."""
    epochs, ended = _placement.start(EpochLog, num_cpus=0), threading.Event()

    def watch() -> None:
        last = False
        while not last:
            last = ended.wait(1.0)
            with contextlib.suppress(RayError):  # a Ray that is going down has nothing more to report
                epoch, progress.total = ray.get(epochs.read.remote())
                if epoch > progress.done:
                    progress.advance(epoch - progress.done)

    with Progress(label, total=0, unit="epochs") as progress:
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield epochs
        finally:
            ended.set()
            thread.join()
