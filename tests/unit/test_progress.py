"""progress: plain lines with a fake clock, and a bar on a real terminal."""

import contextlib
import io
import os
import pty
import re

from beholder.progress import Progress


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(steps: list[tuple[float, int]], *, total: int, every: float = 5.0) -> list[str]:
    """What is said when, step by step, so many seconds pass and so many items are done."""
    clock, stream = Clock(), io.StringIO()
    with Progress("embed", total=total, unit="images", stream=stream, every=every, clock=clock) as progress:
        for seconds, count in steps:
            clock.now += seconds
            progress.advance(count)
    return stream.getvalue().splitlines()


def test_a_line_every_few_seconds_and_one_at_the_end():
    assert lines([(2, 10), (2, 10), (2, 10), (2, 10), (4, 60)], total=100) == [
        "embed: 30/100 images, 5.0/s, 14 s left",
        "embed: 100/100 images, 8.3/s in 12.0 s",
    ]


def test_quick_work_says_one_line():
    assert lines([(0.5, 4)], total=4) == ["embed: 4/4 images, 8.0/s in 0.5 s"]


def test_a_thousand_steps_are_few_lines():
    assert len(lines([(0.1, 1)] * 1000, total=1000, every=10.0)) <= 11


def test_nothing_to_do():
    assert lines([], total=0) == ["embed: 0 images, 0.0/s in 0.0 s"]


def test_a_failure_still_says_how_far_it_came():
    clock, stream = Clock(), io.StringIO()
    try:
        with Progress("embed", total=10, stream=stream, clock=clock) as progress:
            clock.now += 1
            progress.advance(3)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert stream.getvalue() == "embed: 3/10 items, 3.0/s, 2 s left\n"


def test_stderr_is_the_default_and_stdout_stays_clean(capsys):
    with Progress("embed", total=1) as progress:
        progress.advance()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("embed: 1/1 items")


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, Progress("embed", total=8, unit="images", stream=terminal) as progress:
        progress.advance(8)
    shown = ""
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as screen:  # Linux ends a closed terminal with EIO
        while part := screen.read(65536):
            shown += part.decode(errors="replace")
    assert "8/8" in shown
    assert "images/s" in shown
    assert re.search("[━╸]", shown)
    assert "embed: 8/8" not in shown  # the plain line
