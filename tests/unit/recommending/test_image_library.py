"""The image library, on the shipped portraits: it draws what the editor draws, and what was removed is gone."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from beholder import images
from beholder.editing.faces.photo import to_grey
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Detail, Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.editing.stylegan import StyleGAN
from beholder.errors import EditError, ImageError, PersonErased, UnknownImage
from beholder.images import ImageLimits
from beholder.recommending.image_library import Abandoned, ImageLibrary, ImageLibraryConfig, LatentStore
from beholder.recommending.store.choice_store import Store
from beholder.storage import Place


@pytest.fixture(scope="module")
def editor():
    return StyleGAN.load()


@pytest.fixture
def library(editor, tmp_path):
    config = ImageLibraryConfig(refinement=Refinement(steps=0), limits=ImageLimits(max_pixels=10_000, max_bytes=100_000), latents=2)
    return ImageLibrary(editor, LatentStore(editor, Place.at(tmp_path), "portraits"), Store.at(tmp_path / "choices.db"), config)


def photo(editor, seed, size=96):
    return images.encode(images.fit_pixels(editor.edit(editor.generate([seed]), [{}])[0], images.Fit(size)))


def test_images_drawn_together_are_as_drawn_alone(library, editor):
    requests = [("seed-1", [{}, {"smile": 2.0}]), ("seed-2", []), ("seed-3", [{"glasses": 1.0}])]
    drawn = library.draw_images(requests)
    assert [len(each) for each in drawn] == [2, 0, 1]
    for (image_id, edits), pictures in zip(requests, drawn, strict=True):
        alone = editor.edit(editor.generate([int(image_id[5:])]), edits)
        assert np.array_equal(pictures, alone)


def test_a_photo_and_a_seed_are_drawn_together(library, editor):
    image = library.add_photo(photo(editor, 5), "ana", aligned=True)
    drawn = library.draw_images([(image.image_id, [{}]), ("seed-1", [{}])])
    assert np.array_equal(drawn[1], editor.edit(editor.generate([1]), [{}]))
    assert np.abs(drawn[0].astype(int) - editor.edit(editor.generate([5]), [{}])).mean() < 20


def test_a_photo_is_inverted_once_and_is_its_persons_alone(library, editor):
    data = photo(editor, 5)
    first, again, other = (library.add_photo(data, user, aligned=True) for user in ("ana", "ana", "bo"))
    assert first.image_id == again.image_id != other.image_id
    assert [each.loss is None for each in (first, again, other)] == [False, True, False]  # bo does not learn that ana has it
    assert library.store.erase("bo").uris == (library.latents.uri(other.image_id),)
    assert library.store.uploads("ana") == (library.latents.uri(first.image_id),)


@pytest.mark.parametrize("when", ["decoded", "kept"])
def test_who_is_erased_while_a_photo_is_inverted_has_none_afterwards(library, editor, when):
    """Both moments: before the upload is known, and between that and its latent's file."""

    class Erasing(LatentStore):
        def write(self, image_id, inverted):
            library.store.erase("ana")
            super().write(image_id, inverted)

    class Busy:
        """An editor that takes its time."""

        def __getattr__(self, name):
            return getattr(editor, name)

        def inversion(self, *args, **kwargs):
            library.store.erase("ana")
            return editor.inversion(*args, **kwargs)

    if when == "decoded":
        library.editor = Busy()
    else:
        library.latents = Erasing(editor, Place.at(Path(library.latents.uri("x")).parents[2]), "portraits")
    with pytest.raises(PersonErased, match="nothing is kept"):
        library.add_photo(photo(editor, 5), "ana", aligned=True)
    assert library.store.people() == []
    assert list(Path(library.latents.uri("x")).parent.glob("photo-*")) == []


def test_a_black_and_white_photo_is_shown_without_colour(library, editor):
    library.config = replace(library.config, force=True)  # no portrait of the generator's is black and white
    grey = to_grey(images.decode(photo(editor, 5)))
    for file, colourless in ((images.encode(grey, format="PNG"), True), (photo(editor, 5), False)):
        image = library.add_photo(file, "ana", aligned=True)
        shown = images.decode(library.picture(image.image_id, {"smile": 1.0}, "image/png"))
        assert (np.ptp(shown, axis=2).max() == 0) == colourless
        assert library.grey(image.image_id) == colourless
    assert not library.grey("seed-5")


