"""Stubs: every global name that a checkpoint's pickle may say, and the stub that answers to it; nothing else is known.

The real things behind these names are never imported or called: a generator's layers, for one, come out as their class's
name and their attributes, and the source text that travels with them is dropped unread.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from beholder.safe_pickle.interpreter import (
    DictStub,
    RefusedError,
    SetStub,
    Stubs,
    latin1_bytes,
    no_bytes,
    ordered_dict,
    printable,
)
from beholder.safe_pickle.lazy_tensor import MOST_SIDES, LazyStorage, LazyTensor

_KINDS = {
    "Float": torch.float32, "Half": torch.float16, "Double": torch.float64, "BFloat16": torch.bfloat16, "Long": torch.int64,
    "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool,
}  # fmt: skip


class ModuleStub:
    """A layer of a network that was pickled with its source: its class's name and its attributes."""

    def __init__(self, kind: str, attributes: dict[str, Any]) -> None:
        self.kind, self.attributes = kind, attributes

    def part(self, name: str) -> dict[str, Any]:
        """_parameters, _buffers or _modules."""
        found = self.attributes.get(name)
        return found if isinstance(found, dict) else {}


def _module(meta: Any) -> ModuleStub:
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise RefusedError("a network in it is not of the published layout (expected a class and its state)")
    return ModuleStub(printable(meta.get("class_name", "")), meta["state"])


@dataclass(frozen=True)
class DtypeStub:
    """A kind of number."""

    dtype: torch.dtype

    def build(self, state: Any) -> None:
        """The state of a pickled numpy.dtype may only say the byte order, and that only as little-endian."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", "|", "=") or state[2:5] != (None, None, None):
            raise RefusedError("an array in it is big-endian or made of records")


_NUMPY = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "i1": torch.int8, "i2": torch.int16, "i4": torch.int32,
    "i8": torch.int64, "u1": torch.uint8, "b1": torch.bool,
}  # fmt: skip


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> DtypeStub:
    found = _NUMPY.get(re.sub(r"^[<|=]", "", spec)) if isinstance(spec, str) else None
    if found is None:
        raise RefusedError(f"an array in it holds {printable(spec)}, not numbers")
    return DtypeStub(found)


class ArrayStub:
    """numpy.ndarray, filled by its state."""

    stored = LazyTensor((0,), lambda: torch.empty(0))

    def build(self, state: Any) -> None:
        """What a pickled array's state says: its shape, kind of number, order and bytes."""
        match state:
            case (_, tuple(shape), DtypeStub(dtype=dtype), fortran, bytes(raw)) if len(shape) <= MOST_SIDES and all(
                type(side) is int for side in shape
            ):
                pass
            case _:
                raise RefusedError("an array in it is not of plain numbers")
        sides = shape if fortran else shape[::-1]
        strides = [1]
        for side in sides:
            strides.append(strides[-1] * side)
        stride = tuple(strides[:-1] if fortran else strides[:-1][::-1])
        self.stored = LazyStorage(len(raw) // dtype.itemsize, dtype, lambda: raw).tensor(0, shape, stride)


def _array(cls: Any, shape: Any, typecode: Any) -> ArrayStub:
    return ArrayStub()


def _number(kind: Any, raw: Any) -> float | int:
    if not isinstance(kind, DtypeStub) or not isinstance(raw, bytes) or len(raw) != kind.dtype.itemsize:
        raise RefusedError("a number in it is broken")
    return torch.frombuffer(bytearray(raw), dtype=kind.dtype)[0].item()


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> LazyTensor:
    whole = [offset, *shape, *stride]
    if not isinstance(storage, LazyStorage) or not all(type(number) is int for number in whole):
        raise RefusedError("a tensor in it is broken")
    return storage.tensor(offset, tuple(shape), tuple(stride))


def _parameter(tensor: Any, *_: Any) -> LazyTensor:
    if not isinstance(tensor, LazyTensor):
        raise RefusedError("a parameter in it is no tensor")
    return tensor


def _object(kind: str) -> Callable[..., DictStub]:
    def make() -> DictStub:
        return DictStub(kind)

    return make


def _set(items: Any = ()) -> SetStub:
    return SetStub()


STORAGES: Stubs = {f"torch.{kind}Storage": lambda dtype=dtype: dtype for kind, dtype in _KINDS.items()}
PLAIN: Stubs = {
    "collections.OrderedDict": ordered_dict,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "_codecs.encode": latin1_bytes,
    "__builtin__.bytes": no_bytes,
    "numpy.dtype": _dtype,
    "numpy.ndarray": ArrayStub,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy._core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
TENSORS: Stubs = {"torch._utils._rebuild_tensor_v2": _tensor, "torch._utils._rebuild_parameter": _parameter}
# In a torch file: what published training scripts save beside their tensors is plain data.
ARCHIVE: Stubs = {**PLAIN, **TENSORS, **STORAGES, "argparse.Namespace": _object("Namespace")}
# In a plain pickle: networks of the PyTorch generation, and of the TensorFlow one before it; torch_archive adds their storages.
NETWORKS: Stubs = {
    **PLAIN,
    **TENSORS,
    "torch_utils.persistence._reconstruct_persistent_obj": _module,
    "dnnlib.util.EasyDict": _object("EasyDict"),
    "dnnlib.tflib.network.Network": _object("Network"),
}
