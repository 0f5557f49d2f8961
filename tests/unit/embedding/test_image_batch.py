"""image_batch: images read and decoded, and what comes of them stored."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from beholder import image_lists, images
from beholder.embedding import embeddings
from beholder.embedding.image_batch import BatchStore, ImageBatch, read_batch
from beholder.embedding.known_images import KnownImages
from beholder.images import Fit, ImageLimits
from beholder.workspace import Workspace

FIT, LIMITS = Fit(8), ImageLimits()


def first_come(contents: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """A claim that gives equal contents to the first."""
    seen: set[bytes] = set()
    result = np.ones(len(contents), bool)
    for row, content in enumerate(contents):
        result[row] = content.tobytes() not in seen
        seen.add(content.tobytes())
    return result


@pytest.fixture
def files(tmp_path, scene) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(images.encode(scene(12, 10 + number)))
    (folder / "twin.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "2.png").read_bytes()[:-200])
    (folder / "cut-twin.png").write_bytes((folder / "cut.png").read_bytes())
    (folder / "words.png").write_text("no image")
    return folder


def batch(folder: Path, names: list[str], workspace: Workspace) -> tuple[ImageBatch, BatchStore, KnownImages]:
    store = BatchStore(workspace, "e", time.time_ns())
    known = KnownImages.read(workspace, store.folder)
    rows = pa.table({"image_id": names, "uri": [f"{folder}/{name}" for name in names]}, schema=image_lists.SCHEMA)
    return read_batch(rows, fit=FIT, limits=LIMITS, known=known, claim=first_come), store, known


def vectors(count: int) -> np.ndarray:
    return np.arange(2 * count, dtype=np.float32).reshape(count, 2)


def test_what_is_read(files, tmp_path):
    names = ["0.png", "words.png", "1.png", "twin.png", "cut.png", "gone.png", "2.png"]
    result, _, _ = batch(files, names, Workspace(str(tmp_path / "w")))
    assert result.image_id == names
    assert result.own.tolist() == [True, False, True, False, False, False, True]
    assert [reason is None for reason in result.reason] == [True, False, True, True, False, False, True]
    assert (result.width[2], result.height[2], result.sha256[2]) == (12, 11, images.digest((files / "1.png").read_bytes()))
    for pixels, name in zip(result.pixels, ["0.png", "1.png", "2.png"], strict=True):
        np.testing.assert_array_equal(pixels, images.decode_fit((files / name).read_bytes(), FIT))


@pytest.mark.parametrize("names", [["0.png", "words.png", "1.png"], ["words.png"], ["twin.png", "1.png"], []])
def test_a_table_and_back(files, tmp_path, names):
    result, _, _ = batch(files, names, Workspace(str(tmp_path / "w")))
    for table in (result.to_arrow(), pa.concat_tables([result.to_arrow().slice(0, 1), result.to_arrow().slice(1)])):
        again = ImageBatch.from_arrow(table, 8)
        assert again.image_id == result.image_id
        assert again.reason == result.reason
        np.testing.assert_array_equal(again.own, result.own)
        np.testing.assert_array_equal(again.pixels, result.pixels)


def test_what_is_stored(files, tmp_path):
    workspace = Workspace(str(tmp_path / "w"))
    workspace.replace_rejected({f"{files}/0.png"}, [{"file": f"{files}/0.png", "reason": "was broken"}])
    names = ["0.png", "1.png", "twin.png", "cut.png", "cut-twin.png"]
    result, store, known = batch(files, names, workspace)
    assert store.store(result, vectors(2), known=known) == {"computed": 2, "twins": 2, "rejected": 1}
    assert store.store(result, vectors(2), known=known)["computed"] == 2  # done twice, as after a failure, it is written once
    assert embeddings.read(store.folder).image_ids == ["0.png", "1.png"]

    parts = store.twins.parts()
    assert store.copy(parts, known=known, limits=LIMITS, fit=FIT) == {"copied": 1, "rejected": 1}
    assert store.twins.parts() == []
    found = embeddings.read(store.folder)
    assert found.image_ids == ["0.png", "1.png", "twin.png"]
    np.testing.assert_array_equal(found.vectors, [[0, 1], [2, 3], [2, 3]])
    assert sorted(workspace.read("images")["image_id"].to_pylist()) == ["0.png", "1.png", "twin.png"]
    rejected = {Path(row["file"]).name: row["reason"] for row in workspace.read("rejected").to_pylist()}
    assert set(rejected) == {"cut.png", "cut-twin.png"}
    assert "broken" in rejected["cut-twin.png"]


def test_contents_that_are_embedded_already_are_copied(files, tmp_path):
    workspace = Workspace(str(tmp_path / "w"))
    result, store, known = batch(files, ["1.png"], workspace)
    store.store(result, vectors(1), known=known)
    result, store, known = batch(files, ["twin.png"], workspace)
    assert store.store(result, vectors(0), known=known) == {"computed": 0, "twins": 1, "rejected": 0}
    store.copy(store.twins.parts(), known=known, limits=LIMITS, fit=FIT)
    assert embeddings.read(store.folder).vectors.tolist() == [[0, 1], [0, 1]]
