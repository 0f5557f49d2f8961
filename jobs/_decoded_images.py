"""More decoded images than memory should hold: Ray Data decodes them into Ray's store, and who fits reads them from a file.

Ray puts on disk what its store has no room for. A fit asks for images in any order, again and again, and each batch would need as
many of the store's blocks as it has images. So the process that fits first writes the blocks, one after the other, into a file on
its own disk (TMPDIR), and maps that into memory: the pages that are needed elsewhere are given back.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from beholder import images
from beholder.errors import ImageError
from beholder.images import Fit
from beholder.jobs import _placement
from beholder.ray_connection import quiet_data
from beholder.runs import log

_PART = 256  # images that are decoded together


@dataclass(frozen=True)
class DecodedImages:
    """Images as uint8 [N, size, size, 3], in blocks of Ray's store.

    blocks: tables of `row` and `pixels`. rows: int64 [N], the row of each image, ascending. digest: of all their pixels.
    """

    blocks: "Sequence[ray.ObjectRef[pa.Table]]"
    rows: np.ndarray
    size: int
    digest: bytes

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """The bytes of all pixels."""
        return len(self) * 3 * self.size**2

    @contextlib.contextmanager
    def opened(self) -> Iterator[np.ndarray]:
        """Write the images into a file of this process's, and give them as an array that is read from it; at the end it goes."""
        shape = (len(self), self.size, self.size, 3)
        with tempfile.TemporaryDirectory(prefix="beholder-images-") as folder:
            file = np.memmap(Path(folder) / "pixels", np.uint8, "w+", shape=shape)
            for block in self.blocks:
                write_pixels(ray.get(block), file, rows=self.rows)
            file.flush()
            yield np.memmap(Path(folder) / "pixels", np.uint8, "r", shape=shape)


@contextlib.contextmanager
def opened(items: "np.ndarray | DecodedImages") -> Iterator[np.ndarray]:
    """Give what a fit takes: items that are in memory as they are, others from a file."""
    if isinstance(items, DecodedImages):
        with items.opened() as pixels:
            yield pixels
    else:
        yield items


def decode(listed: pa.Table, fit: Fit) -> tuple[list[str], DecodedImages]:
    """Decode the images of a list (image_id, uri) on the cluster; return the ids of those that can be read, and their pixels.

    Those that can't are left out with a warning. Ray has to be connected for as long as the pixels are asked for.
    """
    import ray.data

    quiet_data()
    listed = listed.select(["image_id", "uri"]).append_column("row", pa.array(np.arange(listed.num_rows)))
    parts = [listed.slice(start, _PART) for start in range(0, listed.num_rows, _PART)]
    record = _placement.start(DecodeRecord, num_cpus=0)
    dataset = ray.data.from_arrow(parts).map_batches(
        _decode_part,  # type: ignore[arg-type]  # Ray's types know nothing of fn_kwargs
        batch_size=None,
        batch_format="pyarrow",
        fn_kwargs={"fit": fit, "record": record},
    )
    blocks = dataset.materialize().to_arrow_refs()
    digests, refused = ray.get(record.result.remote())
    for reason in refused:
        log.warning("%s", reason)
    rows = np.array(sorted(digests), np.int64)
    whole = hashlib.sha256(b"".join(digests[row] for row in rows.tolist()))
    ids = listed["image_id"].take(pa.array(rows)).to_pylist()
    return ids, DecodedImages(blocks, rows, fit.size, whole.digest())


class DecodeRecord:
    """An actor that knows of each row that was read a digest of its pixels, and of the others why not; it may be told twice."""

    def __init__(self) -> None:
        self._digests: dict[int, bytes] = {}
        self._refused: dict[int, str] = {}

    def add(self, digests: dict[int, bytes], refused: dict[int, str]) -> None:
        """Take in some rows."""
        self._digests.update(digests)
        self._refused.update(refused)

    def result(self) -> tuple[dict[int, bytes], list[str]]:
        """Return the digests by row, and the reasons in the order of rows."""
        return self._digests, [self._refused[row] for row in sorted(self._refused)]


def _decode_part(part: pa.Table, *, fit: Fit, record: Any) -> pa.Table:
    pixels, digests, refused = decode_part(part, fit)
    ray.get(record.add.remote(digests, refused))
    return pixels


def decode_part(part: pa.Table, fit: Fit) -> tuple[pa.Table, dict[int, bytes], dict[int, str]]:
    """Return the rows of a part (row, image_id, uri) that can be read with their pixels, their digests, and why not the others."""
    digests: dict[int, bytes] = {}
    refused: dict[int, str] = {}
    pixels = np.empty((part.num_rows, fit.size, fit.size, 3), np.uint8)
    files = images.read_many(part["uri"].to_pylist())
    for row, image_id, file in zip(part["row"].to_pylist(), part["image_id"].to_pylist(), files, strict=True):
        try:
            if isinstance(file, ImageError):
                raise file
            decoded = images.decode_fit(file, fit)
        except ImageError as error:
            refused[row] = f"{image_id} is left out: {error}"
            continue
        pixels[len(digests)] = decoded
        digests[row] = hashlib.sha256(decoded.tobytes()).digest()
    width = pa.binary(3 * fit.size**2)
    column = pa.FixedSizeBinaryArray.from_buffers(width, len(digests), [None, pa.py_buffer(pixels[: len(digests)])])
    return pa.table({"row": pa.array(list(digests), pa.int64()), "pixels": column}), digests, refused


def write_pixels(block: pa.Table, file: np.ndarray, *, rows: np.ndarray) -> None:
    """Write the pixels of a block where they belong: rows: int64 [N], ascending, the row of each image of the file [N, S, S, 3]."""
    each = int(np.prod(file.shape[1:]))
    for batch in block.to_batches(max_chunksize=_PART):
        column = batch["pixels"]
        flat = np.frombuffer(column.buffers()[1], np.uint8, count=each * len(column), offset=each * column.offset)
        file[np.searchsorted(rows, batch["row"].to_numpy())] = flat.reshape(-1, *file.shape[1:])
