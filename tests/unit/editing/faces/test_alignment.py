"""Alignment: FFHQ's square around known landmarks, cut out of a known picture, and blended back."""

import math
import time

import numpy as np
import pytest

from beholder import images
from beholder.editing.faces.alignment import Square, _mirror, cut
from beholder.editing.faces.blending import put_back
from beholder.editing.faces.landmarks import DetectedFace, KnownFaces
from beholder.editing.faces.photo import Photo
from beholder.errors import EditError


def landmarks(centre: tuple[float, float], *, eyes: float, mouth: float, turned: float = 0.0) -> np.ndarray:
    """68 points of a face: its eyes `eyes` apart around `centre`, its mouth `mouth` below, turned clockwise by degrees."""
    points = np.zeros((68, 2))
    ring = np.array([(math.cos(a), math.sin(a)) for a in np.arange(6) * math.pi / 3])
    points[36:42] = 4 * ring - (eyes / 2, 0)
    points[42:48] = 4 * ring + (eyes / 2, 0)
    points[48], points[54] = (-10, mouth), (10, mouth)
    angle = math.radians(turned)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) + centre


def test_the_square_of_an_upright_face() -> None:
    found = Square.around(landmarks((200, 150), eyes=60, mouth=70))
    assert found.centre == pytest.approx((200, 157))  # a tenth of the way down to the mouth
    assert found.half == pytest.approx((126, 0), abs=1e-9)  # 1.8 x 70 is more than 2.0 x 60
    assert found.side == pytest.approx(252)
    np.testing.assert_allclose(found.corners, [(74, 31), (74, 283), (326, 283), (326, 31)], atol=1e-9)
    assert Square.around(landmarks((200, 150), eyes=80, mouth=70)).side == pytest.approx(320)


def test_the_square_turns_with_the_face() -> None:
    found = Square.around(landmarks((200, 150), eyes=60, mouth=70, turned=30))
    assert found.half == pytest.approx((126 * math.cos(math.pi / 6), 63))
    assert found.centre == pytest.approx((200 - 3.5, 150 + 7 * math.cos(math.pi / 6)))


def test_places_go_there_and_back() -> None:
    square = Square((90.0, 50.0), (30.0, 12.0))
    places = np.random.default_rng(0).random((5, 4, 2))
    np.testing.assert_allclose(square.from_photo(square.to_photo(places)), places)
    np.testing.assert_allclose(square.to_photo(np.array([[0, 0], [0, 1], [1, 1], [1, 0]])), square.corners)


def test_a_face_that_is_too_small_or_nowhere_is_refused() -> None:
    with pytest.raises(EditError, match=r"too small to edit: the square around it has 50 pixels a side, at least 64"):
        Square.around(landmarks((99, 99), eyes=12.5, mouth=10))
    with pytest.raises(EditError, match="no place for a face"):
        Square.around(np.zeros((68, 2)))


