"""A picture is edited along directions by name, goes on from where it was, and comes from a seed or a photo."""

import numpy as np
import pytest

import beholder as bh
from beholder.errors import EditError, ImageError, InputError


def test_an_edit_goes_on_from_the_picture_before():
    smiling = bh.edit(3, smile=2)
    both = bh.edit(smiling, hat=3)
    assert both.edit == {"smile": 2.0, "hat": 3.0}
    np.testing.assert_array_equal(both.pixels, bh.edit(3, {"hat": 3}, smile=2).pixels)
    back = bh.edit(both, hat=0, smile=0)
    assert (back.edit, back.caption) == ({}, "as it is")
    np.testing.assert_array_equal(back.pixels, bh.edit(3).pixels)


def test_seeds_are_numbers_or_names():
    np.testing.assert_array_equal(bh.edit("seed-3").pixels, bh.edit(np.int64(3)).pixels)


def test_a_photo_that_is_cut_out_already_is_edited():
    drawn = bh.edit(5)
    edited = bh.edit(drawn.pixels, aligned=True, glasses=3)
    assert edited.pixels.shape == drawn.pixels.shape
    assert edited.caption == "glasses"
    moved = np.abs(edited.pixels.astype(int) - drawn.pixels).mean()
    assert 0.5 < moved < 40


def test_directions_are_listed():
    table = bh.directions()
    assert {"smile", "glasses", "hat"} <= set(table.index)
    assert [table.loc["smile", end] for end in ("lowest", "highest")] == [-3.0, 3.0]


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "says"),
    [
        ((3,), {"smiel": 1}, EditError, "smiel is not a direction; did you mean smile"),
        ((3,), {"smile": 9}, EditError, "smile=9: expected an alpha between -3 and 3"),
        ((3,), {"smile": "much"}, EditError, "smile='much': expected a number"),
        ((3,), {"smile": float("nan")}, EditError, "expected a finite number"),
        ((-1,), {"smile": 1}, EditError, "expected a seed between 0 and"),
        ((None,), {"smile": 1}, InputError, "expected a seed .* got NoneType"),
        (("nowhere.png",), {"smile": 1}, ImageError, "nowhere.png: .* does not exist"),
        ((np.zeros((4, 4, 3), np.uint8) + 9,), {"smile": 1, "aligned": True}, EditError, "force=True takes what came"),
    ],
)
def test_what_can_not_be_edited_is_said(arguments, settings, error, says):
    with pytest.raises(error, match=says):
        bh.edit(*arguments, **settings)
