"""The darkroom, on the shipped portraits: what it draws is what the editor draws, and what was removed is gone."""

import numpy as np
import pytest

from beholder import images
from beholder.editing.inversion import Refinement
from beholder.editing.stylegan import StyleGAN
from beholder.errors import EditError, ImageError, UnknownImage
from beholder.images import ImageLimits
from beholder.recommending.image_library import ImageLibrary, ImageLibraryConfig, LatentStore
from beholder.recommending.store.choice_store import Store
from beholder.storage import Place


@pytest.fixture(scope="module")
def editor():
    return StyleGAN.load()


@pytest.fixture
def room(editor, tmp_path):
    config = ImageLibraryConfig(refinement=Refinement(steps=0), limits=ImageLimits(max_pixels=10_000, max_bytes=100_000), latents=2)
    return ImageLibrary(editor, LatentStore(editor, Place.at(tmp_path), "portraits"), Store.at(tmp_path / "choices.db"), config)


def photo(editor, seed, size=96):
    return images.encode(images.fit_pixels(editor.edit(editor.generate([seed]), [{}])[0], images.Fit(size)))


def test_faces_drawn_together_are_as_drawn_alone(room, editor):
    wanted = [("seed-1", [{}, {"smile": 2.0}]), ("seed-2", []), ("seed-3", [{"glasses": 1.0}])]
    drawn = room.draw_images(wanted)
    assert [len(each) for each in drawn] == [2, 0, 1]
    for (image_id, edits), found in zip(wanted, drawn, strict=True):
        alone = editor.edit(editor.generate([int(image_id[5:])]), edits)
        assert np.array_equal(found, alone)


def test_a_photo_and_a_seed_are_drawn_together(room, editor):
    face = room.add_photo(photo(editor, 5), "ana", aligned=True)
    found = room.draw_images([(face.image_id, [{}]), ("seed-1", [{}])])
    assert np.array_equal(found[1], editor.edit(editor.generate([1]), [{}]))
    assert np.abs(found[0].astype(int) - editor.edit(editor.generate([5]), [{}])).mean() < 20


def test_a_photo_is_inverted_once_and_is_everybodys_who_brought_it(room, editor):
    data = photo(editor, 5)
    first, again = (room.add_photo(data, user, aligned=True) for user in ("ana", "bo"))
    assert first.image_id == again.image_id
    assert first.loss is not None
    assert again.loss is None
    assert room.store.uploads("ana") == ()  # bo has it too
    room.store.forget("bo")
    assert room.store.uploads("ana") == (room.latents.uri(first.image_id),)


def test_what_was_removed_is_not_remembered(room, editor):
    face = room.add_photo(photo(editor, 6), "ana", aligned=True)
    assert room.picture(face.image_id, {}, "image/png")
    room.latents.remove(face.image_id)
    for act in (room.image, room.latent, lambda each: room.picture(each, {}, "image/png"), lambda each: room.check(each, [{}])):
        with pytest.raises(UnknownImage, match="is not among the photos uploaded"):
            act(face.image_id)


def test_what_is_no_photo_leaves_nothing_behind(room, editor):
    for data, error in [
        (b"", "empty"),
        (b"GIF", "no image"),
        (photo(editor, 1)[:200], "broken"),
        (photo(editor, 1, 128), "over the limit"),
    ]:
        with pytest.raises(ImageError, match=error):
            room.add_photo(data, "ana", aligned=True)
    assert room.store.people() == []


@pytest.mark.parametrize("kind", ["image/png", "image/webp", "image/jpeg"])
def test_a_picture_is_kept_for_a_while(room, kind):
    first = room.picture("seed-1", {"smile": 1.0}, kind)
    assert room.cached_file("seed-1", {"smile": 1.0, "hat": 0.0}, kind) is first
    assert room.cached_file("seed-1", {"smile": 1.5}, kind) is None
    assert room.picture("seed-1", {"smile": 1.0}, kind) is first


def test_memory_has_an_end(editor, room):
    small = ImageLibrary(editor, room.latents, room.store, ImageLibraryConfig(pictures_mb=0.0))
    first = small.picture("seed-1", {}, "image/png")
    assert small.cached_file("seed-1", {}, "image/png") is None
    assert small.picture("seed-1", {}, "image/png") == first


@pytest.mark.parametrize(
    ("text", "reason"),
    [("smile=3.1", "smile=3.1: expected an alpha between -3 and 3"), ("smil=1", "did you mean smile"), ("smile=nan", "finite")],
)
def test_edits_outside_what_makes_sense(room, text, reason):
    with pytest.raises(EditError, match=reason):
        room.read_edit(text)


def test_edits_as_people_write_them(room):
    assert room.read_edit(" smile = 1.4, glasses=-3") == {"smile": 1.4, "glasses": -3.0}
    assert room.read_edit("") == {}
