"""image_shards: images in tars and in Parquet files."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import image_shards, images
from beholder.errors import ImageError, StorageError, TableError
from beholder.image_shards import Shard, ShardImage
from beholder.storage import Place

LIMIT = 1000


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def everything(source: str) -> list[ShardImage]:
    return [image for shard in image_shards.find(source) for image in image_shards.read(shard, max_bytes=LIMIT)]


def test_a_webdataset(tmp_path):
    for number in range(3):
        tar(
            tmp_path / f"set-{number:02d}.tar", {f"{number}a.jpg": b"one", f"{number}a.txt": b"a caption", f"{number}b.PNG": b"two"}
        )
    found = everything(f"{tmp_path}/set-*.tar")
    assert [image.image_id for image in found] == [f"set-{n:02d}/{n}{name}" for n in range(3) for name in ("a.jpg", "b.PNG")]
    assert [image.data for image in found] == [b"one", b"two"] * 3
    assert everything(f"{tmp_path}/set-{{00..02}}.tar") == found
    assert everything(f"{tmp_path}/set-01.tar") == found[2:4]
    for image in found:
        assert images.read(image.uri) == image.data


def test_a_tar_in_a_bucket(tmp_path, s3):
    (Place.at(s3) / "set/a.tar").write_bytes(tar(tmp_path / "a.tar", {"1.jpg": b"one"}).read_bytes())
    assert everything(f"{s3}/set/*.tar") == [ShardImage("a/1.jpg", f"{s3}/set/a.tar#1.jpg", b"one")]


def test_columns_of_bytes(tmp_path):
    plain = pa.table({"key": ["x", "y", "z"], "jpg": pa.array([b"1", None, b"3" * (LIMIT + 1)], pa.binary())})
    pq.write_table(plain, tmp_path / "plain.parquet", row_group_size=2)
    found = everything(f"{tmp_path}/plain.parquet")
    assert [(image.image_id, image.data) for image in found] == [("x", b"1"), ("y", None), ("z", None)]
    assert [image.reason for image in found] == [None, "has no bytes", "has 1,001 bytes, more than the 1,000 allowed"]
    assert images.read(f"{tmp_path}/plain.parquet#jpg:0") == b"1"
    with pytest.raises(ImageError, match="has no bytes"):
        images.read(f"{tmp_path}/plain.parquet#jpg:1")

    huggingface = pa.table({"image": [{"bytes": b"1", "path": "a.jpg"}, {"bytes": b"2", "path": "b.jpg"}], "label": [0, 1]})
    pq.write_table(huggingface, tmp_path / "hf.parquet")
    assert everything(f"{tmp_path}/hf.parquet") == [
        ShardImage(f"hf/{row}", f"{tmp_path}/hf.parquet#image:{row}", data) for row, data in enumerate([b"1", b"2"])
    ]


def test_what_is_no_shard(tmp_path):
    pq.write_table(pa.table({"uri": ["a"]}), tmp_path / "list.parquet")
    assert image_shards.find(f"{tmp_path}/list.parquet") == image_shards.find(str(tmp_path)) == image_shards.find(None) == []
    with pytest.raises(StorageError, match=r"expected \.tar files"):
        image_shards.find(f"{tmp_path}/none-*.tar")
    (tmp_path / "x.tar").write_bytes(b"hello" * 400)
    with pytest.raises(TableError, match="no readable tar"):
        list(image_shards.read(Shard(f"{tmp_path}/x.tar"), max_bytes=LIMIT))


@pytest.mark.parametrize(
    ("uri", "error"),
    [("a.tar#none.jpg", "does not exist"), ("a.tar#big.jpg", "more than the"), ("b.parquet#image:x", "expected COLUMN:ROW")],
)
def test_members_that_are_not_there(tmp_path, uri, error):
    tar(tmp_path / "a.tar", {"1.jpg": b"one", "big.jpg": bytes(LIMIT + 1)})
    with pytest.raises(ImageError, match=error):
        image_shards.read_member(f"{tmp_path}/{uri}", max_bytes=LIMIT)
