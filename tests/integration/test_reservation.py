"""Who reserves what: every command that computes, on a Ray that counts two GPUs which are not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from beholder import images, tables
from beholder.cli import main
from beholder.embedding.embeddings import write_shard
from beholder.workspace import Workspace

COUNT, PEOPLE = 24, 4


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """24 pictures, their embeddings under the name `known`, and comparisons of four people."""
    folder = tmp_path_factory.mktemp("reserved")
    place, rng = Workspace(str(folder / "ws")), np.random.default_rng(0)
    vectors = rng.normal(size=(COUNT, 8)).astype(np.float32)
    ids = [f"{at:03d}" for at in range(COUNT)]
    for at, image_id in enumerate(ids):
        pixels = np.tile(np.clip(128 + 40 * vectors[at, :3], 0, 255).astype(np.uint8), (32, 32, 1))
        (folder / f"{image_id}.png").write_bytes(images.encode(pixels, format="PNG"))
    rows = [{"image_id": image_id, "uri": str(folder / f"{image_id}.png")} for image_id in ids]
    place.write("images", pa.Table.from_pylist(rows, schema=tables.IMAGES))
    said = []
    for person in range(PEOPLE):
        for at in range(80):
            left, right = rng.choice(COUNT, 2, replace=False)
            choice = "left" if vectors[left, person] > vectors[right, person] else "right"
            said.append({"judgement_id": f"{person}-{at}", "user_id": f"p{person}", "left_id": ids[left], "right_id": ids[right]})
            said[-1] |= {"attribute": "kind", "choice": choice}
    place.write("comparisons", pa.Table.from_pylist(said, schema=tables.COMPARISONS))
    write_shard(place.embeddings("known"), encoder_id="known", image_ids=ids, sha256=[None] * COUNT, vectors=vectors)
    return folder / "ws"


def of(workspace: Path, command: str) -> list[dict]:
    """The metrics of a command's runs, in order."""
    runs = sorted((workspace / "runs").glob(f"{command}-*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text()) for path in runs]


def test_tasks_reserve_what_their_taste_uses_and_see_no_other_gpu(workspace, tiny_encoder):
    small = ["taste.mlp.widths=[8]", "taste.mlp.ensemble=1", "taste.mlp.fit.epochs=2", "taste.mlp.fit.batch=32"]
    known, here = "encoder_id=known", f"workspace={workspace}"
    encoder = [word for word in tiny_encoder if word.startswith("encoder")]
    train = [
        ["train", "taste=bayes", known, here],
        ["train", "taste=mlp", known, here, *small],
        ["train", "taste=ensemble", known, here, *small],
        ["train", "taste=lora", here, *encoder, "taste.lora.fit.epochs=1"],
        ["train", "taste=mlp", "taste.mlp.fit.device=cuda:0", known, here, *small],
    ]
    others = [
        ["evaluate", "taste=mlp", "beside=[bayes]", known, here, *small],
        ["predict", "taste=lora", "attribute=kind", "cluster_from=1", "actors=1", here, *encoder],
        ["tune", "taste=mlp", "tune.num_samples=2", "tune.least=2", "tune.tensorboard=true", known, here, *small],
    ]
    command = [sys.executable, "-m", "support.pretended_gpus", json.dumps([*train, *others])]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["codes"] == [0] * 4 + [2] + [0] * 3, done.stderr
    # a GPU is counted, but torch can't find it: the taste that insists on one says so, the others have gone on with the CPU
    assert "fit.device=cuda is not there" in done.stderr
    assert said["spread"] == {"auto": True, "cpu": False, "three": False}

    trained = of(workspace, "train")
    assert [each["reserved.gpus"] for each in trained] == [0, 0.25, 0.25, 1]
    assert [each["reserved.cpus"] for each in trained] == [1] * 4
    assert all(each["reserved.memory_mib"] > 500 for each in trained)
    assert [each["device"] for each in trained] == ["cpu"] * 4
    for each in trained:
        assert each["reserved.visible"] in (("0", "1") if each["reserved.gpus"] else ("",))

    (evaluated,) = of(workspace, "evaluate")
    assert evaluated["mlp/fit.reserved.gpus"] == 0.25
    assert evaluated["mlp/fit.reserved.visible"] in ("0", "1")
    for name in ("bayes/fit", "bayes/judge", "mlp/judge", "mlp, as served/judge"):
        assert (evaluated[f"{name}.reserved.gpus"], evaluated[f"{name}.reserved.visible"]) == (0, "")
    (predicted,) = of(workspace, "predict")
    assert predicted["reserved.gpus"] == 1

    # nothing could be measured, so each trial had a GPU of its own, and that is kept for a search that goes on
    (searched,) = (workspace / "runs").glob("tune-*")
    assert pd.read_csv(searched / "trials.csv")["gpus"].tolist() == [1, 1]
    assert "each trial reserves a whole one" in (searched / "log.txt").read_text()
    (search,) = (workspace / "tune").iterdir()
    assert json.loads((search / "gpu_share.json").read_text()) == {"num_gpus": 1.0}
    assert len(list(search.glob("attempt_*/events.out.tfevents.*"))) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["train", "taste=mlp", "taste.mlp.fit.device=cuda"],
            "taste.mlp.fit.device=cuda needs a node with 0.25 GPU",
        ),
        (["evaluate", "taste=mlp", "taste.mlp.fit.device=cuda"], "of this Ray have 0 at most; set taste.mlp.fit.device=cpu"),
        (["tune", "taste=mlp", "tune.least=2", "taste.mlp.fit.device=cuda"], "of this Ray have 0 at most"),
        (["train", "taste=mlp", "train.num_gpus=2"], "train.num_gpus must be in 0..1"),
    ],
)
def test_a_gpu_that_no_node_has_is_said_in_one_line(small_ray, workspace, capsys, words, says):
    assert main([*words, "encoder_id=known", f"workspace={workspace}"]) == 2
    assert says in capsys.readouterr().err.strip().splitlines()[-1]
