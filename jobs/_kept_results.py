"""Kept results: what became of tastes in an evaluation, in the workspace until it is done, so that one that was cut off goes on
where it was."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import beholder
from beholder.errors import BeholderError
from beholder.jobs._comparison import TasteResult
from beholder.jobs._reservation import Reserved
from beholder.storage import Place
from beholder.taste.dataset import JudgementDataset

_NOTE = b"beholder"  # key of the figures in a file's metadata


@dataclass(frozen=True)
class KeptResults:
    """The results of one evaluation, a file for each taste."""

    folder: Place

    @classmethod
    def of(cls, root: Place, settings: str, dataset: JudgementDataset, items: np.ndarray) -> "KeptResults":
        """Return those of settings, judgements, items and the library's code: where any of these is another, none are kept."""
        key = hashlib.sha256(settings.encode())
        key.update(repr((dataset.people, dataset.images, dataset.attributes)).encode())
        weights = [] if dataset.weights is None else [dataset.weights]
        for column in (*vars(dataset.ratings).values(), *vars(dataset.comparisons).values(), *weights, items):
            key.update(np.ascontiguousarray(column).tobytes())
        for path in sorted(Path(beholder.__file__).parent.rglob("taste/*.py")):
            key.update(path.read_bytes())
        return cls(root / key.hexdigest()[:16])

    def read(self, name: str) -> TasteResult | None:
        """Return the result of a taste; None where there is none that can be read."""
        try:
            table = pq.read_table(io.BytesIO(self._place(name).read_bytes()))
            note = json.loads(table.schema.metadata[_NOTE])
            return TasteResult(table.to_pandas(), note["figures"], Reserved(**note["reserved"]))
        except (BeholderError, pa.ArrowException, OSError, KeyError, TypeError, ValueError):
            return None

    def write(self, name: str, result: TasteResult) -> None:
        """Keep the result of a taste."""
        note = json.dumps({"figures": result.figures, "reserved": asdict(result.reserved)})
        table = pa.Table.from_pandas(result.table, preserve_index=False)
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _NOTE: note.encode()}), buffer)
        self._place(name).write_bytes(buffer.getvalue())

    def clear(self) -> None:
        """Remove the results: the evaluation is done."""
        for entry in self.folder.files():
            (self.folder / entry.path).delete()

    def _place(self, name: str) -> Place:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.parquet"
