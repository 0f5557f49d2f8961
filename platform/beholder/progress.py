"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere (at most one every few seconds)."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


class Progress:
    """A progress display: `with Progress("embed", total=1004, unit="images") as progress: progress.advance(64)`.

    total: how many there are, 0 where nobody knows.
    """

    def __init__(
        self,
        label: str,
        *,
        total: int,
        unit: str = "items",
        stream: TextIO | None = None,
        every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._stream = stream if stream is not None else sys.stderr
        self._every, self._clock = every, clock
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        self._began = self._printed = self._clock()
        self._last = -1
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(file=self._stream))
            self._task = self._bar.add_task(self.label, total=self.total or None, speed="")
            self._bar.start()
        return self

    def advance(self, count: int = 1) -> None:
        self.done += count
        now = self._clock()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, speed=f"{self._speed(now):.1f} {self.unit}/s")
        elif now - self._printed >= self._every:
            self._printed = now
            self._line(now)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._last != self.done:
            self._line(self._clock())

    def _speed(self, now: float) -> float:
        return self.done / max(now - self._began, 1e-9)

    def _line(self, now: float) -> None:
        self._last = self.done
        speed = self._speed(now)
        left = (self.total - self.done) / speed if speed and self.done < self.total else 0
        tail = f", {left:.0f} s left" if left >= 1 else f" in {now - self._began:.1f} s"
        count = f"{self.done}/{self.total}" if self.total else str(self.done)
        print(f"{self.label}: {count} {self.unit}, {speed:.1f}/s{tail}", file=self._stream, flush=True)
