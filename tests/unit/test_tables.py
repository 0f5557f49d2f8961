"""tables: schemas, and Parquet to and from bytes."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import tables
from beholder.errors import TableError
from beholder.storage import Place


def images(*ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"image_id": i, "uri": f"/x/{i}.jpg"} for i in ids], schema=tables.IMAGES)


def test_no_table_yet_is_an_empty_one(tmp_path):
    table = tables.read(Place.at(tmp_path / "none.parquet"), tables.IMAGES)
    assert table.num_rows == 0
    assert table.schema == tables.IMAGES


def test_what_was_written_is_read(tmp_path):
    place = Place.at(tmp_path / "images.parquet")
    assert tables.write(place, images("b", "a"))
    assert tables.read(place, tables.IMAGES).equals(images("b", "a"))


def test_the_same_table_again_touches_nothing(tmp_path):
    path = tmp_path / "images.parquet"
    tables.write(Place.at(path), images("a"))
    before = path.stat()
    assert not tables.write(Place.at(path), images("a"))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert tables.write(Place.at(path), images("a", "b"))


def test_metadata_counts_as_content_where_it_is_given(tmp_path):
    place = Place.at(tmp_path / "images.parquet")
    assert tables.write(place, images("a"), metadata={"encoder_id": "one"})
    assert not tables.write(place, images("a"), metadata={"encoder_id": "one"})
    assert tables.write(place, images("a"), metadata={"encoder_id": "two"})
    assert pq.read_schema(tmp_path / "images.parquet").metadata[b"encoder_id"] == b"two"


def test_a_file_that_is_no_parquet(tmp_path):
    (tmp_path / "images.parquet").write_text("hello")
    with pytest.raises(TableError, match=r"images\.parquet is no readable Parquet file"):
        tables.read(Place.at(tmp_path / "images.parquet"), tables.IMAGES)


def test_an_unreadable_table_is_replaced(tmp_path):
    (tmp_path / "images.parquet").write_text("hello")
    assert tables.write(Place.at(tmp_path / "images.parquet"), images("a"))
    assert tables.read(Place.at(tmp_path / "images.parquet"), tables.IMAGES).num_rows == 1


def test_a_missing_column_is_named_with_what_was_found():
    with pytest.raises(TableError, match="images has no column 'uri'; found: image_id, url"):
        tables.conform(pa.table({"image_id": ["a"], "url": ["x"]}), tables.IMAGES, name="images")


def test_a_column_of_another_type():
    table = images("a").set_column(3, "width", pa.array(["wide"]))
    with pytest.raises(TableError, match="images is not of its schema"):
        tables.conform(table, tables.IMAGES, name="images")


def test_columns_are_put_in_order_and_extra_ones_left_out():
    table = images("a").select(["uri", "image_id", "sha256", "height", "width"]).append_column("more", pa.array([1]))
    assert tables.conform(table, tables.IMAGES, name="images").equals(images("a"))


@pytest.mark.parametrize("name", ["image_id", "uri"])
def test_an_id_may_not_be_null(name):
    table = pa.table({n: pa.array([None], pa.string()) if n == name else pa.array(["a"]) for n in ("image_id", "uri")})
    for column in ("sha256", "width", "height"):
        table = table.append_column(column, pa.array([None]))
    with pytest.raises(TableError):
        tables.conform(table, tables.IMAGES, name="images")


def test_times_keep_their_instant(tmp_path):
    import datetime

    east = datetime.timezone(datetime.timedelta(hours=3, minutes=30))
    at = datetime.datetime(2025, 2, 1, 12, 0, 0, 123456, tzinfo=east)
    row = {"judgement_id": "1", "user_id": "u", "image_id": "i", "attribute": "smart", "score": 1.0, "at": at}
    place = Place.at(tmp_path / "ratings.parquet")
    tables.write(place, pa.Table.from_pylist([row], schema=tables.RATINGS))
    assert tables.read(place, tables.RATINGS)["at"][0].as_py() == at


def with_metadata(path, size):
    """Write a Parquet file with so many bytes of metadata."""
    table = pa.table({"image_id": ["a"], "embedding": pa.array([[1.0, 2.0]], pa.list_(pa.float32())), "uri": ["a.jpg"]})
    pq.write_table(table.replace_schema_metadata({"x": "m" * size}), path)
    return path


def test_metadata_has_an_end(tmp_path, beholder):
    """The whole of it is unpacked before anything is read; of 120 million bytes the library ended the process now and then."""
    huge = with_metadata(tmp_path / "huge.parquet", tables.METADATA + 1)
    for words in ((f"source={huge}",), (f"embeddings={huge}", "encoder_id=other")):
        said = beholder("import", *words, f"workspace={tmp_path}/w")
        assert (said.code, len(said.err)) == (2, 1), said
        assert "bytes of metadata; expected at most 33,554,432" in said.err[0]
    for source in (str(huge), f"{tmp_path}/hug*.parquet"):
        said = beholder("embed", f"images={source}", f"workspace={tmp_path}/w", "encoder=looks")
        assert (said.code, len(said.err)) == (2, 1), said
        assert "bytes of metadata" in said.err[0]
    with pytest.raises(TableError, match="bytes of metadata"):
        tables.read(Place.at(huge), tables.IMAGES)
    small = with_metadata(tmp_path / "small.parquet", 100_000)
    assert tables.open_parquet(small.open("rb"), "small").read().num_rows == 1


@pytest.mark.parametrize("data", [b"", b"PAR1", b"hello", b"PAR1" + b"\xff\xff\x00\x00PAR1"])
def test_what_is_no_parquet(tmp_path, data):
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(TableError, match="no readable Parquet file"):
        tables.read(Place.at(tmp_path / "a.parquet"), tables.IMAGES)


def test_a_value_that_is_missing_is_named():
    rows = pa.table({"judgement_id": ["1", "2"], "user_id": ["a", "a"], "image_id": ["x", "y"], "attribute": ["smart"] * 2})
    table = rows.append_column("score", pa.array([3.0, None])).append_column("at", pa.nulls(2)).append_column("lang", pa.nulls(2))
    with pytest.raises(TableError, match=r"^r\.parquet is not of its schema: 1 of 2 rows have no score$"):
        tables.conform(table, tables.RATINGS, name="r.parquet")
