"""Files from elsewhere that once failed, where they are at hand: each gives what it should."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beholder.commands import import_directions
from beholder.editing import generator_store, latent_file
from beholder.editing.checkpoints import checkpoint
from beholder.editing.directions import Direction
from beholder.editing.generator import Generator
from beholder.editing.generator_store import fingerprint
from beholder.storage import Place

CASES = Path(os.environ.get("BEHOLDER_SHARED", Path(__file__).parents[4] / "shared")).resolve() / "cases" / "editor"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the files are not at {CASES}; BEHOLDER_SHARED tells where shared/ is")


def portraits() -> Generator:
    """The shipped generator's mapping, with the 12 rows of w+ that the files have."""
    shipped = generator_store.read("portraits")
    made = Generator(replace(shipped.config, resolution=128)).eval().requires_grad_(False)
    made.mapping.load_state_dict(shipped.mapping.state_dict())
    return made


def brought(file: str, **settings: Any) -> Direction:
    generator = portraits()
    said = import_directions.ImportDirectionsSettings(name="brought", file=str(CASES / file), **settings)
    return import_directions.bring(said, generator, fingerprint(generator))[0]


@pytest.mark.parametrize("file", sorted(path.name for path in CASES.glob("[0-9]*")))
def test_the_same_generator_in_every_wrapping(file: str) -> None:
    assert fingerprint(checkpoint.read(Place.at(CASES / file)).generator) == "d7c3d11d4f66c6f3"


def test_a_latent_of_another_program_is_one_of_ours() -> None:
    found = latent_file.read(Place.at(CASES / "projected_w.npz"), portraits())
    np.testing.assert_array_equal(found.ws.numpy(), np.load(CASES / "projected_w.npz")["w"])


def test_rows_move_as_far_as_the_direction_in_w() -> None:
    wanted = float(brought("smile_w.npy").step.norm())
    for file in ("wplus_near_contrast.npy", "wplus_contrast.npy"):
        moved = brought(file).step.norm(dim=1).numpy()
        np.testing.assert_allclose(moved, wanted, rtol=0.02)


@pytest.mark.parametrize(
    ("file", "component"),
    [
        ("directions_named.csv", "chin"),
        ("header_only.csv", None),
        ("row.tsv", None),
        ("torch_tensor.pkl", None),
        ("tuple.pt", None),
        ("matrix_with_names.pkl", "smile"),
    ],
)
def test_one_direction_in_w_comes(file: str, component: str | None) -> None:
    made = brought(file, component=component)
    assert made.space == "w"
    assert made.vector.shape == (128,)
    if component != "smile":  # the others hold the same row, some as text of few digits
        assert float(made.vector @ brought("header_only.csv").vector) > 0.999
