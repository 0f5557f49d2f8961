"""Contact sheets: every pair is there in its shape, rows are as wide as the sheet, and words stay in their room."""

import numpy as np
import pytest

from beholder.editing.looks import landscape
from beholder.editing.looks.contact_sheet import BeforeAfter, contact_sheet, direction_sheet
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.errors import ImageError

RED, BLUE = (220, 20, 20), (20, 20, 220)


def plain(colour: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def box_of(sheet: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - colour) < 12).all(axis=-1))
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def test_before_is_at_the_left_of_after_at_one_height_and_both_keep_their_shapes():
    sheet = contact_sheet([BeforeAfter(plain(RED, 400, 600), plain(BLUE, 300, 300), "a.jpg", "warmer colours")])
    top, left, bottom, right = box_of(sheet, RED)
    after = box_of(sheet, BLUE)
    assert (right - left) / (bottom - top) == pytest.approx(1.5, abs=0.02)
    assert (after[3] - after[1]) / (after[2] - after[0]) == pytest.approx(1, abs=0.02)
    assert after[0] == top
    assert after[1] > right
    assert abs((after[2] - after[0]) - (bottom - top)) <= 1


def test_rows_of_mixed_shapes_are_as_wide_as_the_sheet():
    shapes = [(400, 600), (600, 400), (400, 600), (600, 400), (400, 600), (400, 600), (300, 1500)]
    pairs = [BeforeAfter(plain(RED, *shape), plain(RED, *shape), f"{number}.jpg") for number, shape in enumerate(shapes)]
    sheet = contact_sheet(pairs, title="Before and after")
    assert sheet.shape[1] <= 1800
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - RED) < 12).all(axis=-1))
    ends = {int(columns[rows == row].max()) for row in set(rows.tolist())}
    assert max(ends) - min(each for each in ends if each > 1500) < 12


def test_small_pictures_are_not_enlarged():
    assert box_of(contact_sheet([BeforeAfter(plain(RED, 40, 60), plain(BLUE, 40, 60))]), RED)[2:] == (70, 90)


def test_long_names_and_words_end_in_their_own_pairs_room():
    words = "much warmer colours, " * 30
    short = contact_sheet([BeforeAfter(plain(RED, 300, 200), plain(RED, 300, 200))] * 2)
    pairs = [BeforeAfter(plain(RED, 300, 200), plain(RED, 300, 200), f"{'x' * 300}$1$.jpg", words)] * 2
    sheet = contact_sheet(pairs)
    assert sheet.shape[1] == short.shape[1]
    below = sheet[box_of(sheet, RED)[2] : -10]
    dark = np.nonzero((below < 200).any(axis=(0, 2)))[0]
    gap = np.diff(dark)
    assert gap.max() >= 20  # between the words of both
    assert dark.max() < sheet.shape[1] - 20


def test_no_pairs_are_refused():
    with pytest.raises(ImageError, match="at least one"):
        contact_sheet([])


def test_every_direction_has_a_row_with_its_name():
    photo = landscape.draw(1, 20, 30)
    sheet = direction_sheet([photo])
    assert sheet.shape[1] == 170 + 3 * 30 + 4 * 6
    assert sheet.shape[0] >= len(DIRECTIONS) * 20
    assert (sheet[:, :160] < 120).any()
