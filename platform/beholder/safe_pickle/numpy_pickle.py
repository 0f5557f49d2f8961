"""Reading a pickle without running anything in it: plain containers, numbers, text and numpy arrays, and nothing else.

A pickle is a program that may call whatever it names. This unpickler knows only the names below, and answers each of them with
a small double of its own: not even numpy's own code for unpickling, which trusts its input, is reached.
"""

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from beholder.errors import BeholderError


def read_arrays(data: bytes, *, name: str, error: type[BeholderError]) -> Any:
    """The dicts, lists, numbers, text and numpy arrays in the pickle `data`.

    Raises `error`, naming the file `name`, for anything else: other classes or functions, arrays of objects, a broken file.
    """
    try:
        return _plain(_ArraysOnly(io.BytesIO(data), encoding="latin-1").load(), {})
    except Exception as reason:  # a hostile file can make the machine raise nearly anything
        raise error(f"{name} can't be read as a pickle of numpy arrays: {reason}") from None


class _ArraysOnly(pickle.Unpickler):
    """Arrays pickled by numpy 1 and 2, by protocols 0 to 5."""

    def find_class(self, module: str, name: str) -> Any:
        known = _KNOWN.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")
        return known if isinstance(known, type) else _Sealed(known)


class _Sealed:
    """A function that a pickle may call but not set attributes of."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets attributes of a function")


class _Dtype:
    """numpy.dtype: a kind of number or text; its pickled state may only set the byte order."""

    def __init__(self, spec: Any, align: bool = False, copy: bool = False):
        self.dtype = np.dtype(_raw(spec).decode())
        if self.dtype.kind not in "biufcSU" or self.dtype.itemsize == 0:
            raise pickle.UnpicklingError(f"it holds an array of {self.dtype}")

    def __setstate__(self, state: tuple) -> None:
        _, order, subdtype, names, fields, *_ = state
        if subdtype is not None or names is not None or fields is not None:
            raise pickle.UnpicklingError("it holds an array of records")
        order = order.decode() if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder(">" if order == ">" else "<" if order == "<" else "=")

    def array(self, raw: bytes, shape: tuple[int, ...], order: str) -> np.ndarray:
        """The numbers in `raw`; refused where their count is not that of `shape`."""
        shape = tuple(int(side) for side in shape)
        if min(shape, default=0) < 0 or math.prod(shape) * self.dtype.itemsize != len(raw):
            raise pickle.UnpicklingError(f"it claims shape {list(shape)} of {self.dtype} for {len(raw)} bytes")
        return np.frombuffer(raw, self.dtype).reshape(shape, order="F" if order == "F" else "C").copy()


class _Array:
    """numpy.ndarray, filled by its pickled state."""

    value: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, raw = state
        self.value = dtype.array(_raw(raw), shape, "F" if is_fortran else "C")


def _reconstruct(cls: Any, shape: Any, typecode: Any) -> _Array:
    if cls is not _Array:
        raise pickle.UnpicklingError("it makes an array of another class")
    return _Array()


def _frombuffer(raw: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return dtype.array(_raw(raw), shape, order)


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    return dtype.array(_raw(raw), (), "C")[()]


def _raw(value: Any) -> bytes:
    """Bytes, also as Python 2 spelt them; bytes(10**10) would be ten gigabytes of zeros."""
    if not isinstance(value, str | bytes | bytearray):
        raise pickle.UnpicklingError(f"it has a {type(value).__name__} in the place of bytes")
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _no_bytes() -> bytes:
    """How protocols 0 to 2 spell b""."""
    return b""


def _latin1(text: str, encoding: str) -> bytes:
    """How protocols 0 to 2 spell bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it spells bytes in {encoding}")
    return text.encode("latin-1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): dict,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _no_bytes,
}
_PLAIN = (str, bytes, bytearray, int, float, complex, type(None), np.generic, np.ndarray)


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The doubles inside containers replaced by what they stand for; `done` has what was met before, by its id."""
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, _Array):
        found: Any = value.value
    elif isinstance(value, dict):
        found = {_plain(key, done): _plain(item, done) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        found = type(value)(_plain(item, done) for item in value)
    elif isinstance(value, _PLAIN):
        found = value
    else:
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__.lstrip('_')}")
    done[id(value)] = found
    return found
