"""embeddings: shards that survive anything."""

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


def test_where_there_are_none_the_other_tables_are_named(folder):
    put(folder, "1")
    with pytest.raises(EmbeddingError, match=r"of this workspace are those of e \(encoder_id=e\)"):
        embeddings.read(Place.at(folder.path[: -len("e")] + "portraits"))


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


def test_vectors_of_pictures_read_without_their_profiles_are_counted(folder):
    put(folder, "1", "2")
    assert embeddings.without_profiles(folder) == 0
    old = np.zeros((2, 3), np.float32)
    embeddings.write_shard(folder, encoder_id="e", image_ids=["3", "4"], sha256=["a", None], vectors=old, profiles=False)
    assert embeddings.without_profiles(folder) == 1  # what came as vectors was no picture
    embeddings.compact(folder)
    assert embeddings.without_profiles(folder) == 3  # nobody knows any more which
    embeddings.drop(folder, {"3", "4"})
    assert embeddings.without_profiles(folder) == 2
