"""A step is what it says: one that is noticed, on the landscapes that steps are calibrated on."""

import numpy as np
import pytest

from beholder.editing.looks import calibration
from beholder.editing.looks.look_directions import DIRECTIONS, NOTICEABLE

PHOTOS = calibration.landscapes()


@pytest.mark.parametrize("name", calibration.coloured())
def test_a_step_is_noticeable(name):
    assert calibration.step_difference(DIRECTIONS[name], PHOTOS) == pytest.approx(NOTICEABLE, rel=0.1)


def test_a_difference_counts_the_pixels_that_changed():
    before = np.full((10, 10, 3), 100, np.uint8)
    after = before.copy()
    after[0] = 140
    assert calibration.difference(before, before) == 0
    assert calibration.difference(before, after) == pytest.approx(calibration.difference(before[:1], after[:1]))


def test_a_step_is_found_again():
    direction = DIRECTIONS["exposure"]
    wanted = calibration.step_difference(direction, PHOTOS[:3])
    assert calibration.calibrated_step(direction, PHOTOS[:3], wanted=wanted) == pytest.approx(direction.step, rel=0.01)