def test_an_upright_square_of_whole_pixels_is_a_crop(scene) -> None:
    photo = scene(300, 200)
    square = Square((150.0, 100.0), (64.0, 0.0))
    np.testing.assert_array_equal(cut(photo, square, 128), photo[36:164, 86:214])
    half = photo[36:164, 86:214].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(cut(photo, square, 64), half, atol=0.51)
    eighth = photo[36:164, 86:214].reshape(16, 8, 16, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(cut(photo, square, 16), eighth, atol=2)  # shrunk in two steps


def test_a_turned_square_comes_out_upright() -> None:
    y, x = np.mgrid[0:240, 0:320] + 0.5
    square = Square((160.0, 120.0), (70 * math.cos(0.4), 70 * math.sin(0.4)))
    along = square.from_photo(np.stack([x, y], axis=-1))
    photo = np.clip(np.concatenate([along, 1 - along[..., :1]], axis=-1) * 255, 0, 255).round().astype(np.uint8)
    found = cut(photo, square, 50).astype(float)
    ramp = (np.arange(50) + 0.5) / 50 * 255
    np.testing.assert_allclose(found[..., 0], np.broadcast_to(ramp, (50, 50)), atol=1.5)
    np.testing.assert_allclose(found[..., 1], np.broadcast_to(ramp[:, None], (50, 50)), atol=1.5)


def test_beyond_the_photo_it_is_mirrored_and_fades() -> None:
    assert _mirror(np.arange(-3, 8), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[:, :50] = 200
    found = cut(photo, Square((50.0, 0.0), (50.0, 0.0)), 100)  # its upper half lies outside
    np.testing.assert_array_equal(found[70:, :40], 200)
    contrast = found[:, 10].astype(int) - found[:, 90]
    assert contrast[0, 0] == pytest.approx(200 * (1 - 50 / 60), abs=1)  # on its way to the median, 60 pixels beyond the edge
    assert contrast[49, 0] == pytest.approx(200 * (1 - 1 / 60), abs=1)
    plain = np.full((80, 80, 3), 90, np.uint8)
    np.testing.assert_array_equal(cut(plain, Square((0.0, 0.0), (60.0, 20.0)), 32), 90)


# ---- putting back

SQUARE = Square((170.0, 110.0), (60.0, 20.0))


def test_a_perfect_inversion_gives_the_photo_back(scene) -> None:
    photo = scene(320, 240, 3)
    for size in (16, 128, 200):
        was = cut(photo, SQUARE, size)
        np.testing.assert_array_equal(put_back(photo, SQUARE, was, was), photo)


def test_what_lies_outside_the_square_is_untouched(scene) -> None:
    photo = scene(320, 240, 4)
    was = cut(photo, SQUARE, 64)
    found = put_back(photo, SQUARE, was, 255 - was)
    y, x = np.mgrid[0:240, 0:320] + 0.5
    places = SQUARE.from_photo(np.stack([x, y], axis=-1))
    outside = ((places < -0.01) | (places > 1.01)).any(axis=-1)
    np.testing.assert_array_equal(found[outside], photo[outside])
    middle = (np.abs(places - 0.5) < 0.2).all(axis=-1)
    assert (found[middle] != photo[middle]).mean() > 0.9


def test_there_is_no_seam() -> None:
    photo = np.full((240, 320, 3), 100, np.uint8)
    was = cut(photo, SQUARE, 64)
    found = put_back(photo, SQUARE, was, np.full_like(was, 180)).astype(int)
    assert found[110, 170].tolist() == [180] * 3
    assert np.abs(np.diff(found, axis=0)).max() < 12  # 80 levels over the fading margin of about 23 pixels
    assert np.abs(np.diff(found, axis=1)).max() < 12


def test_the_middle_becomes_the_drawing(scene) -> None:
    photo, square = scene(320, 240, 5), Square((150.0, 120.0), (64.0, 0.0))
    was = cut(photo, square, 128)
    drawn = np.ascontiguousarray(255 - was)
    found = put_back(photo, square, was, drawn)
    np.testing.assert_allclose(found[100:140, 130:170].astype(int), drawn[44:84, 44:84].astype(int), atol=1)


def test_fine_detail_stays_where_nothing_changed_and_goes_where_all_did() -> None:
    rng = np.random.default_rng(0)
    photo = np.clip(120 + rng.normal(0, 12, (256, 256, 1)).repeat(3, axis=2), 0, 255).round().astype(np.uint8)
    square = Square((128.0, 128.0), (128.0, 0.0))
    was = cut(photo, square, 32)
    drawn = was.copy()
    drawn[:, 16:] = 220
    found = put_back(photo, square, was, drawn)
    np.testing.assert_array_equal(found[80:176, 60:90], photo[80:176, 60:90])
    assert found[100:156, 150:190].std() < 1
    assert abs(found[100:156, 150:190].mean() - 220) < 1


def test_a_square_half_outside_the_photo_and_one_far_away(scene) -> None:
    photo = scene(100, 100, 6)
    for square in (Square((95.0, 50.0), (40.0, 0.0)), Square((500.0, 500.0), (40.0, 0.0))):
        was = cut(photo, square, 64)
        found = put_back(photo, square, was, 255 - was)
        assert found.shape == photo.shape
        assert (found != photo).any() == (square.centre[0] < 100)


def test_squares_of_two_sizes_are_refused(scene) -> None:
    photo = scene(100, 100)
    with pytest.raises(EditError, match=r"\[32, 32, 3\] and \[16, 16, 3\]"):
        put_back(photo, SQUARE, photo[:32, :32], photo[:16, :16])


# ---- photos


def test_a_photo_with_known_faces(scene) -> None:
    pixels = scene(400, 300)
    small = DetectedFace((40, 80, 80, 120), landmarks((60, 100), eyes=20, mouth=22))
    large = DetectedFace((200, 60, 320, 180), landmarks((260, 120), eyes=60, mouth=66, turned=10))
    photo = Photo.find(pixels, detector=lambda: KnownFaces([large, small]))
    assert (photo.faces, photo.face) == (2, 1)
    assert photo.square == Square.around(large.points)
    assert Photo.find(pixels, which="left", detector=lambda: KnownFaces([large, small])).square == Square.around(small.points)
    was = photo.aligned(64)
    np.testing.assert_array_equal(photo.with_face(was), pixels)
    assert photo.with_face(255 - was).shape == pixels.shape
    with pytest.raises(EditError, match="no face"):
        Photo.find(pixels, detector=lambda: KnownFaces([]))


def test_an_aligned_picture_needs_no_detector(scene) -> None:
    photo = Photo.of_aligned(scene(60, 60))
    assert photo.aligned(32).shape == (32, 32, 3)
    drawn = np.zeros((32, 32, 3), np.uint8)
    assert photo.with_face(drawn) is drawn


def test_an_aligned_picture_has_to_be_square(scene) -> None:
    with pytest.raises(EditError, match=r"aligned=true is for a square .*; this picture is 90 x 60"):
        Photo.of_aligned(scene(90, 60))


def test_five_points_give_the_square_of_68() -> None:
    points = landmarks((200, 150), eyes=60, mouth=70, turned=20)
    five = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30], points[48], points[54]])
    assert Square.around(five).centre == pytest.approx(Square.around(points).centre)
    assert Square.around(five).half == pytest.approx(Square.around(points).half)


