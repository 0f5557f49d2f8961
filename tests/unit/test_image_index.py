"""image_index: files listed from folders, globs, lists and buckets, and the images that a workspace knows."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import image_index, tables
from beholder.errors import StorageError, TableError
from beholder.image_index import list_images, resolve_paths
from beholder.storage import Place
from beholder.workspace import Workspace

NAMES = ("b.jpg", "a/2.jpg", "a/10.png", "a/c/3.jpg", ".DS_Store", ".cache/x.jpg")


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def ids(table: pa.Table) -> list[str]:
    return table["image_id"].to_pylist()


def listed(path, **columns: list) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_a_folder(faces):
    table = list_images(str(faces))
    assert ids(table) == ["a/10.png", "a/2.jpg", "a/c/3.jpg", "b.jpg"]
    assert table["uri"].to_pylist() == [f"{faces}/{name}" for name in ids(table)]


def test_one_file(faces):
    assert list_images(f"{faces}/a/2.jpg").to_pylist() == [{"image_id": "2.jpg", "uri": f"{faces}/a/2.jpg"}]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b.jpg"]),
        ("**/*.jpg", ["a/2.jpg", "a/c/3.jpg", "b.jpg"]),
        ("a/*", ["10.png", "2.jpg"]),
        ("a/?.jpg", ["2.jpg"]),
        ("a/[0-9]*.png", ["10.png"]),
        ("*/*.jpg", ["a/2.jpg"]),
    ],
)
def test_a_glob(faces, pattern, found):
    folder = pattern.rpartition("/")[0].rstrip("*") if pattern.startswith("a/") else ""
    table = list_images(f"{faces}/{pattern}")
    assert [f"{folder}/{i}".lstrip("/") if folder else i for i in ids(table)] == [
        f"{folder}/{name}".lstrip("/") if folder else name for name in found
    ]


def test_a_relative_glob(faces, monkeypatch):
    monkeypatch.chdir(faces)
    assert list_images("*.jpg")["uri"].to_pylist() == [f"{faces}/b.jpg"]


def test_a_folder_named_like_a_glob(faces):
    folder = faces.rename(faces.with_name("set[1]"))
    assert ids(list_images(str(folder))) == ["a/10.png", "a/2.jpg", "a/c/3.jpg", "b.jpg"]


@pytest.mark.parametrize("source", ["nowhere", "faces/*.gif", "empty"])
def test_nothing_there(faces, tmp_path, monkeypatch, source):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"no files in .*; expected a folder, a glob"):
        list_images(source)


def test_a_list_of_uris(tmp_path):
    path = listed(tmp_path / "list.parquet", uri=["/x/b.jpg", "s3://y/a.jpg"])
    assert ids(list_images(path)) == ["/x/b.jpg", "s3://y/a.jpg"]


def test_a_list_with_ids_of_its_own(tmp_path):
    path = listed(tmp_path / "list.parquet", uri=["/x/b.jpg", "/x/a.jpg"], image_id=["one", "two"], more=[1, 2])
    assert list_images(path).to_pylist() == [{"image_id": "one", "uri": "/x/b.jpg"}, {"image_id": "two", "uri": "/x/a.jpg"}]


def test_lists_that_are_refused(tmp_path):
    with pytest.raises(TableError, match=r"has no column 'uri'"):
        list_images(listed(tmp_path / "1.parquet", link=["a"]))
    with pytest.raises(TableError, match="has image_id 'one' more than once"):
        list_images(listed(tmp_path / "2.parquet", uri=["a", "b"], image_id=["one", "one"]))
    with pytest.raises(StorageError, match="lists no images"):
        list_images(listed(tmp_path / "3.parquet", uri=pa.array([], pa.string())))
    (tmp_path / "4.parquet").write_text("hello")
    with pytest.raises(TableError, match="no readable Parquet"):
        list_images(str(tmp_path / "4.parquet"))
    with pytest.raises(StorageError, match="does not exist"):
        list_images(str(tmp_path / "5.parquet"))
    with pytest.raises(TableError):
        list_images(listed(tmp_path / "6.parquet", uri=pa.array(["a", None])))


def test_a_bucket(s3):
    for name in ("set/b.jpg", "set/a/1.jpg", "other/x.jpg"):
        (Place.at(s3) / name).write_bytes(b"x")
    assert list_images(f"{s3}/set").to_pylist() == [
        {"image_id": "a/1.jpg", "uri": f"{s3}/set/a/1.jpg"},
        {"image_id": "b.jpg", "uri": f"{s3}/set/b.jpg"},
    ]
    assert ids(list_images(f"{s3}/set/**/*.jpg")) == ["a/1.jpg", "b.jpg"]
    assert ids(list_images(f"{s3}/set/b.jpg")) == ["b.jpg"]


def test_a_bucket_with_its_address_in_the_uri(s3):
    query = f"?endpoint_override={os.environ['AWS_ENDPOINT_URL']}"
    (Place.at(s3) / "addressed/b.jpg").write_bytes(b"x")
    for source in (f"{s3}/addressed{query}", f"{s3}/addressed/*.jpg{query}"):
        assert list_images(source).to_pylist() == [{"image_id": "b.jpg", "uri": f"{s3}/addressed/b.jpg{query}"}]


def test_resolve(faces):
    paths = ["b.jpg", "./a/2.jpg", "faces/a/10.png", "a\\c\\3.jpg", "/b.jpg", "none.jpg"]
    found = resolve_paths(Place.at(faces), paths)
    assert found == {
        "b.jpg": f"{faces}/b.jpg",
        "./a/2.jpg": f"{faces}/a/2.jpg",
        "faces/a/10.png": f"{faces}/a/10.png",
        "a\\c\\3.jpg": f"{faces}/a/c/3.jpg",
        "/b.jpg": f"{faces}/b.jpg",
        "none.jpg": None,
    }


def test_resolve_never_leaves_its_folder(faces):
    (faces.parent / "secret.jpg").write_bytes(b"x")
    paths = ["../secret.jpg", "a/../../secret.jpg", str(faces.parent / "secret.jpg")]
    assert set(resolve_paths(Place.at(faces), paths).values()) == {None}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(str(tmp_path / "ws"))


@pytest.fixture
def two_faces(tmp_path):
    (tmp_path / "two").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "two" / name).touch()
    return tmp_path / "two"


def images(*rows: tuple[str, str]) -> pa.Table:
    return pa.Table.from_pylist([{"image_id": image_id, "uri": uri} for image_id, uri in rows], schema=tables.IMAGES)


def test_new_files_are_named_by_their_path(workspace, two_faces):
    found = image_index.find_images(workspace, str(two_faces))
    assert found.to_pylist() == [{"image_id": name, "uri": f"{two_faces}/{name}"} for name in ("a.jpg", "b.jpg")]


def test_a_file_that_the_workspace_knows_keeps_its_name(workspace, two_faces):
    workspace.write("images", images(("ana", f"{two_faces}/a.jpg")))
    assert image_index.find_images(workspace, str(two_faces))["image_id"].to_pylist() == ["ana", "b.jpg"]


def test_one_name_never_stands_for_two_files(workspace, two_faces):
    workspace.write("images", images(("a.jpg", "/elsewhere/a.jpg")))
    with pytest.raises(TableError, match=r"'a\.jpg' stands for /elsewhere/a\.jpg"):
        image_index.find_images(workspace, str(two_faces))


def test_without_a_source_it_is_what_the_workspace_has(workspace):
    with pytest.raises(TableError, match="has no images yet"):
        image_index.find_images(workspace, None)
    workspace.write("images", images(("x", "/x.png")))
    assert image_index.find_images(workspace, None).to_pylist() == [{"image_id": "x", "uri": "/x.png"}]


def test_a_note_replaces_rows_and_forgets_what_was_mended(workspace):
    workspace.write("images", images(("x", "/x.png"), ("y", "/y.png")))
    workspace.replace_rejected({"/z.png"}, [{"file": "/z.png", "reason": "the file is empty"}])
    learned = [{"image_id": "y", "uri": "/y.png", "sha256": "00", "width": 3, "height": 4}]
    workspace.upsert("images", pa.Table.from_pylist(learned, schema=tables.IMAGES))
    workspace.replace_rejected({"/y.png", "/z.png", "/w.png"}, [{"file": "/w.png", "reason": "the file is no image"}])
    assert [row["image_id"] for row in workspace.read("images").to_pylist()] == ["x", "y"]
    assert workspace.read("images").to_pylist()[1] == learned[0]
    assert [(row["file"], row["reason"]) for row in workspace.read("rejected").to_pylist()] == [("/w.png", "the file is no image")]