def test_a_photo_with_detail_is_shown_with_it_at_every_size(library):
    plain, detailed = (
        Latent(torch.zeros(1, 6, 8)),
        Latent(torch.zeros(1, 6, 8), details=(Detail(torch.zeros(6, 8), torch.zeros(1, 8, 8)),)),
    )
    library._latents.put("photo-1", plain)
    library._latents.put("photo-2", detailed)
    library.latents = {"photo-1", "photo-2"}
    assert [library.shown_size("photo-1", size) for size in (64, 33, 512, 4096, None)] == [64, 64, None, None, None]
    assert library.shown_size("photo-2", 64) is None


def test_an_image_that_is_forgotten_is_not_in_memory_either(library, editor):
    image = library.add_photo(photo(editor, 5), "ana", aligned=True)
    library.picture(image.image_id, {}, "image/png")
    library.picture("seed-1", {}, "image/png")
    library.forget(image.image_id)
    assert [key[0] for key in library._files.held()] == ["seed-1"]
    assert image.image_id not in library.latents


def test_what_was_removed_is_not_remembered(library, editor):
    image = library.add_photo(photo(editor, 6), "ana", aligned=True)
    assert library.picture(image.image_id, {}, "image/png")
    library.latents.remove(image.image_id)
    for act in (
        library.image,
        library.latent,
        lambda each: library.picture(each, {}, "image/png"),
        lambda each: library.check(each, [{}]),
    ):
        with pytest.raises(UnknownImage, match="is not among the photos uploaded"):
            act(image.image_id)


def test_what_is_no_photo_leaves_nothing_behind(library, editor):
    for data, error in [
        (b"", "empty"),
        (b"GIF", "no image"),
        (photo(editor, 1)[:200], "broken"),
        (photo(editor, 1, 128), "over the limit"),
    ]:
        with pytest.raises(ImageError, match=error):
            library.add_photo(data, "ana", aligned=True)
    assert library.store.people() == []


