"""Ratings and comparisons, merged by identity: reading the same judgement twice changes nothing."""

from typing import Any

import pyarrow as pa

from beholder import tables

LEFT, RIGHT, TIE = "left", "right", "tie"

# What makes a judgement the same judgement when it is read again: a corrected score then takes the place of the old one.
_KEYS = {
    tables.RATINGS: ("judgement_id", "user_id", "image_id", "attribute"),
    tables.COMPARISONS: ("judgement_id", "user_id", "left_id", "right_id", "attribute"),
}


def merge(old: pa.Table, fresh: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return the judgements of both; a fresh one replaces the old one of the same identity. Order: old ones first, then new ones.

    schema: tables.RATINGS or tables.COMPARISONS. The same person's second judgement of the same image is another judgement (it has
    another judgement_id) and is kept.
    """
    key = _KEYS[schema]
    rows = {tuple(row[name] for name in key): row for row in old.to_pylist()}
    for row in fresh:
        rows[tuple(row[name] for name in key)] = row
    return pa.Table.from_pylist(list(rows.values()), schema=schema)
