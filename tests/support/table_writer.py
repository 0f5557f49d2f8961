"""A process that adds rows to a table, one time after the other, and acknowledges each once it is written."""

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from beholder.storage import Place
from beholder.table_log import TableLog

SCHEMA = pa.schema(
    [pa.field("user", pa.string(), nullable=False), pa.field("image", pa.string(), nullable=False), ("score", pa.int64())]
)
KEY = ("user", "image")


def write(uri: str, writer: int, count: int, acknowledge: str, variables: Mapping[str, str]) -> None:
    """Add so many times a row of one's own and one that all writers have, and note each time in a file."""
    os.environ.update(variables)
    log = TableLog(Place.at(uri), SCHEMA, KEY)
    with open(acknowledge, "a") as file:
        for at in range(count):
            rows = [{"user": user, "image": f"{at}", "score": writer} for user in (f"user-{writer}", "everybody")]
            log.upsert(pa.Table.from_pylist(rows, schema=SCHEMA))
            file.write(f"{at}\n")
            file.flush()


def acknowledged(file: str) -> list[str]:
    """Return what a writer noted."""
    return Path(file).read_text().split() if Path(file).exists() else []
