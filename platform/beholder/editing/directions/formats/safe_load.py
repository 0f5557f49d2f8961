"""Opening: a file of numbers -> plain values and arrays. Nothing in it is run, and no size that it claims is believed.

.npy and .npz by numpy's layout, torch files and pickles (also those within .npy) by unpicklers that know numbers only, .csv,
.tsv, .json and .txt as text. The layout is told by the first bytes; only text goes by the file's name.
"""

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.errors import EditError
from beholder.safe_pickle import numpy_pickle, torch_archive
from beholder.safe_pickle.interpreter import RefusedError
from beholder.safe_pickle.lazy_tensor import LazyTensor
from beholder.safe_pickle.stubs import ArrayStub
from beholder.storage import Place

MOST_BYTES = 256 * 2**20  # of a file, and of what a packed one unpacks to
_MOST_TEXT = 16 * 2**20
_NPY, _ZIP = b"\x93NUMPY", b"PK"
_MOST_NUMBERS = 4_000_000  # in lists
_MOST_ITEMS = 20_000  # of all dicts and lists in a torch file together
_DEEPEST = 6  # of these within each other
_HEADER = 10_000  # characters; numpy's own limit
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_CHANNELS = re.compile(r"\s*\d+:\d+")
_INDEX = ("", "id", "index", "name", "direction", "unnamed: 0")  # what heads a column of names, in small letters


@dataclass(frozen=True)
class Table:
    """Numbers from text that has names: float64 [R, C], the names of its rows and of its columns; None where it has none."""

    values: np.ndarray
    rows: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None


def read(place: Place, *, what: str = "directions") -> Any:
    """What a file holds: an array, a Table, or dicts and lists of arrays, numbers and text. what: it is wanted for.

    Raises EditError in one line for a file that is broken, hostile, too large or of no known kind, and StorageError where it is
    missing.
    """
    data = place.read_bytes(MOST_BYTES)
    try:
        return _read(data, place)
    except RefusedError as error:
        raise EditError(f"{place.uri} can't be read as {what}: {error}") from None


def array(value: Any) -> np.ndarray:
    """A value of an opened file as float64. Raises RefusedError where it is no array of finite numbers."""
    if isinstance(value, Table):
        value = value.values
    if not isinstance(value, np.ndarray | list | int | float | np.generic):
        raise RefusedError(f"it holds a {type(value).__name__} in the place of numbers")
    if isinstance(value, list):
        _count(value, _MOST_NUMBERS, 3)
    try:
        numbers = np.asarray(value)
    except (ValueError, RecursionError, OverflowError):
        raise RefusedError("its lists are of different lengths") from None
    if numbers.dtype.kind not in "fiu" or not numbers.size:
        raise RefusedError(f"it holds {numbers.dtype} of shape {list(numbers.shape)} in the place of numbers")
    if not np.isfinite(numbers).all():
        raise RefusedError("it holds numbers that are not finite")
    return numbers.astype(np.float64)


def _count(value: list[object], left: int, depth: int) -> int:
    """How many numbers may still come after these lists; a list that is in many others counts each time."""
    for item in value:
        if isinstance(item, list):
            if not depth:
                raise RefusedError("its lists are nested too deeply")
            left = _count(item, left, depth - 1)
        else:
            left -= 1
        if left < 0:
            raise RefusedError(f"its lists hold more than {_MOST_NUMBERS:,} numbers")
    return left - 1


def _read(data: bytes, place: Place) -> Any:
    ending = place.name.rpartition(".")[2].lower()
    if not data:
        raise RefusedError("it is empty")
    if data.startswith(_NPY):
        return _npy(data)
    if data.startswith(torch_archive.LEGACY):
        return _Converter().convert(torch_archive.read(data))
    if data.startswith(_ZIP):
        return _zip(data)
    if data.startswith(b"\x80") or ending in ("pkl", "pickle"):
        return _pickle(data)
    if ending in ("json", "csv", "tsv", "txt"):
        return _text(data, ending)
    raise RefusedError("it is no .npy, .npz, torch file, pickle, .json, .csv or .tsv, going by its first bytes")


