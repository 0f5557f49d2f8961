"""Contact sheets: photos before and after, side by side, in one picture; and photos along every direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder import images, plots
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.errors import ImageError
from beholder.plots import Words

_CELL = 240  # pixels of a side that a picture of the directions fits into
_WIDTH, _HEIGHT = 1800, 230  # pixels of a sheet, and of a row's pictures about
_LOWEST, _HIGHEST = 0.8, 1.3  # times that, so that rows are as wide as the sheet
_MARGIN, _GAP, _BETWEEN = 30, 6, 30
_TITLE, _CAPTION = 46, 54  # pixels of the lines above all and below each pair
_NAMES = 170  # pixels of the names of directions
_PAPER = 250


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """A photo before and after, uint8 RGB [H, W, 3] of any sizes; its name, and what was done, in words."""

    before: np.ndarray
    after: np.ndarray
    name: str = ""
    words: str = ""


def contact_sheet(pairs: Sequence[BeforeAfter], *, title: str = "") -> np.ndarray:
    """Return pairs of pictures as one picture, uint8 RGB [h, 1800, 3] at most: before at the left, after at its right, words below.

    Rows are as wide as the sheet, whatever the shapes; pictures keep theirs, and none is enlarged. Raises ImageError for no pairs.
    """
    if not pairs:
        raise ImageError("expected at least one picture for a contact sheet, got none")
    caption = _CAPTION if any(pair.name or pair.words for pair in pairs) else _GAP
    top, placed, words = _TITLE if title else _MARGIN, [], []
    rows = _rows(pairs)
    for row in rows:
        left, height = _MARGIN, _height(row)
        tallest = 0
        for pair in row:
            both = [_of_height(each, height) for each in (pair.before, pair.after)]
            width = both[0].shape[1] + _GAP + both[1].shape[1]
            for at, each in zip((left, left + both[0].shape[1] + _GAP), both, strict=True):
                placed.append((top, at, each))
            below = top + max(each.shape[0] for each in both)
            words.append(Words(pair.name, left, below + 6, width))
            words.append(Words(pair.words, left, below + 22, width, quiet=True))
            tallest = max(tallest, below - top)
            left += width + _BETWEEN
        top += tallest + caption
    right = max(left + each.shape[1] for _, left, each in placed) + _MARGIN
    sheet = np.full((top + _MARGIN - _GAP, right, 3), _PAPER, np.uint8)
    for y, x, each in placed:
        sheet[y : y + each.shape[0], x : x + each.shape[1]] = each
    heading = Words(title, _MARGIN, 16, right - 2 * _MARGIN, large=True)
    return plots.written(sheet, [heading, *words])


def direction_sheet(photos: Sequence[np.ndarray]) -> np.ndarray:
    """Return photos under each direction, uint8 RGB: a row for each direction, photo by photo its low end, a step, its high end.

    photos: uint8 RGB [H, W, 3] of any sizes. Raises ImageError for none.
    """
    drawn = []
    for name, direction in DIRECTIONS.items():
        low, high = direction.range
        drawn += [render(photo, {name: alpha}) for photo in photos for alpha in (low, min(1.0, high), high)]
    sheet, tops = _gridded(drawn, columns=3 * len(photos), wide_every=3)
    page = np.full((sheet.shape[0], sheet.shape[1] + _NAMES, 3), _PAPER, np.uint8)
    page[:, _NAMES:] = sheet
    words = []
    for top, (name, direction) in zip(tops, DIRECTIONS.items(), strict=True):
        low, high = direction.range
        words.append(Words(name.replace("_", " "), 16, top + 8, _NAMES - 24, large=True))
        words.append(Words(f"{low:g}, {min(1.0, high):g}, {high:g}", 16, top + 32, _NAMES - 24, quiet=True))
    return plots.written(page, words)


def _gridded(pictures: Sequence[np.ndarray], *, columns: int, wide_every: int) -> tuple[np.ndarray, list[int]]:
    """Return pictures in rows of `columns`, with a wider gap after every `wide_every`, and where each row begins."""
    if not pictures:
        raise ImageError("expected at least one picture for a contact sheet, got none")
    small = [images.shrink(each, _CELL) for each in pictures]
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    widths = [max((row[at].shape[1] for row in rows if at < len(row)), default=0) for at in range(min(columns, len(small)))]
    gaps = [_GAP * (4 if at and at % wide_every == 0 else 1) for at in range(len(widths))]
    heights = [max(each.shape[0] for each in row) for row in rows]
    sheet = np.full((sum(heights) + _GAP * (len(rows) + 1), sum(widths) + sum(gaps) + _GAP, 3), _PAPER, np.uint8)
    top, tops = _GAP, []
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for at, picture in enumerate(row):
            left += gaps[at]
            y, x = top + (height - picture.shape[0]) // 2, left + (widths[at] - picture.shape[1]) // 2
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            left += widths[at]
        tops.append(top)
        top += height + _GAP
    return sheet, tops


def _rows(pairs: Sequence[BeforeAfter]) -> list[list[BeforeAfter]]:
    """Return pairs in rows that a sheet has room for."""
    rows: list[list[BeforeAfter]] = []
    for pair in pairs:
        if rows and _height([*rows[-1], pair]) >= _LOWEST * _HEIGHT:
            rows[-1].append(pair)
        else:
            rows.append([pair])
    return rows


def _height(row: Sequence[BeforeAfter]) -> float:
    """Return the height of pictures with which a row is as wide as a sheet, or the greatest that they may have."""
    aspects: float = sum(each.shape[1] / each.shape[0] for pair in row for each in (pair.before, pair.after))
    room = _WIDTH - 2 * _MARGIN - len(row) * _GAP - (len(row) - 1) * _BETWEEN
    return min(room / aspects, _HIGHEST * _HEIGHT)


def _of_height(picture: np.ndarray, height: float) -> np.ndarray:
    """Return a picture no higher than that, in its shape."""
    return images.shrink(picture, max(1, round(max(picture.shape[:2]) * height / picture.shape[0])))
