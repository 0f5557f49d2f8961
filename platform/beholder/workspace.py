"""A workspace: a folder or an object store's URI that holds tables, embeddings, models and runs.

images/  ratings/  comparisons/  scales/  responses/  rejected/  quality/ (tables of Parquet parts, see table_log)
embeddings/<encoder id>/  models/<name>/  studies/<name>/  runs/<command>-<time>/
"""

import datetime
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from beholder import tables
from beholder.runs import Run
from beholder.storage import Place
from beholder.table_log import TableLog

# Schema and key of each table. A judgement that is read again is the same judgement, and its corrected score takes the old one's
# place; the same person's second judgement of an image has another judgement_id. All rejected rows of a file are replaced together.
_TABLES = {
    "images": (tables.IMAGES, ("image_id",)),
    "ratings": (tables.RATINGS, ("judgement_id", "user_id", "image_id", "attribute")),
    "comparisons": (tables.COMPARISONS, ("judgement_id", "user_id", "left_id", "right_id", "attribute")),
    "scales": (tables.SCALES, ("attribute",)),
    "responses": (tables.RESPONSES, ("judgement_id", "user_id", "attribute")),
    "rejected": (tables.REJECTED, ("file",)),
    "quality": (tables.QUALITY, ("user_id",)),
}


class Workspace:
    """A workspace, `Workspace("workspace")` or `Workspace("s3://bucket/team")`. Nothing is created before the first write."""

    def __init__(self, uri: str):
        self.place = Place.at(uri)

    def table(self, name: str) -> TableLog:
        """Return a table, one of `_TABLES` such as `ratings`, as its log of parts."""
        schema, key = _TABLES[name]
        return TableLog(self.place / name, schema, key, one_per_key=name != "rejected")

    @staticmethod
    def tables_of_people() -> list[str]:
        """Return the names of the tables whose rows are of people."""
        return [name for name, (schema, _) in _TABLES.items() if "user_id" in schema.names]

    def read(self, name: str) -> pa.Table:
        """Return the rows of a table; empty where nothing was written yet."""
        return self.table(name).read()

    def upsert(self, name: str, rows: pa.Table) -> bool:
        """Add rows to a table, each in place of the one of the same key; return False where all were there already.

        Several processes may do so at the same time.
        """
        return self.table(name).upsert(rows)

    def write(self, name: str, rows: pa.Table) -> bool:
        """Replace all rows of a table; return False where it had these already."""
        return self.table(name).replace(rows)

    def replace_rejected(self, files: set[str], fresh: list[dict[str, Any]]) -> None:
        """Replace the rows of `rejected` about `files` by `fresh`, so that a second run adds nothing."""
        rejected = self.table("rejected")
        rejected.upsert(pa.Table.from_pylist(fresh, schema=tables.REJECTED))
        clean = (set(rejected.read()["file"].to_pylist()) & files) - {row["file"] for row in fresh}
        rejected.remove(pa.table({"file": sorted(clean)}, schema=pa.schema([tables.REJECTED.field("file")])))

    def embeddings(self, encoder_id: str) -> Place:
        """Return the folder of one encoder's embeddings."""
        return self.place / "embeddings" / encoder_id

    @property
    def models(self) -> Place:
        """The folder of saved tastes."""
        return self.place / "models"

    def start_run(self, command: str, config: str, *, now: datetime.datetime, words: Sequence[str] = ()) -> Run:
        """Make the run folder of a command that starts at `now`; config: its settings as YAML; words: what was typed after it."""
        return Run.start(self.place / "runs", command=command, config=config, now=now, words=words)
