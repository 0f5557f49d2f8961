"""Pickles of numpy arrays: plain containers, numbers, text and arrays, by the interpreter with stubs for numpy's own names.

Not even numpy's code for unpickling, which trusts its input, is reached. Pickles of protocols 0 to 5, of numpy 1 and 2 and of
Python 2 are read. torch is not imported here.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.errors import BeholderError
from beholder.safe_pickle.interpreter import (
    GlobalStub,
    Limits,
    RefusedError,
    Stubs,
    latin1_bytes,
    no_bytes,
    ordered_dict,
    printable,
    unpickle,
)

LIMITS = Limits(instructions=20_000_000, whole=2**1000)  # a table of vectors takes about 30 instructions for each
_MOST_SIDES = 64  # of an array; numpy's own limit


def read_arrays(data: bytes, *, name: str, error: type[BeholderError]) -> Any:
    """Return the dicts, lists, numbers, text and numpy arrays in the pickle `data`, as `parse` does.

    Raises `error`, naming the file `name`, for anything else.
    """
    try:
        return parse(data)
    except RefusedError as reason:
        raise error(f"{name} can't be read as a pickle of numpy arrays: {reason}") from None


def parse(data: bytes, *, stubs: Stubs | None = None, leaf: Callable[[Any], Any] | None = None, objects: bool = False) -> Any:
    """Return the dicts, lists, numbers, text and numpy arrays in the pickle `data`; numbers of numpy come as Python's.

    stubs: more names that it may say; leaf: what is made of the values that they leave. objects: take arrays of objects, as lists.
    Raises RefusedError for anything else: other classes or functions, a broken file.
    """
    more = {**(stubs or {}), **({"numpy.dtype": _any_dtype} if objects else {})}
    value = unpickle(io.BytesIO(data), stubs={**_STUBS, **more}, limits=LIMITS)
    try:
        return _plain(value, {}, leaf or _no_leaf)
    except RecursionError:
        raise RefusedError("its pickle nests too deeply") from None


@dataclass
class NumpyDtype:
    """numpy.dtype: a kind of number or text; its pickled state may only set the byte order."""

    dtype: np.dtype[Any]

    def build(self, state: Any) -> None:
        """Set the byte order."""
        match state:
            case (_, str() | bytes() as order, None, None, None, *_):
                mark = order.decode("latin-1") if isinstance(order, bytes) else order
                self.dtype = self.dtype.newbyteorder(">" if mark == ">" else "<" if mark == "<" else "=")
            case _:
                raise RefusedError("it holds an array of records")

    def array(self, raw: Any, shape: Any, *, fortran: bool) -> Any:
        """Return the numbers in `raw`, or of objects their list. Raises RefusedError where their count is not that of `shape`."""
        if self.dtype == object:
            if not isinstance(raw, list) or not isinstance(shape, tuple) or len(shape) > 1 or len(raw) != (*shape, 1)[0]:
                raise RefusedError("it holds an array of objects that is no list")
            return raw if shape else raw[0]
        content = _raw(raw)
        if not isinstance(shape, tuple) or len(shape) > _MOST_SIDES or not all(type(side) is int and side >= 0 for side in shape):
            raise RefusedError("it holds an array whose shape is no tuple of whole numbers")
        if math.prod(shape) * self.dtype.itemsize != len(content):
            raise RefusedError(f"it claims shape {printable(str(list(shape)))} of {self.dtype} for {len(content)} bytes")
        return np.frombuffer(content, self.dtype).reshape(shape, order="F" if fortran else "C").copy()


class NumpyArray:
    """numpy.ndarray, filled by its pickled state."""

    value: Any = None

    def build(self, state: Any) -> None:
        """Take the numbers of a state (version, shape, dtype, whether columns come first, bytes)."""
        match state:
            case (_, shape, NumpyDtype() as dtype, fortran, raw):
                self.value = dtype.array(raw, shape, fortran=bool(fortran))
            case _:
                raise RefusedError("an array in it is not of plain numbers")


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> NumpyDtype:
    dtype = np.dtype(_raw(spec).decode())
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
        raise RefusedError(f"it holds an array of {printable(str(dtype))}")
    return NumpyDtype(dtype)


def _any_dtype(spec: Any, align: Any = False, copy: Any = False) -> NumpyDtype:
    return NumpyDtype(np.dtype(object)) if _raw(spec) in (b"O", b"O8", b"|O") else _dtype(spec)


def _no_leaf(value: Any) -> Any:
    raise RefusedError(f"it holds a {type(value).__name__}")


def _reconstruct(cls: Any, shape: Any, typecode: Any) -> NumpyArray:
    if not isinstance(cls, GlobalStub) or cls.make is not NumpyArray:
        raise RefusedError("it makes an array of another class")
    return NumpyArray()


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Any:
    if not isinstance(dtype, NumpyDtype):
        raise RefusedError("an array in it is not of plain numbers")
    return dtype.array(raw, shape, fortran=order == "F")


def _scalar(dtype: Any, raw: Any) -> Any:
    if not isinstance(dtype, NumpyDtype):
        raise RefusedError("a number in it is broken")
    return dtype.array(raw, (), fortran=False).item()


def _raw(value: Any) -> bytes:
    """Return bytes, also as Python 2 spelt them; bytes(10**10) would be ten gigabytes of zeros."""
    if not isinstance(value, str | bytes | bytearray):
        raise RefusedError(f"it has a {type(value).__name__} in the place of bytes")
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


_STUBS: Stubs = {
    "collections.OrderedDict": ordered_dict,
    "numpy.dtype": _dtype,
    "numpy.ndarray": NumpyArray,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "_codecs.encode": latin1_bytes,
    "__builtin__.bytes": no_bytes,
}


def _plain(value: Any, done: dict[int, Any], leaf: Callable[[Any], Any]) -> Any:
    """Return a value with the stubs in its containers replaced by what they stand for; done: what was met before, by its id."""
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, NumpyArray):
        if value.value is None:
            raise RefusedError("an array in it is never filled")
        result: Any = value.value if isinstance(value.value, np.ndarray) else _plain(value.value, done, leaf)
    elif isinstance(value, dict):
        result = {key: _plain(item, done, leaf) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        result = type(value)(_plain(item, done, leaf) for item in value)
    elif value is None or isinstance(value, str | bytes | bytearray | int | float | complex | np.generic | np.ndarray):
        result = value
    else:
        result = leaf(value)
    done[id(value)] = result
    return result
