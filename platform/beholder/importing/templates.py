"""Small files to begin with: each shape of table that is imported without a mapping, with two or three rows of what goes where."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from beholder.errors import ConfigError, nearest
from beholder.importing import workbook
from beholder.runs import to_csv

TEMPLATES: dict[str, list[dict[str, Any]]] = {
    "ratings": [
        {"user_id": "ana", "image_id": "1.jpg", "attribute": "attractive", "score": 3, "time": "2025-02-01T12:00:00Z"},
        {"user_id": "ana", "image_id": "2.jpg", "attribute": "attractive", "score": 1, "time": "2025-02-01T12:00:05Z"},
        {"user_id": "ben", "image_id": "1.jpg", "attribute": "attractive", "score": 4, "time": "2025-02-01T13:00:00Z"},
    ],
    "attributes": [
        {"user_id": "ana", "image_id": "1.jpg", "attractive": 3, "smart": 2, "time": "2025-02-01T12:00:00Z"},
        {"user_id": "ben", "image_id": "1.jpg", "attractive": 4, "smart": 4, "time": "2025-02-01T13:00:00Z"},
    ],
    "raters": [
        {"image_id": "1.jpg", "rater1": 3, "rater2": 4},
        {"image_id": "2.jpg", "rater1": 1, "rater2": 2},
    ],
    "comparisons": [
        {"user_id": "ana", "left": "1.jpg", "right": "2.jpg", "choice": "left", "attribute": "attractive"},
        {"user_id": "ana", "left": "2.jpg", "right": "3.jpg", "choice": "tie", "attribute": "attractive"},
    ],
    "winners": [
        {"user_id": "ana", "winner": "1.jpg", "loser": "2.jpg", "attribute": "attractive"},
        {"user_id": "ben", "winner": "3.jpg", "loser": "1.jpg", "attribute": "attractive"},
    ],
    "rankings": [
        {"user_id": "ana", "image_id": "1.jpg", "rank": 1, "group": "first", "attribute": "attractive"},
        {"user_id": "ana", "image_id": "2.jpg", "rank": 2, "group": "first", "attribute": "attractive"},
        {"user_id": "ana", "image_id": "3.jpg", "rank": 3, "group": "first", "attribute": "attractive"},
    ],
}
_FORMATS = (".csv", ".tsv", ".xlsx", ".parquet", ".jsonl")


def write(name: str) -> bytes:
    """Return the template that a file's name asks for: one of TEMPLATES, as .csv, .tsv, .xlsx, .parquet or .jsonl.

    Raises ConfigError for another name.
    """
    stem, _, suffix = name.rpartition(".")
    if stem not in TEMPLATES or f".{suffix}" not in _FORMATS:
        hint = nearest(stem or name, list(TEMPLATES)) if stem not in TEMPLATES else ""
        raise ConfigError(
            f"template={name} is no template; expected {', '.join(TEMPLATES)} with {', '.join(_FORMATS)}, e.g. ratings.csv"
            + (hint if "did you mean" in hint else "")
        )
    rows = TEMPLATES[stem]
    if suffix == "xlsx":
        return workbook.write({stem: [list(rows[0]), *(list(row.values()) for row in rows)]})
    table = pa.Table.from_pylist(rows)
    if suffix == "parquet":
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        return buffer.getvalue()
    if suffix == "jsonl":
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    return to_csv(table.to_pandas(), delimiter="\t" if suffix == "tsv" else ",").encode()
