"""known_images: what a workspace knows of the images of a list."""

import numpy as np
import pyarrow as pa
import pytest

from beholder import image_lists, tables
from beholder.embedding import embeddings
from beholder.embedding.known_images import KnownImages, content_digests
from beholder.errors import TableError
from beholder.workspace import Workspace

SHA = {name: name * 64 for name in "abcdef"}  # contents


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(str(tmp_path))


def known(workspace: Workspace) -> KnownImages:
    return KnownImages.read(workspace, workspace.embeddings("e"))


def catalogue(workspace: Workspace, **images: tuple[str, str | None]) -> None:
    rows = [{"image_id": image_id, "uri": uri, "sha256": sha256} for image_id, (uri, sha256) in images.items()]
    workspace.upsert("images", pa.Table.from_pylist(rows, schema=tables.IMAGES))


def embedded(workspace: Workspace, **images: str | None) -> None:
    vectors = np.ones((len(images), 2), np.float32)
    folder = workspace.embeddings("e")
    embeddings.write_shard(folder, encoder_id="e", image_ids=list(images), sha256=list(images.values()), vectors=vectors)


def listed(**images: str) -> pa.Table:
    return pa.table({"image_id": list(images), "uri": list(images.values())}, schema=image_lists.SCHEMA)


def missing(workspace: Workspace, **images: str) -> list[tuple[str, str]]:
    table = known(workspace).missing(listed(**images), workspace.table("images"))
    return list(zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True))


def test_an_empty_workspace_lacks_everything(workspace):
    assert missing(workspace, one="/1.jpg", two="/2.jpg") == [("one", "/1.jpg"), ("two", "/2.jpg")]


def test_what_has_an_embedding_is_not_missing(workspace):
    catalogue(workspace, one=("/1.jpg", SHA["a"]), two=("/2.jpg", None))
    embedded(workspace, one=SHA["a"])
    assert missing(workspace, one="/1.jpg", two="/2.jpg", three="/3.jpg") == [("two", "/2.jpg"), ("three", "/3.jpg")]


def test_an_image_keeps_the_id_that_the_workspace_knows_its_uri_by(workspace):
    catalogue(workspace, seven=("/7.jpg", None), eight=("/8.jpg", SHA["b"]))
    embedded(workspace, eight=SHA["b"])
    assert missing(workspace, **{"7.jpg": "/7.jpg", "8.jpg": "/8.jpg"}) == [("seven", "/7.jpg")]


def test_an_id_that_would_name_two_files_is_refused(workspace):
    catalogue(workspace, one=("/1.jpg", None))
    with pytest.raises(TableError, match=r"'one' stands for /1\.jpg in this workspace, not for /other\.jpg"):
        missing(workspace, two="/2.jpg", one="/other.jpg")


def test_the_embedding_of_a_file_that_has_changed_goes(workspace):
    catalogue(workspace, one=("/1.jpg", SHA["a"]), two=("/2.jpg", SHA["b"]), three=("/3.jpg", None))
    embedded(workspace, one=SHA["c"], two=SHA["b"], three=SHA["d"], four=None)
    assert missing(workspace, one="/1.jpg", two="/2.jpg", three="/3.jpg") == [("one", "/1.jpg")]
    assert embeddings.known(workspace.embeddings("e")) == {"two": SHA["b"], "three": SHA["d"], "four": None}


def test_contents_and_rejected_files(workspace):
    embedded(workspace, one=SHA["a"], two=None)
    workspace.replace_rejected({"/bad.jpg"}, [{"file": "/bad.jpg", "reason": "no image"}])
    result = known(workspace)
    assert result.contents.find(content_digests([SHA["a"], SHA["b"], None]))[0].tolist() == [True, False, False]
    assert len(result.rejected) == 1
