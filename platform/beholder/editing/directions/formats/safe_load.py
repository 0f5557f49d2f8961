"""Opening: a file of numbers -> plain values and arrays. Nothing in it is run, and no size that it claims is believed.

.npy and .npz by numpy's layout without objects, torch files and pickles by unpicklers that know numbers only, .csv, .json and
.txt as text. The layout is told by the first bytes; only text goes by the file's name.
"""

import io
import json
import math
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from beholder.errors import EditError
from beholder.safe_pickle import numpy_pickle, torch_archive
from beholder.safe_pickle.interpreter import RefusedError
from beholder.safe_pickle.lazy_tensor import LazyTensor
from beholder.storage import Place

MOST_BYTES = 256 * 2**20  # of a file, and of what a packed one unpacks to
_MOST_TEXT = 16 * 2**20
_NPY, _ZIP = b"\x93NUMPY", b"PK"
_MOST_NUMBERS = 4_000_000  # in lists
_MOST_ITEMS = 1000  # of a list in a torch file
_HEADER = 10_000  # characters; numpy's own limit


def read(place: Place) -> Any:
    """What a file holds: an array, or dicts and lists of arrays, numbers and text.

    Raises EditError in one line for a file that is broken, hostile, too large or of no known kind, and StorageError where it is
    missing.
    """
    data = place.read_bytes(MOST_BYTES)
    try:
        return _read(data, place)
    except RefusedError as error:
        raise EditError(f"{place.uri} can't be read as directions: {error}") from None


def array(value: Any) -> np.ndarray:
    """A value of an opened file as float64. Raises RefusedError where it is no array of finite numbers."""
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
        return _numbers(torch_archive.read(data))
    if data.startswith(_ZIP):
        return _zip(data)
    if data.startswith(b"\x80"):
        return numpy_pickle.parse(data)
    if ending in ("json", "csv", "txt"):
        return _text(data, ending)
    raise RefusedError("it is no .npy, .npz, torch file, pickle, .json or .csv, going by its first bytes")


def _npy(data: bytes) -> np.ndarray:
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
    if dtype.hasobject:
        raise RefusedError("it is .npy with Python objects in it, which would have to be unpickled")
    if dtype.kind not in "fiu":
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
                return _numbers(torch_archive.read(data))
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


def _numbers(value: Any) -> Any:
    """The tensors of a torch file as arrays; one that is in several places counts each time."""
    left = MOST_BYTES
    for each in _tensors(value):
        left -= math.prod(each.shape) * 4
        if left < 0:
            raise RefusedError(f"it holds tensors, the last of shape {list(each.shape)}, of more than {MOST_BYTES:,} bytes")
    return _arrays(value)


def _tensors(value: Any) -> Iterator[LazyTensor]:
    """The tensors that `_arrays` reads."""
    if isinstance(value, LazyTensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value[:_MOST_ITEMS]:
            if isinstance(item, LazyTensor) or (isinstance(item, list) and isinstance(value, dict)):
                yield from _tensors(item)


def _arrays(value: Any) -> Any:
    if isinstance(value, LazyTensor):
        return value.read().numpy()
    if isinstance(value, dict):
        return {str(key): _arrays(item) for key, item in value.items() if isinstance(item, LazyTensor | int | float | str | list)}
    if isinstance(value, list | tuple):
        return [_arrays(item) for item in value[:_MOST_ITEMS] if isinstance(item, LazyTensor | int | float | str)]
    if isinstance(value, int | float | str):
        return value
    raise RefusedError(f"it holds a {type(value).__name__}, expected tensors")


def _text(data: bytes, ending: str) -> Any:
    if len(data) > _MOST_TEXT:
        raise RefusedError(f"it is text of {len(data):,} bytes, more than the {_MOST_TEXT:,} allowed")
    try:
        text = data.decode()
        if ending == "json":
            return json.loads(text)
        rows = [line.replace(",", " ").replace(";", " ").split() for line in text.splitlines() if line.strip()]
        if ":" in text:  # (layer:channel) lists
            return text
        return np.array([[float(cell) for cell in row] for row in rows])
    except UnicodeDecodeError:
        raise RefusedError("it is no text") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"it is no {ending} of numbers: {_line(error)}") from None


def _line(error: Exception) -> str:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "".join(letter if letter.isprintable() else "?" for letter in said[:100])
