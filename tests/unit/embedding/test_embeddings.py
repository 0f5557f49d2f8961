"""embeddings: shards that survive anything, and vectors computed elsewhere."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as sampling
from hypothesis import strategies as st

from beholder import tables
from beholder.embedding import embeddings
from beholder.embedding.embeddings import Embeddings
from beholder.errors import EmbeddingError, TableError
from beholder.storage import Place


def vector(number: int, dims: int = 3) -> list[float]:
    return [float(number + step) for step in range(dims)]


def put(folder: Place, *ids: str, shift: int = 0, dims: int = 3) -> Place:
    """A shard in which image "7" has the vector (7, 8, 9), moved by `shift`."""
    vectors = np.array([vector(int(i) + shift, dims) for i in ids], np.float32)
    return embeddings.write_shard(folder, encoder_id="e", image_ids=ids, sha256=[f"sha{i}" for i in ids], vectors=vectors)


@pytest.fixture
def folder(tmp_path) -> Place:
    return Place.at(tmp_path / "e")


def names(folder: Place) -> list[str]:
    return [entry.path for entry in folder.files()]


def test_read_is_in_order_whatever_the_shards(folder):
    put(folder, "3", "1")
    put(folder, "2")
    found = embeddings.read(folder)
    assert found.image_ids == ["1", "2", "3"]
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [vector(1), vector(2), vector(3)]


def test_a_shard_tells_its_encoder_and_has_the_schema(folder):
    place = put(folder, "1")
    schema = pq.read_schema(place.path)
    assert schema.metadata[b"encoder_id"] == b"e"
    assert schema.remove_metadata().equals(tables.EMBEDDINGS)


def test_work_done_twice_overwrites_itself(folder):
    assert put(folder, "1", "2") == put(folder, "1", "2", shift=5)
    assert len(names(folder)) == 1
    assert embeddings.read(folder).vectors.tolist() == [vector(6), vector(7)]
    assert put(folder, "2", "1") != put(folder, "1", "2")


def test_an_image_in_two_shards_comes_once(folder):
    put(folder, "1", "2")
    put(folder, "2", "3")
    assert embeddings.read(folder).image_ids == ["1", "2", "3"]


def test_nothing_there(folder):
    with pytest.raises(EmbeddingError, match=r"no embeddings in .*/e; make them with beholder embed"):
        embeddings.read(folder)
    assert embeddings.known(folder) == {}
    assert embeddings.vectors_of(folder, pa.array(["sha1"])).num_rows == 0
    assert embeddings.compact(folder) == 0


def test_vectors_of_different_lengths(folder):
    put(folder, "1")
    put(folder, "2", dims=4)
    with pytest.raises(EmbeddingError, match=r"different lengths: \[3, 4\]"):
        embeddings.read(folder)


def test_a_broken_shard_is_named(folder):
    put(folder, "1")
    (folder / "part-x.parquet").write_bytes(b"hello")
    for reader in (embeddings.read, embeddings.known):
        with pytest.raises(TableError, match=r"part-x\.parquet is no readable Parquet"):
            reader(folder)


def test_other_files_are_left_alone(folder):
    (folder / "README.md").write_bytes(b"hello")
    put(folder, "1")
    embeddings.compact(folder)
    assert (folder / "README.md").is_file()
    assert embeddings.known(folder) == {"1": "sha1"}


def test_known_and_vectors_of(folder):
    put(folder, "1", "2")
    put(folder, "3")
    assert embeddings.known(folder) == {"1": "sha1", "2": "sha2", "3": "sha3"}
    found = embeddings.vectors_of(folder, pa.array(["sha2", "sha3", "sha9"]))
    assert dict(zip(found["sha256"].to_pylist(), found["embedding"].to_pylist(), strict=True)) == {
        "sha2": vector(2),
        "sha3": vector(3),
    }


def test_drop(folder):
    put(folder, "1", "2")
    put(folder, "3")
    embeddings.drop(folder, {"1", "3", "9"})
    assert embeddings.known(folder) == {"2": "sha2"}
    assert len(names(folder)) == 1
    embeddings.drop(folder, {"2"})
    assert names(folder) == []


@sampling(max_examples=25, deadline=None)
@given(
    shards=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), min_size=1, max_size=6),
    rows=st.integers(1, 20),
)
def test_compact_keeps_every_image(tmp_path_factory, shards, rows):
    folder = Place.at(tmp_path_factory.mktemp("compact"))
    for shard in shards:
        put(folder, *map(str, shard))
    before = embeddings.read(folder)
    count = embeddings.compact(folder, rows=rows)
    after = embeddings.read(folder)
    assert after.image_ids == before.image_ids
    assert (after.vectors == before.vectors).all()
    left = [pq.read_table(folder.path + "/" + name) for name in names(folder)]
    assert len(left) == count
    assert all(len(set(table["image_id"].to_pylist())) == table.num_rows for table in left)
    assert max(table.num_rows for table in left) <= max(rows, *map(len, shards))
    assert all(table.schema.metadata[b"encoder_id"] == b"e" for table in left)
    assert embeddings.compact(folder, rows=rows) <= count


def test_compacting_what_is_compact_touches_nothing(folder, tmp_path):
    put(folder, "1", "2")
    put(folder, "3")
    assert embeddings.compact(folder) == 1
    (path,) = (tmp_path / "e").iterdir()
    before = path.stat()
    assert embeddings.compact(folder) == 1
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_record_that_does_not_fit():
    with pytest.raises(EmbeddingError, match=r"2 images have vectors of shape \[1, 3\]"):
        Embeddings(["a", "b"], np.zeros((1, 3), np.float32))


# ---- computed elsewhere

VECTORS = {"images/b.jpg": np.array([1, 2], np.float32), "images/a.jpg": np.array([3, 4], np.float32)}


def saved(path, vectors=VECTORS, **options) -> Place:
    """`vectors` in a file of the kind that the path's ending says."""
    if path.suffix == ".parquet":
        columns = {"image_id": list(vectors), "embedding": [list(map(float, row)) for row in vectors.values()]}
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".npz" and options:
        np.savez(path, image_id=np.array(list(vectors)), embedding=np.stack(list(vectors.values())))
    elif path.suffix == ".npz":
        np.savez(path, **vectors)
    else:
        path.write_bytes(pickle.dumps(vectors, **options))
    return Place.at(path)


