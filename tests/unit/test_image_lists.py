"""image_lists: lists of URIs in the files that people have."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import image_lists
from beholder.errors import StorageError, TableError
from beholder.storage import Place


def rows(source: str) -> list[tuple[str, str]]:
    tables = list(image_lists.iterate(source))
    return [row for table in tables for row in zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "x/1.jpg\n\n# a remark\n/abs/2.jpg\nhttps://a.b/3.jpg\n", ["{0}/x/1.jpg", "/abs/2.jpg", "https://a.b/3.jpg"]),
        ("a.csv", "url,caption\ns3://b/1.jpg,one\n./2.jpg,two\n", ["s3://b/1.jpg", "{0}/2.jpg"]),
        ("a.tsv", "\ufeffcaption\tpath\none\t/1.jpg\n", ["/1.jpg"]),
        ("a.jsonl", '{"file_name": "1.jpg"}\n\n{"file_name": "2.jpg"}\n', ["{0}/1.jpg", "{0}/2.jpg"]),
    ],
)
def test_uris(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert [uri for _, uri in rows(f"{tmp_path}/{name}")] == [uri.format(tmp_path) for uri in expected]


def test_ids(tmp_path):
    (tmp_path / "a.csv").write_text("image_id,uri\none,/1.jpg\ntwo,/2.jpg\n")
    (tmp_path / "b.jsonl").write_text('{"uri": "/1.jpg", "image_id": 7}\n')
    assert rows(f"{tmp_path}/a.csv") == [("one", "/1.jpg"), ("two", "/2.jpg")]
    assert rows(f"{tmp_path}/b.jsonl") == [("7", "/1.jpg")]


def test_long_lists_come_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(image_lists, "PART_ROWS", 3)
    uris = [f"/{number}.jpg" for number in range(8)]
    (tmp_path / "a.txt").write_text("\n".join(uris))
    pq.write_table(pa.table({"uri": uris}), tmp_path / "a.parquet")
    (tmp_path / "folder").mkdir()
    for uri in uris:
        Path(f"{tmp_path}/folder{uri}").touch()
    for source in ("a.txt", "a.parquet", "folder"):
        tables = list(image_lists.iterate(f"{tmp_path}/{source}"))
        assert [table.num_rows for table in tables] == [3, 3, 2]
        assert [Path(uri).name for table in tables for uri in table["uri"].to_pylist()] == [uri[1:] for uri in uris]


@pytest.mark.parametrize(
    ("name", "content", "error", "reason"),
    [
        ("a.csv", b"imag,caption\n1.jpg,x\n", TableError, "has no column 'uri'; found: imag, caption; did you mean image?"),
        ("a.csv", b'uri\n1.jpg\n""\n', TableError, "row 2: expected a path or URI in 'uri', got ''"),
        ("a.jsonl", b'{"uri": "/1.jpg"}\nhello\n', TableError, "line 2: expected a JSON object, got 'hello'"),
        ("a.jsonl", b'{"uri": 1}\n', TableError, "row 1: expected a path or URI in 'uri', got 1"),
        ("a.txt", b"\xff\xfe1.jpg\n", TableError, "is no UTF-8 text"),
        ("a.txt", b"\n", StorageError, "lists no images"),
        ("a.parquet", b"hello", TableError, "no readable Parquet"),
    ],
)
def test_lists_that_are_refused(tmp_path, name, content, error, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as raised:
        rows(f"{tmp_path}/{name}")
    assert reason in str(raised.value)


HOSTILE = [
    ("/etc/passwd", "a file outside"),
    ("../secret.png", "a file outside"),
    ("x/../../secret.png", "a file outside"),
    ("a#/../../../secret.png", "a file outside"),
    ("~/.ssh/id_rsa", "a file outside"),
    ("file:///etc/passwd", "a file outside"),
    ("http://127.0.0.1:9000/admin", "a private network"),
    ("http://127.0.0.1:9000", "a private network"),
    ("http://localhost/x.png", "a private network"),
    ("http://169.254.169.254/latest/meta-data/", "a private network"),
    ("http://[::1]/x.png", "a private network"),
    ("http://[::ffff:10.0.0.1]/x.png", "a private network"),
    ("https://a@10.1.2.3/x.png", "a private network"),
    ("http://intranet/x.png", "a private network"),
    ("http://db.internal./x.png", "a private network"),
    ("s3://b/x.png?endpoint_override=10.0.0.1:80", "of its own choice"),
    ("ftp://10.0.0.1/x.png", "of its own choice"),
    ("FILE:///etc/passwd", "of its own choice"),
]


@pytest.mark.parametrize(("uri", "where"), HOSTILE)
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_a_list_of_somebody_else_leads_nowhere_else(tmp_path, kind, uri, where):
    place = tmp_path / "lists" / f"a.{kind}"
    place.parent.mkdir()
    if kind == "parquet":
        pq.write_table(pa.table({"uri": ["x/1.jpg", uri]}), place)
    else:
        texts = {"txt": f"1.jpg\n{uri}\n", "csv": f"uri\n1.jpg\n{uri}\n", "jsonl": f'{{"uri": "1.jpg"}}\n{{"uri": "{uri}"}}\n'}
        place.write_text(texts[kind])
    with pytest.raises(TableError, match=f"{where}.*add limits.roots="):
        list(image_lists.iterate(str(place), roots=[]))
    assert sum(part.num_rows for part in image_lists.iterate(str(place), roots=["*"])) == 2
    assert sum(part.num_rows for part in image_lists.iterate(str(place))) == 2


def test_what_a_list_may_name(tmp_path):
    uris = ["1.jpg", "x/2.jpg", f"{tmp_path}/3.jpg", "https://images.example.org/4.jpg?w=7", "http://1.1.1.1/5.jpg", "s3://b/6.jpg"]
    (tmp_path / "a.txt").write_text("\n".join([*uris, "gs://b/c/7.jpg", "/x.tar#../8.jpg"][:-1]))
    assert sum(part.num_rows for part in image_lists.iterate(f"{tmp_path}/a.txt", roots=[])) == 7


@pytest.mark.parametrize(
    ("uri", "root", "within"),
    [
        ("/data/faces/1.jpg", "/data", True),
        ("/data/faces/1.jpg", "/data/faces/", True),
        ("/database/1.jpg", "/data", False),
        ("/data/../etc/passwd", "/data", False),
        ("http://10.0.0.5:9000/a.jpg", "http://10.0.0.5:9000/", True),
        ("http://10.0.0.5:9000/a.jpg", "http://10.0.0.5:9000", True),
        ("http://10.0.0.5:90001/a.jpg", "http://10.0.0.5:9000", False),
        ("http://10.0.0.5/b/../a.jpg", "http://10.0.0.5/b/", False),
        ("http://10.0.0.5/a.jpg", "http://", True),
        ("s3://b/x/1.jpg", "s3://b/x", True),
        ("s3://b/y/1.jpg", "s3://b/x", False),
        ("ftp://h/1.jpg", "*", True),
    ],
)
def test_roots(uri, root, within):
    assert image_lists.is_below(uri, [root]) == within


def test_a_list_in_a_store_names_its_own_store(tmp_path):
    place = Place("s3://b/lists/a.txt?region=x", "b/lists/a.txt", None)
    assert image_lists.outside(place, "s3://b/images/1.jpg?region=x", []) is None
    assert image_lists.outside(place, "s3://b/images/1.jpg?region=y", []) is not None
    assert image_lists.outside(place, f"{tmp_path}/1.jpg", []) == "a file outside of the list's folder"
