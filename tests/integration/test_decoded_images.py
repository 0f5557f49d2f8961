"""Images that Ray Data decodes and a fit reads from a file: the same taste as with all of them in memory."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from beholder import tables
from beholder.cli import main
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

pytestmark = pytest.mark.soak
COUNT = 300  # of which one is broken: more than are decoded together


@pytest.fixture
def workspace(tmp_path, pictures) -> Path:
    folder = pictures(COUNT)
    (folder / "007.jpg").write_bytes(b"no image")
    ids = [f"{at:03d}.jpg" for at in range(COUNT)]
    place = Workspace(str(tmp_path / "ws"))
    place.write(
        "images",
        pa.table(
            {
                "image_id": ids,
                "uri": [str(folder / name) for name in ids],
                **{name: [None] * COUNT for name in ("sha256", "width", "height")},
            },
            schema=tables.IMAGES,
        ),
    )
    rng = np.random.default_rng(0)
    rows = []
    for at in range(600):
        left, right = rng.choice(COUNT, 2, replace=False)
        row = {"judgement_id": str(at), "user_id": f"person-{at % 3}", "left_id": ids[left], "right_id": ids[right]}
        rows.append(row | {"attribute": "kind", "choice": "left" if left > right else "right"})
    place.write("comparisons", pa.Table.from_pylist(rows, schema=tables.COMPARISONS))
    return tmp_path / "ws"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taste_is_the_same(workspace, tiny_encoder, workers):
    encoder = [word for word in tiny_encoder if word.startswith("encoder")]
    fit = ["taste=lora", *encoder, "taste.lora.fit.epochs=2", "taste.lora.fit.device=cpu", f"train.workers={workers}"]
    for name, most in (("memory", 4096), ("file", 0)):
        assert main(["train", *fit, f"name={name}", f"train.pixels_mib={most}", f"workspace={workspace}"]) == 0
    one, other = (taste_registry.read(Place.at(workspace) / "models", name).taste.tensors() for name in ("memory", "file"))
    for key, value in one.items():
        np.testing.assert_allclose(other[key], value, atol=1e-6)
    runs = sorted((workspace / "runs").glob("train-*"))
    judgements = [json.loads((run / "metrics.json").read_text())["judgements"] for run in runs]
    assert judgements[0] == judgements[1]
    logs = [(run / "log.txt").read_text() for run in runs]
    assert ["Ray decodes them" in log for log in logs] == [False, True]
    for log in logs:
        assert log.count("007.jpg is left out: ") == 1
