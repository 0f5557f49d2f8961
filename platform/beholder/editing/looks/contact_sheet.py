"""Contact sheets: photos before and after, side by side, in one picture; and photos along every direction."""

from collections.abc import Sequence

import numpy as np

from beholder import images
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.errors import ImageError

_CELL = 300  # pixels of a side that a picture fits into
_GAP = 6
_PAPER = 250


def contact_sheet(pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, columns: int = 3) -> np.ndarray:
    """Return pairs of pictures, uint8 RGB [H, W, 3] of any sizes, as one picture: before at the left, after at its right.

    columns: pairs in a row. Pictures keep their shapes.
    """
    return grid([picture for pair in pairs for picture in pair], columns=2 * columns, wide_every=2)


def grid(pictures: Sequence[np.ndarray], *, columns: int, wide_every: int = 0, cell: int = _CELL) -> np.ndarray:
    """Return pictures in rows of `columns`, uint8 RGB.

    wide_every: pictures after which there is a wider gap; 0: none. cell: pixels of a side that each fits into.
    Raises ImageError for no pictures.
    """
    if not pictures:
        raise ImageError("expected at least one picture for a contact sheet, got none")
    small = [images.shrink(each, cell) for each in pictures]
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    widths = [max((row[at].shape[1] for row in rows if at < len(row)), default=0) for at in range(min(columns, len(small)))]
    gaps = [_GAP * (4 if wide_every and at and at % wide_every == 0 else 1) for at in range(len(widths))]
    heights = [max(each.shape[0] for each in row) for row in rows]
    sheet = np.full((sum(heights) + _GAP * (len(rows) + 1), sum(widths) + sum(gaps) + _GAP, 3), _PAPER, np.uint8)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for at, picture in enumerate(row):
            left += gaps[at]
            y, x = top + (height - picture.shape[0]) // 2, left + (widths[at] - picture.shape[1]) // 2
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            left += widths[at]
        top += height + _GAP
    return sheet


def direction_sheet(photos: Sequence[np.ndarray]) -> np.ndarray:
    """Return photos under each direction, uint8 RGB: a row for each direction, photo by photo its low end, a step, its high end.

    photos: uint8 RGB [H, W, 3] of any sizes. Raises ImageError for none.
    """
    drawn = []
    for name, direction in DIRECTIONS.items():
        low, high = direction.range
        drawn += [render(photo, {name: alpha}) for photo in photos for alpha in (low, min(1.0, high), high)]
    return grid(drawn, columns=3 * len(photos), wide_every=3, cell=240)
