"""progress: plain lines with a fake clock, and a bar on a real terminal."""

import contextlib
import io
import json
import os
import pty
import random
import re
import time
from pathlib import Path

import pytest

from beholder import progress as progress_module
from beholder.progress import Progress, TimeLeft, waiting


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


def test_work_that_gets_nowhere_gives_a_sign_of_life():
    stream = io.StringIO()
    with Progress("draw", total=8, unit="portraits", stream=stream, silence=0.04) as progress:
        time.sleep(0.3)
        signs = stream.getvalue().splitlines()
        progress.advance(8)
    assert len(signs) >= 2
    assert all(re.fullmatch(r"draw: 0/8 portraits, 0\.0/s, 0 s so far", line) for line in signs)


def test_what_has_no_measure_gives_signs_of_life_and_says_how_long_it_took():
    stream = io.StringIO()
    with waiting("starting Ray", detail=lambda: "loading", stream=stream, first=0.02, every=0.05):
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "starting Ray ... 0 s: loading"
    assert len(lines) >= 3
    assert re.fullmatch(r"starting Ray: done in \d s", lines[-1])  # a busy machine may take its time


def test_what_is_quick_says_nothing():
    stream = io.StringIO()
    with waiting("starting Ray", stream=stream):
        pass
    assert stream.getvalue() == ""


def test_what_fails_while_it_is_waited_for_is_not_done():
    stream = io.StringIO()
    with contextlib.suppress(KeyboardInterrupt), waiting("starting Ray", stream=stream, first=0.01):
        time.sleep(0.1)
        raise KeyboardInterrupt
    assert "done" not in stream.getvalue()


@pytest.mark.parametrize(("speed", "said"), [(0.0, "0.0/s"), (12.34, "12.3/s"), (0.05, "3.0/min")])
def test_slow_work_is_told_by_the_minute(speed, said):
    assert progress_module._rate(speed) == said


def waves(workers: int, seconds: float, start: float, results: int) -> list[tuple[float, int]]:
    """When results come of so many workers, of which each takes about so long for one."""
    rng = random.Random(0)
    times = sorted(
        start + sum(seconds * rng.uniform(0.9, 1.1) for _ in range(turn + 1))
        for _ in range(workers)
        for turn in range(results // workers)
    )
    return [(at, number + 1) for number, at in enumerate(times)]


CURVES = {
    "steady": [(0.5 * number, number) for number in range(1, 101)],
    "a minute until the first": [(60 + 0.3 * number, number) for number in range(1, 101)],
    "batches after loading a network": [(20 + 2.0 * number, 32 * number) for number in range(1, 31)],
    "two workers": waves(2, 10, 5, 40),
    "four workers": waves(4, 10, 5, 60),
    "slower and slower": [(sum(1 + n / 100 for n in range(number)), number) for number in range(1, 101)],
}


@pytest.mark.parametrize("name", CURVES)
def test_the_rest_is_told_within_a_factor_of_two_from_a_tenth_on(name):
    curve = CURVES[name]
    end, total = curve[-1]
    left = TimeLeft(0.0)
    for number, (now, done) in enumerate(curve):
        left.note(now, done)
        told = left.seconds(now, total)
        if total / 10 <= done <= 0.9 * total and number >= 2:
            assert told is not None
            assert 0.5 <= told / (end - now) <= 2, (done, told, end - now)


def test_nobody_knows_how_long_it_takes_before_anything_is_done():
    left = TimeLeft(0.0)
    assert left.seconds(5.0, 100) is None
    left.note(5.0, 10)
    assert left.seconds(5.0, 0) is None
    assert left.seconds(5.0, 100) is None  # how much of it was the start?
    assert left.seconds(5.0, 20) == 5.0
    left.note(9.0, 100)
    assert left.seconds(9.0, 100) == 0.0


def test_what_is_overdue_takes_longer_than_was_told():
    left = TimeLeft(0.0)
    for number in range(1, 6):
        left.note(10.0 * number, number)
    assert left.seconds(50.0, 10) == pytest.approx(50.0)
    told = [left.seconds(now, 10) or 0.0 for now in (55.0, 60.0, 80.0, 150.0, 300.0)]
    assert told[:2] == [pytest.approx(45.0), pytest.approx(40.0)]
    assert told[2] < told[3] < told[4]


RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "progress.json").read_text())
UNLIKE = ("evaluate",)  # its tastes take from four seconds to a minute and a half each: within a factor of three


@pytest.mark.parametrize("name", RECORDED)
def test_the_rest_of_real_work_is_told_within_a_factor_of_two_or_three_seconds_from_a_tenth_of_the_time_on(name):
    curve = RECORDED[name]
    end, total = curve[-1][0], curve[-1][2]
    factor = 3.2 if name in UNLIKE else 2
    estimate, coming, told = TimeLeft(0.0), list(curve), 0
    for percent in range(1, 91):
        now = end * percent / 100
        while coming[0][0] <= now:
            estimate.note(*coming.pop(0)[:2])
        seconds = estimate.seconds(now, total)
        if percent >= 10 and seconds is not None:
            left = end - now
            assert left / factor - 3 <= seconds <= left * factor + 3, (percent, seconds, left)
            told += 1
    assert told > 20
