"""A workspace: a folder or an object store's URI that holds tables, embeddings, models and runs.

images.parquet  ratings.parquet  comparisons.parquet  rejected.parquet  embeddings/<encoder id>/  models/<name>/
runs/<command>-<time>/
"""

import datetime
from typing import Any

import pyarrow as pa

from beholder import tables
from beholder.runs import Run
from beholder.storage import Place

_SCHEMAS = {
    "images": tables.IMAGES,
    "ratings": tables.RATINGS,
    "comparisons": tables.COMPARISONS,
    "rejected": tables.REJECTED,
}


class Workspace:
    """A workspace, `Workspace("workspace")` or `Workspace("s3://bucket/team")`. Nothing is created before the first write."""

    def __init__(self, uri: str):
        self.place = Place.at(uri)

    def read(self, name: str) -> pa.Table:
        """Return the table `images`, `ratings`, `comparisons` or `rejected`; empty where nothing was written yet."""
        return tables.read(self.place / f"{name}.parquet", _SCHEMAS[name])

    def write(self, name: str, table: pa.Table) -> bool:
        """Replace a table, whole or not at all; return False where it was the same already."""
        schema = _SCHEMAS[name]
        return tables.write(self.place / f"{name}.parquet", tables.conform(table, schema, name=name))

    def replace_rejected(self, files: set[str], fresh: list[dict[str, Any]]) -> None:
        """Replace the rows of `rejected` about `files` by `fresh`, so that a second run adds nothing."""
        old = self.read("rejected").to_pylist()
        kept = [row for row in old if row["file"] not in files]
        self.write("rejected", pa.Table.from_pylist(kept + fresh, schema=tables.REJECTED))

    def embeddings(self, encoder_id: str) -> Place:
        """Return the folder of one encoder's embeddings."""
        return self.place / "embeddings" / encoder_id

    @property
    def models(self) -> Place:
        """The folder of saved tastes."""
        return self.place / "models"

    def start_run(self, command: str, config: str, *, now: datetime.datetime) -> Run:
        """Make the run folder of a command that starts at `now`; config: its settings as YAML."""
        return Run.start(self.place / "runs", command=command, config=config, now=now)