def _pickle(data: bytes) -> Any:
    """Plain values, arrays and tensors; arrays of objects as lists."""
    return numpy_pickle.parse(data, stubs=torch_archive.PICKLED_TENSORS, leaf=_Converter(MOST_BYTES // 2).convert, objects=True)


def _npy(data: bytes) -> Any:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise RefusedError(f"it is .npy of version {version[0]}.{version[1]}, which holds no plain numbers")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = header(file, max_header_size=_HEADER)
    except RefusedError:
        raise
    except Exception as error:  # numpy, the tokenizer and the parser each raise their own
        raise RefusedError(f"its .npy header is broken: {_line(error)}") from None
    if dtype.kind == "O":
        return _pickle(data[file.tell() :])
    if dtype.kind not in "fiuUS":
        raise RefusedError(f"it is .npy of {dtype}, expected numbers")
    left = len(data) - file.tell()
    if any(type(side) is not int or side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != left:
        raise RefusedError(f"it claims shape {list(shape)[:8]} of {dtype} in {left:,} bytes")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _zip(data: bytes) -> Any:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.filename.endswith("/data.pkl") for entry in entries):
                return _Converter().convert(torch_archive.read(data))
            if not entries or not all(entry.filename.endswith(".npy") for entry in entries):
                raise RefusedError("it is a zip of another kind, neither .npz nor a torch file")
            size = sum(entry.file_size for entry in entries)
            if size > MOST_BYTES:
                raise RefusedError(f"unpacked it has {size:,} bytes, more than the {MOST_BYTES:,} allowed")
            return {entry.filename.removesuffix(".npy"): _npy(_member(archive, entry)) for entry in entries}
    except RefusedError:
        raise
    except Exception as error:  # zipfile, zlib and struct each raise their own
        raise RefusedError(f"it is a broken zip: {_line(error)}") from None


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as member:
        found = member.read(entry.file_size)
    if len(found) != entry.file_size:
        raise RefusedError(f"its part {entry.filename[:80]!r} is shorter than it claims")
    return found


class _Converter:
    """Tensors as arrays, in dicts and lists as they were; one that is in several places counts each time."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.bytes_left, self.items_left = most, _MOST_ITEMS

    def convert(self, value: Any) -> Any:
        """Return the value with its tensors read; what is neither number, text nor container of these is left out of containers.

        Raises RefusedError where all is more than a file of directions holds; then nothing was read.
        """
        self._weigh(value, 0)
        return self._read(value)

    def _weigh(self, value: Any, depth: int) -> None:
        self.items_left -= 1
        if self.items_left < 0 or depth > _DEEPEST:
            raise RefusedError(f"its dicts and lists hold more than {_MOST_ITEMS:,} things, or are {_DEEPEST} within each other")
        if isinstance(value, ArrayStub):
            value = value.stored
        if isinstance(value, LazyTensor):
            self.bytes_left -= math.prod(value.shape) * 4
            if self.bytes_left < 0:
                raise RefusedError(f"it holds tensors, the last of shape {list(value.shape)}, of too many bytes together")
        elif isinstance(value, dict | list | tuple):
            for item in value.values() if isinstance(value, dict) else value:
                self._weigh(item, depth + 1)

    def _read(self, value: Any) -> Any:
        if isinstance(value, LazyTensor | ArrayStub):
            return (value if isinstance(value, LazyTensor) else value.stored).read().numpy()
        if isinstance(value, dict):
            return {str(key): self._read(item) for key, item in value.items() if isinstance(item, _KEPT)}
        if isinstance(value, list | tuple):
            return [self._read(item) for item in value if isinstance(item, _KEPT)]
        if isinstance(value, int | float | str):
            return value
        raise RefusedError(f"it holds a {type(value).__name__}, expected tensors")


_KEPT = (LazyTensor, ArrayStub, int, float, str, list, tuple, dict)


def _text(data: bytes, ending: str) -> Any:
    if len(data) > _MOST_TEXT:
        raise RefusedError(f"it is text of {len(data):,} bytes, more than the {_MOST_TEXT:,} allowed")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        if ending == "json":
            return json.loads(text)
        return text if _CHANNELS.match(text) else _table(text, ending)
    except UnicodeDecodeError:
        raise RefusedError("it is no text") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise RefusedError(f"it is no {ending} of numbers: {_line(error)}") from None


def _table(text: str, ending: str) -> np.ndarray | Table:
    """Return numbers between tabs, semicolons, commas or spaces, [R, C]; with names where the first row or column is none."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise RefusedError(f"it is no {ending} of numbers: it has no line")
    mark = "\t" if ending == "tsv" else next((each for each in "\t;," if each in lines[0]), " ")
    if mark == " ":
        cells = [line.split() for line in lines]
    else:
        cells = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    if mark in ";\t" and not any("." in cell for row in cells for cell in row if "," in cell):
        cells = [[cell.replace(",", ".") for cell in row] for row in cells]  # as many countries write numbers
    while len(cells[-1]) > 1 and all(len(row) == len(cells[-1]) and not row[-1] for row in cells):
        cells = [row[:-1] for row in cells]
    header = cells[0] if len(cells) > 1 and _is_header(cells[0], cells[1]) else None
    body = cells[1:] if header is not None else cells
    names = None
    if all(len(row) > 1 and not _NUMBER.fullmatch(row[0]) for row in body) or (
        header is not None and len(header) == len(body[0]) > 1 and header[0].lower() in _INDEX
    ):
        names, body = tuple(row[0] for row in body), [row[1:] for row in body]
    columns = None if header is None else tuple(header[max(0, len(header) - len(body[0])) :])
    if columns is not None and len(columns) != len(body[0]):
        raise RefusedError(f"its first line has {len(columns)} names, the next one {len(body[0])} numbers")
    values = _numbers(body)
    return values if names is None and columns is None else Table(values, names, columns)


def _is_header(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether a first line holds names: in more places than a row's own name, or the numbers of columns counted up."""
    rest = first[1:] if len(first) > 1 else first
    counted = [str(at) for at in range(len(rest))]
    if not _NUMBER.fullmatch(first[0]) and len(rest) > 1 and list(rest) == counted:
        return True
    if len(first) > 2 and list(first) == [str(at) for at in range(len(first))]:
        return True
    numbers = len(second) - sum(not _NUMBER.fullmatch(cell) for cell in second[:1])
    return sum(not _NUMBER.fullmatch(cell) for cell in rest) > 0 and numbers > 0


def _numbers(rows: Sequence[Sequence[str]]) -> np.ndarray:
    for at, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise RefusedError(f"its lines are of different lengths: {len(rows[0])} and {len(row)} numbers")
        for cell in row:
            if not _NUMBER.fullmatch(cell):
                raise RefusedError(f"it holds {_line(ValueError(cell))[:40]!r} in the place of a number, in row {at + 1}")
    return np.array([[float(cell) for cell in row] for row in rows])


def _line(error: Exception) -> str:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "".join(letter if letter.isprintable() else "?" for letter in said[:100])
