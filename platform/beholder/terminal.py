"""The terminal: pictures where it can show them (kitty's or iTerm2's protocol, half blocks in 24-bit colour), filtered output."""

import base64
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import TextIO

import numpy as np

from beholder import images

_CHUNK = 4096  # bytes of base64 that kitty takes at a time


def inline(picture: np.ndarray, env: Mapping[str, str], *, columns: int = 64) -> str | None:
    """Return the text that shows a picture, uint8 RGB [H, W, 3], about `columns` wide; None for a terminal that can't show one.

    env: environment variables, which name the kind of terminal.
    """
    if env.get("KITTY_WINDOW_ID") or "kitty" in env.get("TERM", ""):
        return _kitty(images.encode(picture, format="PNG"), columns)
    if env.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm"):
        data = images.encode(picture, format="PNG")
        return f"\x1b]1337;File=inline=1;size={len(data)};width={columns}:{base64.b64encode(data).decode()}\x07\n"
    if env.get("COLORTERM") in ("truecolor", "24bit") and not env.get("NO_COLOR"):  # no-color.org
        return blocks(picture, columns)
    return None


def blocks(picture: np.ndarray, columns: int) -> str:
    """Return a picture, uint8 RGB [H, W, 3], as half blocks: two pixels, one above the other, in each character."""
    columns = max(1, min(columns, picture.shape[1]))
    rows = max(2, 2 * round(picture.shape[0] * columns / picture.shape[1] / 2))
    small = _shrink(picture, rows, columns)
    lines = []
    for top, bottom in zip(small[::2], small[1::2], strict=True):
        cells = (f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(top, bottom, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines) + "\n"


def _shrink(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the mean colour of each cell of a grid of rows x columns."""
    high, wide = picture.shape[:2]
    down = np.linspace(0, high, rows + 1).astype(int)[:-1].clip(max=high - 1)
    across = np.linspace(0, wide, columns + 1).astype(int)[:-1].clip(max=wide - 1)
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.float64), down, axis=0), across, axis=1)
    counts = np.diff(np.r_[down, high]).clip(min=1)[:, None] * np.diff(np.r_[across, wide]).clip(min=1)
    means: np.ndarray = np.round(sums / counts[..., None])
    return means.astype(np.uint8)


def _kitty(data: bytes, columns: int) -> str:
    text = base64.b64encode(data).decode()
    parts = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    out = []
    for number, part in enumerate(parts):
        more = int(number < len(parts) - 1)
        head = f"a=T,f=100,c={columns},m={more}" if number == 0 else f"m={more}"
        out.append(f"\x1b_G{head};{part}\x1b\\")
    return "".join(out) + "\n"


@contextlib.contextmanager
def without(note: str, *, stream: TextIO | None = None) -> Iterator[None]:
    """Hold back what this process (its C libraries too) writes to stderr; pass it on afterwards without lines that have `note`.

    stream: sys.stdout, where that is to be filtered.
    """
    stream = stream or sys.stderr
    number = 1 if stream is sys.stdout else 2
    with tempfile.TemporaryFile() as kept:
        stream.flush()
        open_ = os.dup(number)
        os.dup2(kept.fileno(), number)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(open_, number)
            os.close(open_)
            kept.seek(0)
            for line in kept.read().decode(errors="replace").splitlines():
                if note not in line:
                    print(line, file=stream)
