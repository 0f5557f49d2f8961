"""Plain vectors: one direction as bare numbers, in .pt (as e4e's), .npy, .npz, .pkl, .csv, .tsv or .json."""

from typing import Any

from beholder.editing.directions.formats.named_vectors import choose
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """A vector in W (or where the hint says), or one for each row of w+. One unit is the vector as it is.

    Of a file with several, `hints.component` names one: by a name in the file, or the number of its row.
    """
    return row_step(choose(content, config, hints), config, hints, default="w")