def at_full_size(photo: np.ndarray, square: Square, size: int) -> np.ndarray:
    """The square cut out of the photo's own pixels, mirrored, blurred and faded before anything is made smaller."""
    whole = cut(photo, square, max(size, round(square.side / 2 + 1)))  # a step of one pixel
    step = len(whole) / size
    edges = np.rint(np.arange(size + 1) * step).astype(int)
    return np.add.reduceat(np.add.reduceat(whole.astype(float), edges[:-1], 0), edges[:-1], 1) / np.outer(
        np.diff(edges), np.diff(edges)
    ).reshape(size, size, 1)


@pytest.mark.parametrize("square", [Square((60.0, 90.0), (256.0, 0.0)), Square((700.0, 500.0), (230.0, 90.0))])
def test_a_square_at_the_border_is_the_same_from_fewer_pixels(scene, square: Square) -> None:
    photo = scene(1000, 800, 7)
    found, wanted = cut(photo, square, 32).astype(float), at_full_size(photo, square, 32)
    assert np.abs(found - wanted).mean() < 1
    assert np.abs(found - wanted).max() < 8  # cells of unequal numbers of pixels


def test_a_photo_of_48_megapixels_is_cut_in_no_time(scene) -> None:
    photo = scene(400, 300, 8).repeat(20, axis=0).repeat(20, axis=1)
    began = time.process_time()
    cut(photo, Square((400.0, 600.0), (1500.0, 400.0)), 128)  # over the border
    assert time.process_time() - began < 2  # on one quiet core a tenth of it; blurred at full size it was 40


# ---- grey and transparent photos


def test_a_grey_photo_stays_grey(scene) -> None:
    grey = np.repeat(scene(320, 240, 9)[..., :1], 3, axis=2)
    face = DetectedFace((100, 60, 220, 180), landmarks((160, 120), eyes=40, mouth=44))
    photo = Photo.find(grey, detector=lambda: KnownFaces([face]))
    assert photo.grey
    drawn = scene(64, 64, 10)
    found = photo.with_face(drawn)
    assert (found != grey).any()
    assert (np.ptp(found.astype(int), axis=2) <= 1).all()
    assert (np.ptp(Photo.of_aligned(grey[:64, :64]).with_face(drawn), axis=2) == 0).all()
    assert not Photo.of_aligned(drawn).grey


def test_a_transparent_photo_stays_transparent(scene) -> None:
    layers = np.dstack([scene(320, 240, 11), np.full((240, 320), 255, np.uint8)])
    layers[:, 250:, 3] = 0
    layers[:20, :, 3] = 77
    face = DetectedFace((100, 60, 220, 180), landmarks((160, 120), eyes=40, mouth=44))
    photo = Photo.read(images.encode(layers), detector=lambda: KnownFaces([face]))
    np.testing.assert_array_equal(photo.with_face(photo.aligned(64)), layers)
    found = photo.with_face(255 - photo.aligned(64))
    np.testing.assert_array_equal(found[..., 3], layers[..., 3])
    np.testing.assert_array_equal(found[:, 270:], layers[:, 270:])
    assert (found[100:140, 140:180] != layers[100:140, 140:180]).any()
    assert photo.with_face(photo.aligned(64), transparent=False).shape == (240, 320, 3)
    aligned = Photo.read(images.encode(layers[:240, 80:]), aligned=True, detector=lambda: KnownFaces([]))
    assert aligned.with_face(scene(32, 32)).shape == (32, 32, 4)
