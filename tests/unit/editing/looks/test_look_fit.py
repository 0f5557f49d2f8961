"""A look is found again from what it made of a photo."""

import numpy as np
import pytest

from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_fit import fit_look
from beholder.errors import ImageError

PHOTO = landscape.draw(9, 160, 240)


@pytest.mark.parametrize(
    "look",
    [{"warmth": 1.5, "exposure": 1.0}, {"saturation": -2.0, "contrast": 1.0}, {"black_and_white": 4.0}, {"fade": 1.5, "tint": 1.0}],
    ids=lambda look: "+".join(look),
)
def test_the_look_of_an_edited_photo_is_found(look):
    fitted = fit_look(PHOTO, render(PHOTO, look))
    assert fitted.after < 0.2 * fitted.before
    for name, alpha in look.items():
        if name not in ("black_and_white",):
            assert fitted.look.get(name, 0.0) == pytest.approx(alpha, abs=0.8)


def test_a_photo_that_nobody_touched_has_no_look():
    fitted = fit_look(PHOTO, PHOTO)
    assert fitted.before == pytest.approx(0, abs=0.01)
    assert fitted.after < 0.5
    assert all(abs(alpha) < 0.3 for alpha in fitted.look.values())


def test_a_picture_of_another_shape_can_not_have_become_it():
    with pytest.raises(ImageError, match="240 x 160 can't have become one of 160 x 240"):
        fit_look(PHOTO, np.ascontiguousarray(PHOTO.transpose(1, 0, 2)))
