"""The look editor: the contract, landscapes and given photos."""

import numpy as np
import pytest
import torch
from support.editor_suite import EditorContract

from beholder import colour, images
from beholder.editing.looks import landscape, look_editor
from beholder.editing.looks.develop import develop
from beholder.editing.looks.full_size import linear_of, render
from beholder.editing.looks.look_directions import ASKED, COLUMN, DIRECTIONS, NAMES, alphas_of, check_range, strengths
from beholder.editing.looks.look_editor import LookEditor
from beholder.editing.looks.tone_maps import ToneMaps
from beholder.errors import EditError, ImageError
from beholder.look_descriptor import SIZE, describe

PHOTO = landscape.draw(4, 90, 140)


class TestLookEditor(EditorContract):
    returns = 1e-9

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls):
        return LookEditor(resolution=96)


class TestLooksOfGivenPhotos(EditorContract):
    returns = 1e-9

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls):
        return LookEditor([landscape.draw(seed, 100, 130) for seed in range(5)], resolution=96)


def test_seeds_choose_among_given_photos():
    photos = [landscape.draw(seed, 40, 60) for seed in (1, 2)]
    editor = LookEditor(photos, resolution=32)
    assert editor.generate([0, 3]).photos[1] is photos[1]


def test_what_is_no_photo_is_refused():
    with pytest.raises(ImageError, match="uint8"):
        LookEditor([np.zeros((4, 4), np.uint8)])


def test_whole_photos_keep_their_shape_and_a_look_of_nothing_their_bits():
    editor = LookEditor()
    drawn = editor.develop(editor.invert(PHOTO[None]), [{}, {"exposure": 1.0}, dict.fromkeys(NAMES, 0.0)])
    np.testing.assert_array_equal(drawn[0], PHOTO)
    np.testing.assert_array_equal(drawn[2], PHOTO)
    assert drawn[1].shape == PHOTO.shape


def test_strips_change_nothing():
    """A picture of many strips is what one strip makes of it."""
    wide = landscape.draw(2, 120, 3000)
    look = {"clarity": 1.0, "shadows": 1.5, "grain": 2.0, "sharpness": 1.0, "vignette": 1.0, "vibrance": 1.0}
    units = strengths(alphas_of(look))[None]
    linear = linear_of(wide)
    maps = ToneMaps(linear_of(images.shrink(wide, 1536)), *wide.shape[:2])
    whole = develop(linear, maps.whole(linear), units)[0].permute(1, 2, 0)
    assert np.abs(render(wide, look) / 255 - whole.numpy()).max() < 0.6 / 255


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("straighten", "crop")])
def test_white_stays_white_and_black_black(name):
    """Tone, balance and colour leave both ends alone; a veil lifts black, and a vignette, which is an exposure, can't dim white."""
    flat = np.concatenate([np.zeros((24, 48, 3), np.uint8), np.full((24, 48, 3), 255, np.uint8)])
    for end in DIRECTIONS[name].range:
        drawn = render(flat, {name: end})
        assert drawn[-1, 24].min() >= 254, (name, end)
        if name != "fade":
            assert drawn[0, 24].max() <= 1, (name, end)


def test_an_exposure_multiplies_dark_light_and_is_taken_back_by_its_opposite():
    grey = torch.full((1, 3, 1, 1), 0.001)
    maps = torch.zeros(8, 1, 1)
    maps[0] = 1
    units = torch.zeros(2, len(NAMES))
    units[:, COLUMN["exposure"]] = torch.tensor([1.0, -1.0])
    brighter = colour.to_linear(develop(grey, maps, units[:1]))
    assert float(brighter[0, 0]) == pytest.approx(0.002, rel=2e-3)
    back = colour.to_linear(develop(brighter, maps, units[1:]))
    assert float(back[0, 0]) == pytest.approx(0.001, rel=1e-3)


def test_white_balance_leaves_the_luminance_of_grey():
    grey = np.full((8, 8, 3), 60, np.uint8)
    for look in ({"warmth": 2.0}, {"tint": -2.0}):
        drawn = linear_of(render(grey, look))
        before = float(colour.luminance(linear_of(grey))[0, 0, 0, 0])
        assert float(colour.luminance(drawn)[0, 0, 0, 0]) == pytest.approx(before, rel=0.03)
    warm = render(grey, {"warmth": 1.0})[0, 0].astype(int)
    assert warm[0] > warm[1] > warm[2]


def test_black_and_white_is_grey_at_its_end():
    drawn = render(PHOTO, {"black_and_white": 4.0}).astype(int)
    assert np.ptp(drawn, axis=2).max() <= 1


def test_skin_keeps_its_hue_where_greens_and_blues_turn():
    skin = np.tile(np.array([[[224, 172, 140], [141, 92, 70], [255, 219, 188], [90, 56, 42]]], np.uint8), (8, 2, 1))
    for look in ({"greens": 2.5}, {"greens": -2.5}, {"blues": 1.5}, {"blues": -2.0}):
        assert np.abs(render(skin, look).astype(int) - skin).max() <= 1


def test_vibrance_moves_skin_less_than_as_pale_a_blue():
    skin, sky = np.full((8, 8, 3), (200, 160, 140), np.uint8), np.full((8, 8, 3), (140, 160, 200), np.uint8)
    moved = [np.abs(render(each, {"vibrance": 2.5}).astype(int) - each).max() for each in (skin, sky)]
    assert moved[0] < moved[1]


def test_crop_and_straighten_cut_the_frame():
    assert render(PHOTO, {"crop": 2.0}).shape == (81, 126, 3)
    turned = render(PHOTO, {"straighten": 3.0})
    assert turned.shape[0] < 90
    assert turned.shape[1] < 140
    middle = render(PHOTO, {"crop": 1.0}).astype(int)
    np.testing.assert_allclose(middle[40:44, 60:64].mean(), PHOTO[42:46, 63:67].mean(), atol=6)


def test_a_look_is_differentiable_in_strengths_and_light():
    linear = linear_of(PHOTO)
    maps = ToneMaps(linear, 90, 140).whole(linear)
    units = strengths(alphas_of({"exposure": 0.5})).clone()[None].requires_grad_()
    light = linear.clone().requires_grad_()
    develop(light, maps, units).mean().backward()
    assert units.grad is not None
    assert light.grad is not None
    assert torch.isfinite(units.grad).all()
    assert torch.isfinite(light.grad).all()
    assert (units.grad[0, [COLUMN[name] for name in NAMES if name not in ("straighten", "crop")]] != 0).all()


def test_thumbnails_are_scored_as_they_are_drawn():
    names = list(ASKED)
    looks = [{}, {"exposure": 1.0}, {"vibrance": -1.5, "warmth": 2.0}, {"crop": 2.0}, {"split_tone": 1.0, "clarity": 1.5}]
    alphas = np.stack([alphas_of(look).numpy() for look in looks])
    found = look_editor.embeddings(PHOTO, alphas, describe, size=SIZE)
    small = images.fit_pixels(PHOTO, images.Fit(SIZE, "squash", "bilinear"))
    for row, look in enumerate(looks):
        if "crop" not in look:
            np.testing.assert_allclose(found[row], describe(linear_of(render(small, look)))[0].numpy(), atol=1e-5)
    assert names


def test_alphas_outside_their_ranges_are_told():
    check_range({"warmth": 2.0})
    with pytest.raises(EditError, match=r"grain=-1: expected an alpha between 0 and 2"):
        check_range({"grain": -1.0})
