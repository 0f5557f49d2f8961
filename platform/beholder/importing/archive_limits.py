"""What a compressed file may unpack to: a few kilobytes can claim terabytes, and are refused before they are unpacked."""

import struct
import zipfile
from typing import Any

from beholder.errors import BeholderError

FLOOR = 2**30  # bytes that any file may unpack to: 1 GiB
RATIO = 100  # times its own size that a file may unpack to beyond that; text in .xlsx is packed 10 to 40 times
WORKBOOK = 2**28  # bytes that any workbook may unpack to: 256 MiB
SHARED_TEXTS = 2**27  # bytes that its table of texts may unpack to, which is held in memory: 128 MiB


def check_unpacked(name: str, *, packed: int, unpacked: int, error: type[BeholderError], floor: int = FLOOR) -> None:
    """Raise `error` where `unpacked` bytes are more than `floor` and more than RATIO times `packed` ones."""
    if unpacked > floor and unpacked > RATIO * packed:
        raise error(
            f"{name} has {packed:,} bytes and would unpack to {unpacked:,}; expected at most {RATIO} times its size "
            f"(or {floor:,} bytes)"
        )


def check_zip(file: Any, name: str, *, packed: int, error: type[BeholderError], floor: int = FLOOR) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip (.xlsx, .npz), the sum of whose sizes is within limits.

    file: its bytes, opened for reading from any position. zipfile never unpacks more of an entry than the size checked here.
    Raises `error` where it is no zip or would unpack to too much.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as reason:
        raise error(f"{name} is no whole zip archive: {reason}") from None
    check_unpacked(name, packed=packed, unpacked=sum(entry.file_size for entry in entries), error=error, floor=floor)
    return entries


def check_parquet(metadata: Any, name: str, *, packed: int, error: type[BeholderError]) -> None:
    """Raise `error` where a Parquet file would unpack to too much.

    metadata: its pyarrow.parquet.FileMetaData. A column of one value repeated needs no room in the file, so 8 bytes a cell are
    counted, or what the file says where that is more.
    """
    groups = [metadata.row_group(at) for at in range(min(metadata.num_row_groups, 100_000))]
    said = sum(group.total_byte_size for group in groups)
    check_unpacked(name, packed=packed, unpacked=max(said, 8 * metadata.num_rows * metadata.num_columns), error=error)
