"""Latents of other programs: each shape comes as w+ of this generator, or is refused in one line."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from support.direction_files import npy, npz, pt

from beholder.editing import latent_file
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.errors import EditError
from beholder.storage import Place

RNG = np.random.default_rng(6)
W = RNG.normal(size=12).astype(np.float32)
WS = RNG.normal(size=(8, 12)).astype(np.float32)
FEW = RNG.normal(size=(3, 8, 12)).astype(np.float32)
Z = RNG.normal(size=8).astype(np.float32)
SAME = np.repeat(W[None], 18, axis=0)
UNLIKE = RNG.normal(size=(18, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """z of 8, w of 12, 8 rows of w+."""
    torch.manual_seed(5)
    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    return Generator(config).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("name", "data", "which", "wanted"),
    [
        ("projected_w.npz", npz(w=WS[None]), None, WS),
        ("w.npy", npy(W), None, W),
        ("w.npy", npy(W[None]), None, W),
        ("w.npy", npy(W[None, None]), None, W),
        ("wp.npy", npy(WS), None, WS),
        ("wp.npy", npy(WS.reshape(1, -1)), None, WS),
        ("wp.npy", npy(WS[None, None]), None, WS),
        ("0.pt", pt(torch.tensor(WS[None])), None, WS),
        ("latents.pt", pt(torch.tensor(FEW)), "2", FEW[2]),
        ("w_of_1024.npy", npy(SAME[None]), None, W),
        ("w_of_1024.npy", npy(SAME), None, W),
        ("ws.npy", npy(RNG.normal(size=(5, 12)) * 0 + W), None, W),
        ("ws.npy", npy(UNLIKE), "4", UNLIKE[4]),
        ("seen.pt", pt({"a.png": {"img": torch.ones(3, 4, 4), "latent": torch.tensor(WS), "noise": [torch.ones(4)]}}), None, WS),
        ("two.pt", pt({"a.png": torch.tensor(WS), "b.png": torch.tensor(FEW[0])}), "b.png", FEW[0]),
        ("latents.npy", npy(np.array({"a.png": [WS, FEW[1]]}, dtype=object)), "1", FEW[1]),
        ("more.npz", npz(img=np.ones((4, 4, 3)), w=WS[None], loss=0.1), None, WS),
        ("w.pkl", pickle.dumps({"w_plus": WS}, 4), None, WS),
        ("w.csv", "\n".join(",".join(map(str, row)) for row in WS.tolist()).encode(), None, WS),
    ],
)  # fmt: skip
def test_latents_of_other_programs(
    tmp_path: Path, generator: Generator, name: str, data: bytes, which: str | None, wanted: np.ndarray
) -> None:
    (tmp_path / name).write_bytes(data)
    found = latent_file.read(Place.at(tmp_path / name), generator, which=which)
    np.testing.assert_allclose(found.ws.numpy(), np.broadcast_to(wanted, (1, 8, 12)), rtol=1e-6)
    assert found.z is None


@pytest.mark.parametrize("data", [npz(z=Z[None]), npy(Z), npy(Z[None])])
def test_z_goes_through_the_mapping(tmp_path: Path, generator: Generator, data: bytes) -> None:
    (tmp_path / "z").write_bytes(data)
    found = latent_file.read(Place.at(tmp_path / "z"), generator)
    given = torch.tensor(Z)[None]
    assert torch.equal(found.ws, generator.mapping(given))
    assert found.z is not None
    assert torch.equal(found.z, given)


@pytest.mark.parametrize(
    ("name", "data", "which", "says"),
    [
        ("a.npy", npy(FEW), None, r"it holds 3 latents; say which with latent_row=0 \.\. 2"),
        ("a.npy", npy(FEW), "3", r"it has no latents '3'; there are 0\.\.2"),
        ("a.npy", npy(UNLIKE[None]), None, r"it holds 18 different rows of w\+, this generator has 8 \(32 px\)"),
        ("a.npy", npy(UNLIKE), None, r"it holds 18 rows of 12 numbers, and this generator's w\+ has 8; where each is a w"),
        ("a.npy", npy(np.ones((1, 512))), None, r"shape \[1, 512\]; this generator takes 12 \(w\) or 8 x 12 \(w\+\)"),
        ("a.npz", npz(one=WS, two=WS), None, "it holds 2 things; say which with latent_row=NAME: one, two"),
        ("a.npz", npz(one=WS, two=WS), "tow", "it holds no 'tow'; did you mean two"),
        ("a.npy", npy(WS * np.nan), None, "not finite"),
        ("a.npy", b"junk", None, "can't be read as latents"),
        ("a.npz", npz(z=np.ones(9)), None, "its z has 9 numbers, this generator's 8"),
    ],
)
def test_what_is_no_latent_of_this_generator(
    tmp_path: Path, generator: Generator, name: str, data: bytes, which: str | None, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EditError, match=says) as told:
        latent_file.read(Place.at(tmp_path / name), generator, which=which)
    assert "\n" not in str(told.value)
