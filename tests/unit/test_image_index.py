"""Which images a workspace has, under which names."""

import pyarrow as pa
import pytest

from beholder import image_index, tables
from beholder.errors import TableError
from beholder.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(str(tmp_path / "ws"))


@pytest.fixture
def faces(tmp_path):
    (tmp_path / "faces").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "faces" / name).touch()
    return tmp_path / "faces"


def images(*rows: tuple[str, str]) -> pa.Table:
    return pa.Table.from_pylist([{"image_id": image_id, "uri": uri} for image_id, uri in rows], schema=tables.IMAGES)


def test_new_files_are_named_by_their_path(workspace, faces):
    found = image_index.find(workspace, str(faces))
    assert found.to_pylist() == [{"image_id": name, "uri": f"{faces}/{name}"} for name in ("a.jpg", "b.jpg")]


def test_a_file_that_the_workspace_knows_keeps_its_name(workspace, faces):
    workspace.write("images", images(("ana", f"{faces}/a.jpg")))
    assert image_index.find(workspace, str(faces))["image_id"].to_pylist() == ["ana", "b.jpg"]


def test_one_name_never_stands_for_two_files(workspace, faces):
    workspace.write("images", images(("a.jpg", "/elsewhere/a.jpg")))
    with pytest.raises(TableError, match=r"'a\.jpg' stands for /elsewhere/a\.jpg"):
        image_index.find(workspace, str(faces))


def test_without_a_source_it_is_what_the_workspace_has(workspace):
    with pytest.raises(TableError, match="has no images yet"):
        image_index.find(workspace, None)
    workspace.write("images", images(("x", "/x.png")))
    assert image_index.find(workspace, None).to_pylist() == [{"image_id": "x", "uri": "/x.png"}]


def test_a_note_replaces_rows_and_forgets_what_was_mended(workspace):
    workspace.write("images", images(("x", "/x.png"), ("y", "/y.png")))
    workspace.replace_rejected({"/z.png"}, [{"file": "/z.png", "reason": "the file is empty"}])
    learned = [{"image_id": "y", "uri": "/y.png", "sha256": "00", "width": 3, "height": 4}]
    image_index.note(
        workspace,
        pa.Table.from_pylist(learned, schema=tables.IMAGES),
        looked_at={"/y.png", "/z.png", "/w.png"},
        rejected={"/w.png": "the file is no image"},
    )
    assert [row["image_id"] for row in workspace.read("images").to_pylist()] == ["x", "y"]
    assert workspace.read("images").to_pylist()[1] == learned[0]
    assert [(row["file"], row["reason"]) for row in workspace.read("rejected").to_pylist()] == [("/w.png", "the file is no image")]