@pytest.mark.parametrize("name", ["x.parquet", "x.npz", "x.pkl", "x.pickle", "X.PKL", "x.v2.npz"])
def test_every_kind_of_file(tmp_path, name):
    found = embeddings.from_file(saved(tmp_path / name))
    assert found.image_ids == ["images/a.jpg", "images/b.jpg"]
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [[3, 4], [1, 2]]


def test_an_npz_of_two_arrays(tmp_path):
    found = embeddings.from_file(saved(tmp_path / "x.npz", joined=True))
    assert (found.image_ids, found.vectors.tolist()) == (["images/a.jpg", "images/b.jpg"], [[3, 4], [1, 2]])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.int64])
def test_every_protocol_and_number(tmp_path, protocol, dtype):
    vectors = {"a": np.array([[1, 2]], dtype), "b": np.asfortranarray(np.array([[3], [4]], dtype))}
    found = embeddings.from_file(saved(tmp_path / "x.pkl", vectors, protocol=protocol))
    assert found.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "vectors", "says"),
    [
        ("x.pkl", {}, "holds no embeddings"),
        ("x.pkl", {"a": np.ones(2), "b": np.ones(3)}, r"different lengths: \[2, 3\]"),
        ("x.pkl", {"a": np.ones(0)}, r"different lengths: \[0\]"),
        ("x.npz", {"a": np.array([1, np.nan]), "b": np.ones(2)}, "vector of 'a' has numbers that are not finite"),
        ("x.npz", {"a": np.array([1e300])}, "not finite"),
        ("x.pkl", [np.ones(2)], "expected a dict of path -> numeric numpy array, got a list"),
        ("x.pkl", {"a": [1.0, 2.0]}, "expected a dict of path -> numeric numpy array"),
        ("x.pkl", {"a": np.array(["x"])}, "expected a dict of path -> numeric numpy array"),
        ("x.npz", {"a": np.array(["x"])}, "numeric"),
        ("x.npz", {"a": np.array([None])}, "can't be read as an .npz of numeric arrays"),
        ("x.pkl", {1: np.ones(2), "1": np.ones(2)}, "has image '1' more than once"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_is_refused(tmp_path, name, vectors, says):
    with pytest.raises(EmbeddingError, match=says) as caught:
        embeddings.from_file(saved(tmp_path / name, vectors))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["x.parquet", "x.npz", "x.pkl"])
@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04broken", b"\x80\x04broken"])
def test_broken_files(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EmbeddingError, match=f"{name}"):
        embeddings.from_file(Place.at(tmp_path / name))


def test_another_kind_of_file(tmp_path):
    (tmp_path / "x.csv").write_text("a,1")
    with pytest.raises(EmbeddingError, match=r"x\.csv: expected a \.parquet, \.npz, \.pkl or \.pickle file"):
        embeddings.from_file(Place.at(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a"], "embedding": [[1.0]]}, "has no column 'image_id'; found: id, embedding"),
        ({"image_id": ["a"], "embedding": ["x"]}, "is not of its schema"),
        ({"image_id": ["a", None], "embedding": [[1.0], [2.0]]}, "image_id"),
        ({"image_id": ["a", "b"], "embedding": [[1.0], None]}, "embedding"),
        ({"image_id": ["a"], "embedding": [[None]]}, "finite|embedding"),
        ({"image_id": ["a", "a"], "embedding": [[1.0], [2.0]]}, "'a' more than once"),
    ],
)
def test_parquet_that_is_refused(tmp_path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(EmbeddingError, match=says):
        embeddings.from_file(Place.at(tmp_path / "x.parquet"))


def test_an_npz_whose_arrays_do_not_fit(tmp_path):
    np.savez(tmp_path / "x.npz", image_id=np.array(["a"]), embedding=np.ones((2, 3)))
    with pytest.raises(EmbeddingError, match=r"image_id \[1\] does not fit embedding \[2, 3\]"):
        embeddings.from_file(Place.at(tmp_path / "x.npz"))


# ---- whose vectors these are


def listed(**uris: str) -> pa.Table:
    return pa.Table.from_pylist([{"image_id": i, "uri": uri} for i, uri in uris.items()], schema=tables.IMAGES)


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("i7", "i7"),
        ("/here/set/images/7.jpg", "i7"),
        ("/home/ana/data/images/7.jpg", "i7"),
        ("images/7.jpg", "i7"),
        ("C:\\faces\\images\\7.jpg", "i7"),
        ("8.jpg", "i8"),
        ("/home/ana/other/9.jpg", "j9"),
        ("9.jpg", "9.jpg"),
        ("none.jpg", "none.jpg"),
        ("x7.jpg", "x7.jpg"),
    ],
)
def test_match(name, image_id):
    images = listed(
        i7="/here/set/images/7.jpg",
        i8="s3://x/images/8.jpg",
        i9="/here/set/images/9.jpg",
        j9="/here/set/other/9.jpg",
    )
    assert embeddings.match([name], images) == [image_id]


def test_two_names_for_one_image_stay_names():
    names = ["/a/7.jpg", "/b/7.jpg"]
    assert embeddings.match(names, listed(i7="/here/7.jpg")) == names