def stripes() -> bytes:
    """A picture that no portrait is."""
    return images.encode(np.repeat(np.arange(96) // 6 % 2 * 255, 96 * 3).reshape(96, 96, 3).astype(np.uint8))


def test_what_the_generator_cannot_redraw_is_not_taken(library, editor):
    with pytest.raises(
        EditError, match=r"would be a smeared ghost: the inversion is \d\.\d+ off, pictures of its own kind at most"
    ):
        library.add_photo(stripes(), "ana", aligned=True)
    assert library.store.people() == []
    forced = ImageLibrary(editor, library.latents, library.store, replace(library.config, force=True))
    assert forced.add_photo(stripes(), "ana", aligned=True).loss > editor.own_distance


def test_a_photo_that_is_not_square_is_not_aligned(library):
    data = images.encode(np.zeros((90, 60, 3), np.uint8))
    with pytest.raises(EditError, match="60 x 90"):
        library.add_photo(data, "ana", aligned=True)


def test_abandoned_work_stops_and_leaves_nothing_behind(library, editor):
    asked = []

    def abandoned() -> bool:
        asked.append(True)
        return len(asked) > 5  # before, between decoding and looking, and in each of the first steps

    patient = replace(library.config, refinement=Refinement(steps=1000))
    slow = ImageLibrary(editor, library.latents, library.store, patient)
    with pytest.raises(Abandoned):
        slow.add_photo(photo(editor, 8), "ana", aligned=True, abandoned=abandoned)
    assert len(asked) == 6
    assert library.store.people() == []


@pytest.mark.parametrize("kind", ["image/png", "image/webp", "image/jpeg"])
def test_a_picture_is_kept_for_a_while(library, kind):
    first = library.picture("seed-1", {"smile": 1.0}, kind)
    assert library.cached_file("seed-1", {"smile": 1.0, "hat": 0.0}, kind) is first
    assert library.cached_file("seed-1", {"smile": 1.5}, kind) is None
    assert library.picture("seed-1", {"smile": 1.0}, kind) is first


def test_memory_has_an_end(editor, library):
    small = ImageLibrary(editor, library.latents, library.store, ImageLibraryConfig(pictures_mb=0.0))
    first = small.picture("seed-1", {}, "image/png")
    assert small.cached_file("seed-1", {}, "image/png") is None
    assert small.picture("seed-1", {}, "image/png") == first


@pytest.mark.parametrize(
    ("text", "reason"),
    [("smile=3.1", "smile=3.1: expected an alpha between -3 and 3"), ("smil=1", "did you mean smile"), ("smile=nan", "finite")],
)
def test_edits_outside_what_makes_sense(library, text, reason):
    with pytest.raises(EditError, match=reason):
        library.read_edit(text)


def test_edits_as_people_write_them(library):
    assert library.read_edit(" smile = 1.4, glasses=-3") == {"smile": 1.4, "glasses": -3.0}
    assert library.read_edit("") == {}


def tiny_editor(seed: int = 0) -> StyleGAN:
    torch.manual_seed(seed)
    return StyleGAN(Generator(GeneratorConfig(resolution=16, z_dim=8, w_dim=8, channel_base=64, channel_max=8)))


@pytest.fixture
def latents(tmp_path: Path) -> LatentStore:
    return LatentStore(tiny_editor(), Place.at(tmp_path), "tiny")


def inversion(latents: LatentStore, fingerprint: str | None = None) -> SavedInversion:
    ws = torch.randn(1, latents.editor.generator.config.num_ws, 8)
    return SavedInversion(Latent(ws), fingerprint or latents.fingerprint, "tiny", "ab" * 32, None)


def test_a_seed_is_always_the_same_image(latents):
    image_id = LatentStore.id_of_seed(7)
    assert image_id in latents
    assert torch.equal(latents.latent(image_id).ws, latents.editor.generate([7]).ws)


def test_a_photo_comes_back_as_it_was_kept(latents):
    kept = inversion(latents)
    image_id = LatentStore.id_of_photo("ana", kept.sha256)
    latents.write(image_id, kept)
    assert re.fullmatch("photo-[0-9a-f]{24}", image_id)
    assert image_id in latents
    assert torch.equal(latents.latent(image_id).ws, kept.latent.ws)
    latents.remove(image_id)
    assert image_id not in latents
    with pytest.raises(EditError, match="not among the photos uploaded"):
        latents.latent(image_id)


def test_photos_of_the_generator_it_was_trained_on_from_are_its_photos(latents, tmp_path):
    image_id = LatentStore.id_of_photo("ana", "ab" * 32)
    latents.write(image_id, inversion(latents))
    later = LatentStore(tiny_editor(seed=1), Place.at(tmp_path), "tiny", [latents.fingerprint])
    assert image_id in later
    assert torch.equal(later.latent(image_id).ws, latents.latent(image_id).ws)
    assert later.uri(image_id) == latents.uri(image_id)
    assert image_id not in LatentStore(tiny_editor(seed=1), Place.at(tmp_path), "tiny")
    later.write(image_id, inversion(later))  # where it is uploaded again
    assert later.uri(image_id) != latents.uri(image_id)
    later.remove(image_id)
    assert image_id not in later
    assert image_id not in latents


def test_a_latent_of_another_generator_is_refused(latents):
    with pytest.raises(EditError, match="belongs to generator"):
        latents.write("photo-" + "0" * 24, inversion(latents, "0123456789abcdef"))


@pytest.mark.parametrize(
    "image_id", ["", "seed--1", "seed-007", "seed-1.5", "../secrets", "photo-../../x", "photo-" + "g" * 24, "x" * 500]
)
def test_what_is_no_id_is_said_and_opens_no_file(latents, image_id):
    assert image_id not in latents
    with pytest.raises(EditError, match="is no image"):
        latents.latent(image_id)


def test_a_seed_out_of_range_is_said(latents):
    with pytest.raises(EditError, match="between 0 and"):
        latents.latent("seed-9999999999")
