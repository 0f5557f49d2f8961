"""Tables of any library as pandas: pandas, polars, pyarrow, whatever speaks Arrow or the interchange protocol, lists, files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beholder.errors import InputError, nearest
from beholder.importing.column_mapping import SYNONYMS

Columns = Mapping[str, str]  # our name of a column -> the table's
OURS = ["user_id", "image_id", "attribute", "score", "left_id", "right_id", "choice", "at", "embedding"]  # names of columns
_FILES = (".parquet", ".csv", ".tsv", ".jsonl")
_MOST_NAMES = 12  # of columns in a message


def frame(table: Any, *, name: str) -> pd.DataFrame:
    """Return a table as a pandas DataFrame with a fresh index.

    table: a pandas DataFrame, polars or pyarrow table, anything with the Arrow PyCapsule interface or the dataframe interchange
    protocol, a Ray Dataset (which is gathered here), a list of dicts, a dict of columns, or the path of a .parquet, .csv, .tsv or
    .jsonl file. name: of the argument, for messages. Raises InputError for anything else.
    """
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    if is_ray_dataset(table):
        gathered: pd.DataFrame = table.to_pandas()
        return gathered
    if isinstance(table, (str, Path)):
        return _file(Path(table), name)
    try:
        if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
            whole = pa.table(table)
            return pd.DataFrame({column: whole[column].to_pandas() for column in whole.column_names})
        if hasattr(table, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            return frame(from_dataframe(table), name=name)
        if isinstance(table, Mapping):
            return pd.DataFrame({column: pd.Series(list(values)) for column, values in table.items()})
        if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
            return pd.DataFrame(list(table))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{name} can't be read as a table: {str(error).splitlines()[0]}") from None
    raise InputError(
        f"{name}: expected a table (a DataFrame of pandas or polars, a pyarrow table, a list of dicts, a dict "
        "of columns, or the path "
        f"of a {', '.join(_FILES)} file), got {type(table).__name__}"
    )


def is_ray_dataset(value: Any) -> bool:
    """Tell whether a value is a Ray Dataset, without importing Ray."""
    return any(each.__module__.startswith("ray.data") for each in type(value).__mro__)


def renamed(table: pd.DataFrame, columns: Columns | None, *, name: str) -> pd.DataFrame:
    """Return a table with its columns under our names. columns: our name -> the table's. Raises InputError for one it lacks."""
    if columns is not None and not isinstance(columns, Mapping):
        raise InputError(f"columns: expected a dict such as {{'user_id': 'rater'}}, got {type(columns).__name__}")
    columns = columns or {}
    for ours, theirs in columns.items():
        if ours not in OURS:
            swapped = f"; it maps our names to yours: columns={{{theirs!r}: {ours!r}}}" if theirs in OURS else ""
            raise InputError(f"columns={{{ours!r}: ...}}: {ours!r} is none of our names{swapped or nearest(str(ours), OURS)}")
    here = {ours: theirs for ours, theirs in columns.items() if theirs in table.columns}
    moved = table.drop(columns=[ours for ours in here if ours in table.columns and here[ours] != ours])
    return moved.rename(columns={theirs: ours for ours, theirs in here.items()})


def need(table: pd.DataFrame, wanted: Sequence[str], columns: Columns | None, *, name: str) -> None:
    """Raise InputError where a table has no rows, or lacks one of the columns, naming what may be meant."""
    for ours in wanted:
        if ours in table.columns:
            continue
        present = [str(column) for column in table.columns]
        if columns and ours in columns:
            raise InputError(f"{name} has no column {columns[ours]!r} (columns={{{ours!r}: ...}}); found: {_listed(present)}")
        guess = _meant(ours, present)
        hint = f"; is it {guess!r}? Then give columns={{{ours!r}: {guess!r}}}" if guess else ""
        hint = hint or (_ALONE if ours == "user_id" else f"; give columns={{{ours!r}: NAME}} where it has another name")
        raise InputError(f"{name} has no column {ours!r}; found: {_listed(present)}{hint}")
    if not len(table):
        raise InputError(f"{name} is empty: expected at least one row of {', '.join(wanted)}")


_ALONE = "; where all rows are of one person, add it: table.assign(user_id='me')"


def _meant(ours: str, present: Sequence[str]) -> str | None:
    """Return the column that is likely meant by one of our names."""
    plain = {"".join(each for each in column.lower() if each.isalnum()): column for column in reversed(present)}
    for word in SYNONYMS.get({"left_id": "left", "right_id": "right"}.get(ours, ours), ()):
        if word in plain:
            return plain[word]
    hint = nearest(ours, list(present))
    return hint.removeprefix("; did you mean ").removesuffix("?") if hint.startswith("; did you mean") else None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) + more) or "no columns"


def _file(path: Path, name: str) -> pd.DataFrame:
    if path.suffix.lower() not in _FILES:
        raise InputError(
            f"{name}: expected a file that ends in {', '.join(_FILES)}, got {path}; beholder import reads other shapes and .xlsx"
        )
    try:
        match path.suffix.lower():
            case ".parquet":
                table: pd.DataFrame = pq.read_table(path).to_pandas()
            case ".jsonl":
                table = pd.read_json(path, lines=True, dtype=False)
            case suffix:
                table = pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",")
    except FileNotFoundError:
        raise InputError(f"{name}: there is no file {path}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: {path} can't be read: {str(error).splitlines()[0]}") from None
    return table.reset_index(drop=True)
