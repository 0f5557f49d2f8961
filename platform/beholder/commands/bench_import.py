"""`beholder bench import`: how long a table of judgements takes to import, and how much memory."""

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.importing.column_mapping import ColumnMapping
from beholder.importing.source_tables import TableFormat
from beholder.importing.table_import import ImportOptions, import_tables
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

_BLOCK = 250_000


@dataclass(frozen=True)
class BenchImportSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench import",
        "beholder bench import rows=100000 kind=parquet",
    )
    rows: int = setting(1_000_000, "ratings of the table")
    kind: str = setting("csv", "csv or parquet")
    people: int = setting(10_000, "people who rated")
    images: int = setting(5_000, "images that were rated")
    seed: int = setting(0, "of the ratings")
    workspace: str = setting("workspace", "folder or URI that the run's figures go to; the table goes to a folder that is removed")

    def __post_init__(self) -> None:
        if min(self.rows, self.people, self.images) < 1 or self.kind not in ("csv", "parquet"):
            raise ConfigError("bench import needs rows, people and images of at least 1, and kind=csv or kind=parquet")


def main(settings: BenchImportSettings, run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as folder:
        path = Path(folder) / f"ratings.{settings.kind}"
        _write(settings, path)
        before = _peak()
        started, used = time.perf_counter(), time.process_time()
        options = ImportOptions(ColumnMapping(), TableFormat())
        found = import_tables(Place.at(path), Workspace(f"{folder}/workspace"), options, None)
        metrics = {
            "rows": found.ratings,
            "file.MiB": round(path.stat().st_size / 2**20, 1),
            "seconds": round(time.perf_counter() - started, 2),
            "seconds.cpu": round(time.process_time() - used, 2),
            "peak.MiB": round(_peak()),
            "peak.before.MiB": round(before),
        }
    run.metrics(metrics)
    run.summary("# Import\n\n" + "".join(f"- {key}: {value:,}\n" for key, value in metrics.items()))
    print("\n".join(f"{key:22}{value:>14,}" for key, value in metrics.items()))


def _write(settings: BenchImportSettings, path: Path) -> None:
    """Write a table of ratings, some rows at a time."""
    blocks = _blocks(settings)
    first = next(blocks)
    writer = pq.ParquetWriter(path, first.schema) if settings.kind == "parquet" else pa.csv.CSVWriter(path, first.schema)
    with writer:
        writer.write_table(first)
        for block in blocks:
            writer.write_table(block)


def _blocks(settings: BenchImportSettings) -> Iterator[pa.Table]:
    rng = np.random.default_rng(settings.seed)
    people = pa.array([f"person-{number:06d}" for number in range(settings.people)])
    images = pa.array([f"faces/{number:06d}.jpg" for number in range(settings.images)])
    for start in range(0, settings.rows, _BLOCK):
        count = min(_BLOCK, settings.rows - start)
        seconds = rng.integers(0, 10**7, count).astype("timedelta64[s]")
        yield pa.table(
            {
                "rater": people.take(pa.array(rng.integers(0, settings.people, count))),
                "photo": images.take(pa.array(rng.integers(0, settings.images, count))),
                "rating": rng.integers(1, 8, count),
                "time": pa.array(np.datetime64("2025-01-01", "s") + seconds),
            }
        )


def _peak() -> float:
    """Return the most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
