"""Directions that know where faces are: what they change and what they leave alone."""

import numpy as np
import pytest

from beholder.editing.faces.landmarks import DetectedFace
from beholder.editing.looks import landscape
from beholder.editing.looks.face_look import FACE_DIRECTIONS, is_face_look, render_faces, split
from beholder.errors import EditError
from beholder.jobs import apply_look

PHOTO = landscape.draw(6, 240, 360)
EYES = np.array([[165.0, 110.0], [195.0, 110.0], [180.0, 125.0], [168.0, 140.0], [192.0, 140.0]])
FACE = DetectedFace((150.0, 90.0, 210.0, 160.0), EYES)


@pytest.mark.parametrize("name", FACE_DIRECTIONS)
def test_nothing_changes_without_a_face_or_at_alpha_zero(name):
    np.testing.assert_array_equal(render_faces(PHOTO, {name: 2.0}, []), PHOTO)
    np.testing.assert_array_equal(render_faces(PHOTO, {name: 0.0, "warmth": 2.0}, [FACE]), PHOTO)


def test_light_falls_on_the_face_and_on_nothing_far_from_it():
    drawn = render_faces(PHOTO, {"face_light": 2.0}, [FACE]).astype(int) - PHOTO
    assert drawn[115:135, 170:190].mean() > 10
    assert np.abs(drawn[:, :80]).max() == 0
    assert np.abs(drawn[:, 280:]).max() == 0


def test_light_on_a_face_keeps_its_colour():
    """Every channel is exposed alike: in linear light a dark pixel's channels keep their proportions."""
    flat = np.full((240, 360, 3), (40, 28, 20), np.uint8)
    lit = render_faces(flat, {"face_light": 2.0}, [FACE])[125, 180] / 255
    before = flat[0, 0] / 255
    ratios = ((lit + 0.055) / 1.055) ** 2.4 / ((before + 0.055) / 1.055) ** 2.4
    assert ratios.min() > 1.2
    assert ratios.max() / ratios.min() < 1.12


def test_eyes_are_brighter_where_they_are():
    grey = np.full((240, 360, 3), 90, np.uint8)
    drawn = render_faces(grey, {"brighter_eyes": 2.0}, [FACE]).astype(int) - grey
    assert drawn[110, 165].min() > 8
    assert drawn[110, 195].min() > 8
    assert np.abs(drawn[150:]).max() == 0
    many = np.zeros((68, 2))
    many[36:42], many[42:48] = (165, 110), (195, 110)
    np.testing.assert_array_equal(
        render_faces(grey, {"brighter_eyes": 2.0}, [DetectedFace(FACE.box, many)]), grey + drawn.astype(np.uint8)
    )


def test_a_background_is_blurred_by_its_distance_and_the_face_stays_sharp():
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 200, (240, 360, 3), dtype=np.uint8)
    drawn = render_faces(noise, {"background_blur": 3.0}, [FACE])
    np.testing.assert_array_equal(drawn[95:155, 155:205], noise[95:155, 155:205])
    assert drawn[:60, :60].astype(float).std() < 0.5 * noise[:60, :60].astype(float).std()


def test_a_large_photo_looks_as_its_small_copy_does():
    look = {"face_light": 2.0, "background_blur": 1.0}
    large = np.kron(PHOTO, np.ones((3, 3, 1), np.uint8))
    face = DetectedFace(tuple(3 * side for side in FACE.box), 3 * EYES)  # type: ignore[arg-type]
    small, drawn = render_faces(PHOTO, look, [FACE]).astype(int), render_faces(large, look, [face])[1::3, 1::3]
    assert np.abs(small - drawn).mean() < 1.5


def test_a_look_is_split_into_faces_and_the_rest():
    assert split({"face_light": 1.0, "warmth": 2.0}) == ({"face_light": 1.0}, {"warmth": 2.0})
    assert is_face_look({"face_light": 1.0})
    assert not is_face_look({"face_light": 0.0, "warmth": 1.0})
    assert apply_look._look_of("face_light=1,warmth=2") == {"face_light": 1.0, "warmth": 2.0}
    with pytest.raises(EditError, match="background_blur=9: expected an alpha between 0 and 3"):
        apply_look._look_of("background_blur=9")
