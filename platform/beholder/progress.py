"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere (one every few seconds), and signs of life."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

_MOMENT = 1e-3  # seconds: what comes within them is one result
_TELLING = 0.25  # share of the whole that a first result has to be, to tell how long the others take


class Progress:
    """A progress display: `with Progress("embed", total=1004, unit="images") as progress: progress.advance(64)`.

    total: how many there are, 0 where nobody knows. every: seconds between lines, at least; silence: seconds after which there is a
    line although nothing more is done.
    """

    def __init__(
        self,
        label: str,
        *,
        total: int,
        unit: str = "items",
        stream: TextIO | None = None,
        every: float = 5.0,
        silence: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._silence, self._over, self._lock = silence, threading.Event(), threading.Lock()
        self._stream = stream if stream is not None else sys.stderr
        self._every, self._clock = every, clock
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        self._began = self._printed = self._clock()
        self._last = -1
        self._estimate = TimeLeft(self._began)
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TextColumn("{task.fields[left]}"),
            )
            plain: dict[str, Any] = {"color_system": None} if os.environ.get("NO_COLOR") else {}
            self._bar = Bar(*columns, console=Console(file=self._stream, **plain))
            self._task = self._bar.add_task(self.label, total=self.total or None, speed="", left="")
            self._bar.start()
        else:
            threading.Thread(target=self._give_signs, name="progress", daemon=True).start()
        return self

    def advance(self, count: int = 1) -> None:
        self.done += count
        now = self._clock()
        self._estimate.note(now, self.done)
        if self._bar is not None:
            speed = f"{self._speed(now):.1f} {self.unit}/s"
            self._bar.update(self._task, completed=self.done, speed=speed, left=self._left(now) or "")
        else:
            with self._lock:
                if now - self._printed >= self._every:
                    self._line(now)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._bar is not None:
            self._bar.stop()
            return
        with self._lock:
            if self._last != self.done:
                self._line(self._clock())

    def _give_signs(self) -> None:
        """Print a line wherever there was none for long."""
        while not self._over.wait(self._silence / 4):
            with self._lock:
                now = self._clock()
                if not self._over.is_set() and now - self._printed >= self._silence:
                    self._line(now)

    def _speed(self, now: float) -> float:
        return self.done / max(now - self._began, 1e-9)

    def _left(self, now: float) -> str | None:
        """Return how long the rest takes, in words: "40 s left"; None where nobody can tell yet, or all is done."""
        seconds = self._estimate.seconds(now, self.total)
        return None if seconds is None or seconds < 1 else f"{_duration(seconds)} left"

    def _line(self, now: float) -> None:
        self._last, self._printed = self.done, now
        left = self._left(now)
        whole = self._over.is_set() or self.done >= self.total > 0
        tail = f", {left}" if left else f" in {now - self._began:.1f} s" if whole else f", {_duration(now - self._began)} so far"
        count = f"{self.done}/{self.total}" if self.total else str(self.done)
        _say(self._stream, f"{self.label}: {count} {self.unit}, {_rate(self._speed(now))}{tail}")


class TimeLeft:
    """How long the rest of some work takes. began: seconds of any clock.

    The speed since the beginning is too low, because the time until the first result is what starts as well as work. The speed
    since the first result is too high, because of several workers the others' first results follow at once. So it is between them,
    and the nearer to the second the more results there were; until then a long gap between two of them counts more than a short
    one. What is overdue has been slower than all before it. From a first result that is little of the whole nobody can tell.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._first = self._last = (began, 0)
        self._results = 0
        self._gap = 0.0  # the longest between two results

    def note(self, now: float, done: int) -> None:
        """Remember how much is done now; what came at one moment is one result."""
        if not done:
            return
        if not self._results or now - self._last[0] > _MOMENT:
            self._results += 1
            if self._results > 1:
                self._gap = max(self._gap, now - self._last[0])
        if self._results == 1:
            self._first = (now, done)
        self._last = (now, done)

    def seconds(self, now: float, total: int) -> float | None:
        """Return the seconds that are left; None where there is no total, or too little done to tell, and 0 where all is."""
        at, done = self._last
        if not total or not done:
            return None
        if done >= total:
            return 0.0
        followed = self._results - 1
        if not followed and done < _TELLING * total:
            return None
        step = (done - self._first[1]) / followed if followed else float(done)
        slowest = done / max(at - self._began, 1e-9)
        speed = min(slowest, (done + step) / max(now - self._began, 1e-9))
        if followed:
            gap = max(self._gap, now - at)
            weight, since = followed / (followed + 1), done - self._first[1]
            fastest = min(since / (at - self._first[0]), (since + step) / (now - self._first[0]))
            fastest = max(speed, fastest**weight * (step / gap) ** (1 - weight))
            speed = speed ** (1 - weight) * fastest**weight
        return max((total - done) / speed - (now - at), (total - done - step) / speed, 0.0)


@contextlib.contextmanager
def waiting(
    what: str,
    *,
    detail: Callable[[], str] = lambda: "",
    stream: TextIO | None = None,
    first: float = 2.0,
    every: float = 10.0,
) -> Iterator[None]:
    """Give a sign of life on stderr while something without a measure goes on, and say how long it took where that was long.

    what: what is going on, such as "starting Ray". detail: what has become of it, asked each time. first, every: seconds until
    the first sign and the others.
    """
    out = _copy(stream or sys.stderr)
    over, began, told = threading.Event(), time.monotonic(), False

    def tell() -> None:
        nonlocal told
        wait = first
        while not over.wait(wait):
            told, wait = True, every
            said = detail()
            seconds = time.monotonic() - began
            _say(out, f"{what} ... {_duration(seconds)}{': ' * bool(said)}{said}")

    thread = threading.Thread(target=tell, name="waiting", daemon=True)
    thread.start()
    try:
        yield
        over.set()
        thread.join()
        if told:
            _say(out, f"{what}: done in {_duration(time.monotonic() - began)}")
    finally:
        over.set()
        thread.join()
        if out is not (stream or sys.stderr):
            out.close()


def _copy(stream: TextIO) -> TextIO:
    """Return a stream to where one goes now, wherever it is sent meanwhile."""
    try:
        return open(os.dup(stream.fileno()), "w", encoding="utf-8")
    except (OSError, ValueError, AttributeError):
        return stream


def _say(out: TextIO, line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever read it has gone
        print(line, file=out, flush=True)


def _rate(speed: float) -> str:
    """Return items a second, or a minute where that is less than one in ten seconds."""
    return f"{60 * speed:.1f}/min" if 0 < speed < 0.1 else f"{speed:.1f}/s"


def _duration(seconds: float) -> str:
    """Return a duration as people say it: 40 s, 5 min, 2 h 10 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
