"""Named vectors: one of several directions in a file, chosen by the name of its row, column or entry, or by its number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.editing.directions.formats.safe_load import Table, array
from beholder.editing.directions.formats.source import SourceHints
from beholder.editing.generator import GeneratorConfig
from beholder.errors import nearest
from beholder.safe_pickle.interpreter import RefusedError, printable

_SHOWN = 8  # names in a message


@dataclass(frozen=True)
class _Lines:
    """Vectors with names: float64 [N, ...]."""

    values: np.ndarray
    names: tuple[str, ...]

    def pick(self, wanted: str | None) -> np.ndarray:
        if wanted is None and len(self.values) == 1:
            return np.asarray(self.values[0])
        if wanted in self.names:
            return np.asarray(self.values[self.names.index(wanted)])
        shown = ", ".join(self.names[:_SHOWN]) + (", ..." if len(self.names) > _SHOWN else "")
        if wanted is None:
            raise RefusedError(f"it holds {len(self.names)} vectors; say which with component=NAME: {shown}")
        if wanted.isdecimal() and int(wanted) < len(self.values):
            return np.asarray(self.values[int(wanted)])
        raise RefusedError(f"it holds no array {wanted!r}{nearest(wanted, list(self.names[:50]))}; it has {shown}")


def choose(content: Any, config: GeneratorConfig, hints: SourceHints) -> np.ndarray:
    """Return the numbers of the one direction in an opened file, float64: a vector, or one for each row of w+.

    `hints.component` names it, by a name in the file or a number from 0. Raises RefusedError for several of which none is named,
    and where there are no numbers.
    """
    wanted = hints.component
    lines = _lines(content, config, wanted)
    if isinstance(lines, _Lines):
        return lines.pick(wanted)
    if lines.ndim == 2 and lines.shape[1] not in _widths(config) and len(lines) in _widths(config):
        lines = lines.T  # a direction a column
    if lines.ndim < 2 or len(lines) == 1:
        return lines
    whole = lines.shape[-1] == config.w_dim and (lines == lines[0]).all()
    if wanted is None and (whole or lines.shape == (config.num_ws, config.w_dim) or lines.shape[-1] not in _widths(config)):
        return lines
    if wanted is None and lines.ndim == 2:
        raise RefusedError(
            f"it holds {len(lines)} vectors; say which with component=0 .. component={len(lines) - 1} (as one direction in w+ "
            f"they would be {config.num_ws} rows here)"
        )
    return np.asarray(lines[hints.pick(lines)])


def _widths(config: GeneratorConfig) -> tuple[int, ...]:
    return (config.w_dim, config.z_dim, config.num_ws * config.w_dim)


def _lines(content: Any, config: GeneratorConfig, wanted: str | None) -> _Lines | np.ndarray:
    """Vectors with their names where a file has names; else its numbers."""
    if isinstance(content, Table):
        return _of_table(content, config, wanted)
    if isinstance(content, dict):
        return _of_entries(content, config, wanted)
    if isinstance(content, list | tuple):
        return _of_list(content, config, wanted)
    return array(content)


def _of_table(table: Table, config: GeneratorConfig, wanted: str | None) -> _Lines | np.ndarray:
    values, rows, columns = table.values, table.rows, table.columns
    upright = values.shape[1] not in _widths(config) and len(values) in _widths(config)
    if columns is not None and (upright or wanted in columns) and (rows is None or wanted not in rows):
        return _Lines(values.T, columns)
    if rows is not None and (len(values) != config.num_ws or wanted is not None):
        return _Lines(values, rows)
    return values


def _of_entries(content: dict[str, Any], config: GeneratorConfig, wanted: str | None) -> _Lines | np.ndarray:
    """Of a dict: an array by its key; a matrix beside the names of its rows or columns; the only array there is."""
    if wanted is not None and wanted in content:
        return array(content[wanted])
    found = {key: value for key, value in content.items() if _is_numbers(value)}
    texts = [_texts(value) for value in content.values()]
    for value in found.values():
        for names in filter(None, texts):
            if lines := _beside(value, names, config):
                return lines
    if len(found) == 1:
        return array(next(iter(found.values())))
    names = tuple(printable(key) for key in (found or content))
    if wanted is None:
        raise RefusedError(f"it holds {len(names)} arrays; say which with component=NAME: {', '.join(names[:_SHOWN])}")
    raise RefusedError(f"it holds no array {wanted!r}{nearest(wanted, list(names[:50]))}")


def _of_list(content: Sequence[Any], config: GeneratorConfig, wanted: str | None) -> _Lines | np.ndarray:
    """Of a list: (numbers, name), many such pairs, (matrix, names), or plain numbers."""
    pair = _pair(content)
    if pair is not None:
        return array(pair[0])
    pairs = [_pair(list(each.values()) if isinstance(each, dict) else each) for each in content]
    if pairs and all(each is not None for each in pairs):
        return _of_entries({name: numbers for numbers, name in filter(None, pairs)}, config, wanted)
    if len(content) == 2:
        for numbers, texts in ((content[0], content[1]), (content[1], content[0])):
            names = _texts(texts)
            if names and _is_numbers(numbers) and (lines := _beside(numbers, names, config)):
                return lines
    return array([each.tolist() if isinstance(each, np.ndarray) else each for each in content])


def _pair(value: Any) -> tuple[Any, str] | None:
    """Numbers and the one text beside them."""
    if not isinstance(value, list | tuple) or len(value) < 2:
        return None
    numbers = [each for each in value if _is_numbers(each)]
    texts = [each for each in value if isinstance(each, str)]
    return (numbers[0], texts[0]) if len(numbers) == 1 and len(texts) == 1 and len(value) == 2 else None


def _beside(value: Any, names: tuple[str, ...], config: GeneratorConfig) -> _Lines | None:
    """A matrix whose rows, or else columns, are as many as the names."""
    values = array(value)
    if values.ndim == 2 and values.shape[1] == len(names) and (len(values) != len(names) or len(values) in _widths(config)):
        values = values.T
    return _Lines(values, names) if values.ndim >= 2 and len(values) == len(names) else None


def _is_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu" and value.size > 1
    return isinstance(value, list) and len(value) > 1 and (_is_numbers(value[0]) or type(value[0]) in (int, float))


def _texts(value: Any) -> tuple[str, ...] | None:
    """The texts of a list or array of nothing else."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "US" and value.ndim == 1:
        return tuple(each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in value.tolist())
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    return None
