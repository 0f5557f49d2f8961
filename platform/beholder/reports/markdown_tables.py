"""Tables in Markdown, for summary.md and the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, align: str = "") -> list[str]:
    """Return the lines of a Markdown table. align: l or r for each column, l where it is shorter; cells are shown by `str`."""
    rules = ["---:" if side == "r" else "---" for side in align.ljust(len(header), "l")]
    return [_markdown_row(header), "|" + "|".join(rules) + "|", *(_markdown_row([str(cell) for cell in row]) for row in rows)]


def markdown_values(values: Mapping[str, Any], *, real: str, whole: str = "") -> list[str]:
    """Return the lines of a Markdown table of names and values. real: the format of a float; whole: of anything else."""
    rows = [(name, format(value, real if isinstance(value, float) else whole)) for name, value in values.items()]
    return markdown_table(["what", "value"], rows, align="lr")


def _markdown_row(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)
