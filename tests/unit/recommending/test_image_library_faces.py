"""Faces: seeds need no file, photos are kept, and no id leads anywhere else."""

from pathlib import Path

import pytest
import torch

from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.latent import Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.editing.stylegan import StyleGAN
from beholder.errors import EditError
from beholder.recommending.image_library import LatentStore
from beholder.storage import Place


def editor(seed: int = 0) -> StyleGAN:
    torch.manual_seed(seed)
    return StyleGAN(Generator(GeneratorConfig(resolution=16, z_dim=8, w_dim=8, channel_base=64, channel_max=8)))


@pytest.fixture
def faces(tmp_path: Path) -> LatentStore:
    return LatentStore(editor(), Place.at(tmp_path), "tiny")


def photo(faces: LatentStore, fingerprint: str | None = None) -> SavedInversion:
    ws = torch.randn(1, faces.editor.generator.config.num_ws, 8)
    return SavedInversion(Latent(ws), fingerprint or faces.fingerprint, "tiny", "ab" * 32, None)


def test_a_seed_is_always_the_same_face(faces):
    image_id = LatentStore.id_of_seed(7)
    assert image_id in faces
    assert torch.equal(faces.latent(image_id).ws, faces.editor.generate([7]).ws)


def test_a_photo_comes_back_as_it_was_kept(faces):
    brought = photo(faces)
    image_id = faces.write(brought)
    assert image_id == LatentStore.id_of_photo("ab" * 32) == "photo-" + "ab" * 12
    assert image_id in faces
    assert torch.equal(faces.latent(image_id).ws, brought.latent.ws)
    faces.remove(image_id)
    assert image_id not in faces
    with pytest.raises(EditError, match="not among the photos uploaded"):
        faces.latent(image_id)


def test_a_latent_of_another_generator_is_refused(faces):
    with pytest.raises(EditError, match="belongs to generator"):
        faces.write(photo(faces, "0123456789abcdef"))


@pytest.mark.parametrize(
    "image_id", ["", "seed--1", "seed-007", "seed-1.5", "../secrets", "photo-../../x", "photo-" + "g" * 24, "x" * 500]
)
def test_what_is_no_id_is_said_and_opens_no_file(faces, image_id):
    assert image_id not in faces
    with pytest.raises(EditError, match="is no image"):
        faces.latent(image_id)


def test_a_seed_out_of_range_is_said(faces):
    with pytest.raises(EditError, match="between 0 and"):
        faces.latent("seed-9999999999")
