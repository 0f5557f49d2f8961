"""exports: embeddings as other programs read them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from beholder import tables
from beholder.cli import main
from beholder.embedding import embeddings
from beholder.workspace import Workspace

VECTORS = np.eye(5, dtype=np.float32)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Five embeddings in two shards, one image in both; the URI of one of them is known."""
    result = Workspace(str(tmp_path / "w"))
    folder = result.embeddings("clip")
    for ids in (["a", "b", "c"], ["c", "d", "e"]):
        rows = [ord(image_id) - ord("a") for image_id in ids]
        embeddings.write_shard(folder, encoder_id="clip", image_ids=ids, sha256=[None] * 3, vectors=VECTORS[rows])
    result.upsert("images", pa.Table.from_pylist([{"image_id": "a", "uri": "/files/a.jpg"}], schema=tables.IMAGES))
    return result


def words(workspace: Workspace, *more: str) -> list[str]:
    return ["export", f"workspace={workspace.place.uri}", "encoder_id=clip", *more]


def test_npy_as_clip_retrieval_has_it(workspace, tmp_path):
    assert main(words(workspace, f"out={tmp_path}/out")) == 0
    found: dict[str, tuple[str, list[float]]] = {}
    for number in range(2):
        vectors = np.load(tmp_path / "out" / "img_emb" / f"img_emb_{number}.npy")
        metadata = pd.read_parquet(tmp_path / "out" / "metadata" / f"metadata_{number}.parquet")
        assert vectors.dtype == np.float32
        for image_id, path, vector in zip(metadata["image_id"], metadata["image_path"], vectors, strict=True):
            found[image_id] = (path, vector.tolist())
    assert {image_id: vector for image_id, (_, vector) in found.items()} == dict(zip("abcde", VECTORS.tolist(), strict=True))
    assert (found["a"][0], found["b"][0]) == ("/files/a.jpg", "b")


def test_a_faiss_index(workspace, tmp_path):
    faiss = pytest.importorskip("faiss", reason="the extra faiss is not installed")
    assert main(words(workspace, f"out={tmp_path}/out", "format=faiss")) == 0
    index = faiss.read_index(str(tmp_path / "out" / "embeddings.index"))
    ids = pd.read_parquet(tmp_path / "out" / "image_ids.parquet")["image_id"].tolist()
    assert sorted(ids) == list("abcde")
    _, nearest = index.search(VECTORS, 1)
    assert [ids[row] for row in nearest[:, 0]] == list("abcde")


@pytest.mark.parametrize(
    ("more", "reason"), [("format=csv", "format must be npy or faiss"), ("encoder_id=other", "no embeddings in")]
)
def test_mistakes_are_one_line(workspace, tmp_path, capsys, more, reason):
    assert main([*words(workspace, f"out={tmp_path}/out"), more]) == 2
    assert reason in capsys.readouterr().err
