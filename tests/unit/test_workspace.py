"""workspace: each table in its place."""

import datetime

import pyarrow as pa
import pytest

from beholder import tables
from beholder.errors import TableError
from beholder.workspace import Workspace

NOW = datetime.datetime(2025, 2, 1, 12, tzinfo=datetime.UTC)


def test_opening_creates_nothing(tmp_path):
    workspace = Workspace(str(tmp_path / "new"))
    assert workspace.read("ratings").num_rows == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["images", "ratings", "comparisons", "rejected"])
def test_each_table_has_its_schema_and_file(tmp_path, name):
    workspace = Workspace(str(tmp_path))
    schema = getattr(tables, name.upper())
    assert workspace.read(name).schema == schema
    assert workspace.write(name, schema.empty_table())
    assert [path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")] == [name]


def test_a_table_of_another_schema_is_refused(tmp_path):
    with pytest.raises(TableError, match="ratings has no column"):
        Workspace(str(tmp_path)).write("ratings", tables.IMAGES.empty_table())
    assert list(tmp_path.iterdir()) == []


def test_rejected_is_replaced_file_by_file(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.replace_rejected({"a", "b"}, [{"file": "a", "reason": "1"}, {"file": "b", "reason": "2"}])
    workspace.replace_rejected({"a"}, [{"file": "a", "reason": "3"}])
    assert [(row["file"], row["reason"]) for row in workspace.read("rejected").to_pylist()] == [("a", "3"), ("b", "2")]
    workspace.replace_rejected({"a"}, [{"file": "a", "reason": "3"}])
    assert workspace.read("rejected").num_rows == 2
    workspace.replace_rejected({"a", "b"}, [])
    assert workspace.read("rejected").num_rows == 0


def test_places(tmp_path):
    workspace = Workspace(str(tmp_path))
    assert workspace.embeddings("vit").uri == f"{tmp_path}/embeddings/vit"
    assert workspace.start_run("embed", "a: 1\n", now=NOW).place.uri == f"{tmp_path}/runs/embed-20250201T120000Z"


def test_in_an_object_store(s3):
    workspace = Workspace(f"{s3}/team")
    table = pa.Table.from_pylist([{"image_id": "a", "uri": "s3://x/a.jpg"}], schema=tables.IMAGES)
    assert workspace.write("images", table)
    assert not workspace.write("images", table)
    assert Workspace(f"{s3}/team").read("images").equals(table)
