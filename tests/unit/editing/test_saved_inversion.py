"""Inverted: a file keeps all of it; other files are refused in one line."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from beholder.editing.faces.alignment import Square
from beholder.editing.generator import GeneratorConfig
from beholder.editing.latent import Detail, Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.errors import EditError, StorageError
from beholder.storage import Place

ABOUT = '{"square": null, "fingerprint": "", "generator": "", "sha256": ""}'
SIZES = GeneratorConfig(resolution=16, z_dim=8, w_dim=8)


@pytest.fixture
def found() -> SavedInversion:
    return SavedInversion(Latent(torch.randn(1, 6, 8)), "abc123", "faces", "0" * 64, Square((12.25, 7.5), (3.0, -0.125)))


def test_a_file_keeps_everything(tmp_path: Path, found: SavedInversion) -> None:
    place = Place.at(tmp_path / "one.safetensors")
    found.write(place)
    again = SavedInversion.read(place)
    assert torch.equal(again.latent.ws, found.latent.ws)
    assert (again.fingerprint, again.generator, again.sha256, again.square) == ("abc123", "faces", "0" * 64, found.square)
    again.of_generator(SIZES, "abc123", "faces")


def test_another_generator_is_refused(found: SavedInversion) -> None:
    with pytest.raises(EditError, match=r"belongs to generator faces \(abc123\), not to cars \(fff\)"):
        found.of_generator(SIZES, "fff", "cars")
    with pytest.raises(EditError, match=r"this latent is \[6, 8\], generator faces takes \[8, 8\]"):
        found.of_generator(GeneratorConfig(resolution=32, w_dim=8), "abc123", "faces")


def test_a_generator_trained_on_from_another_takes_its_latents(found: SavedInversion) -> None:
    detailed = replace(found, latent=Latent(found.latent.ws, details=(Detail(found.latent.ws[0], torch.randn(4, 8, 8)),)))
    own = detailed.of_generator(GeneratorConfig(resolution=32, w_dim=8), "fff", "faces", ["eee", "abc123"])
    assert (own.fingerprint, own.generator, own.square) == ("fff", "faces", found.square)
    assert torch.equal(own.latent.ws[:, :6], found.latent.ws)
    assert torch.equal(own.latent.ws[:, 6:], found.latent.ws[:, -1:].expand(-1, 2, -1))
    assert own.latent.details in ((), (None,))  # what features say was said of other layers
    with pytest.raises(EditError, match="belongs to generator faces"):
        detailed.of_generator(SIZES, "fff", "cars", ["eee"])
    with pytest.raises(EditError, match=r"this latent is \[6, 8\], generator cars takes \[4, 8\]"):
        detailed.of_generator(GeneratorConfig(resolution=8, w_dim=8), "fff", "cars", ["abc123"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no latent"),
        (b"nothing", "no latent"),
        (struct.pack("<Q", 2**60) + b"{}", "no latent"),
        (save({"other": torch.zeros(1)}), "lacks 'w_plus'"),
        (save({"w_plus": torch.zeros(1, 6, 8)}), "no latent"),
        (save({"w_plus": torch.full((1, 6, 8), torch.nan)}, {"inverted": ABOUT}), "not finite"),
        (save({"w_plus": torch.zeros(1, 6, 8)}, {"inverted": '{"square": {"centre": [1], "half": [1, 1]}}'}), "no latent"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(EditError, match=says):
        SavedInversion.read(Place.at(tmp_path / "x.safetensors"))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        SavedInversion.read(Place.at(tmp_path / "none.safetensors"))
