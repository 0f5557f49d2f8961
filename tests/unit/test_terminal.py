"""Pictures in a terminal: what each kind is sent, and what it says."""

import base64
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from beholder import images, terminal

RED_OVER_BLUE = np.concatenate([np.full((8, 16, 3), [255, 0, 0], np.uint8), np.full((8, 16, 3), [0, 0, 255], np.uint8)])


def test_half_blocks_have_the_colours_of_the_picture():
    lines = terminal.blocks(RED_OVER_BLUE, 4).splitlines()
    assert len(lines) == 2
    assert lines[0].count("▀") == lines[1].count("▀") == 4
    assert lines[0].startswith("\x1b[38;2;255;0;0m\x1b[48;2;255;0;0m")
    assert lines[1].startswith("\x1b[38;2;0;0;255m\x1b[48;2;0;0;255m")
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_two_pixels_share_a_character():
    two = np.array([[[10, 20, 30]], [[40, 50, 60]]], np.uint8)
    assert terminal.blocks(two, 1) == "\x1b[38;2;10;20;30m\x1b[48;2;40;50;60m▀\x1b[0m\n"


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (128, 256), (7, 200)])
def test_any_shape_can_be_shown(shape):
    lines = terminal.blocks(np.zeros((*shape, 3), np.uint8), 40).splitlines()
    assert {line.count("▀") for line in lines} == {min(40, shape[1])}


def test_kitty_gets_the_picture_in_chunks():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sent = terminal.inline(noise, {"KITTY_WINDOW_ID": "1"})
    assert sent is not None
    parts = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", sent)
    assert [head[-3:] for head, _ in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]
    assert all(len(part) <= 4096 for _, part in parts)
    assert np.array_equal(images.decode(base64.b64decode("".join(part for _, part in parts))), noise)


def test_iterm_gets_the_picture_whole():
    sent = terminal.inline(RED_OVER_BLUE, {"TERM_PROGRAM": "iTerm.app"})
    assert sent is not None
    data = base64.b64decode(sent.partition(":")[2].partition("\x07")[0])
    assert np.array_equal(images.decode(data), RED_OVER_BLUE)


def test_colours_alone_give_blocks_and_nothing_gives_nothing():
    shown = terminal.inline(RED_OVER_BLUE, {"COLORTERM": "truecolor"})
    assert shown is not None
    assert "▀" in shown
    assert terminal.inline(RED_OVER_BLUE, {"TERM": "xterm"}) is None
    assert terminal.inline(RED_OVER_BLUE, {"COLORTERM": "truecolor", "NO_COLOR": "1"}) is None


def test_a_note_is_kept_back_and_the_rest_passed_on(capfd):
    with terminal.without("Set ray log level"):
        os.write(2, b"I 1 Set ray log level from environment\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


def test_a_note_is_kept_off_stdout_too():
    script = """
import os, sys
from beholder import terminal
print("before")
with terminal.without("to be tried again", stream=sys.stdout):
    print("a task failed, to be tried again")
    sys.stdout.flush()
    os.write(1, b"an answer\\n")
    print("a mistake", file=sys.stderr)
print("after")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "before\nan answer\nafter\n"
    assert ran.stderr == "a mistake\n"
