"""Stubs: every global name that a checkpoint's pickle may say, and the stub that answers to it; nothing else is known.

The real things behind these names are never imported or called: a generator's layers, for one, come out as their class's
name and their attributes, and the source text that travels with them is dropped unread.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from beholder.safe_pickle.interpreter import (
    DictStub,
    GlobalStub,
    ObjectStub,
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


def _module(meta: Any) -> ObjectStub:
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise RefusedError("a network in it is not of the published layout (expected a class and its state)")
    return ObjectStub(printable(meta.get("class_name", "")), meta["state"])


@dataclass(frozen=True)
class DtypeStub:
    """A kind of number; None: of something else, which is not read."""

    dtype: torch.dtype | None

    def build(self, state: Any) -> None:
        """The state of a pickled numpy.dtype may only say the byte order, and that only as little-endian."""
        if self.dtype is None:
            return
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", "|", "=") or state[2:5] != (None, None, None):
            raise RefusedError("an array in it is big-endian or made of records")


_NUMPY = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "i1": torch.int8, "i2": torch.int16, "i4": torch.int32,
    "i8": torch.int64, "u1": torch.uint8, "b1": torch.bool,
}  # fmt: skip


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> DtypeStub:
    if not isinstance(spec, str):
        raise RefusedError(f"an array in it holds {printable(spec)}, not numbers")
    return DtypeStub(_NUMPY.get(re.sub(r"^[<|=]", "", spec)))


class ArrayStub:
    """numpy.ndarray, filled by its state."""

    stored = LazyTensor((0,), lambda: torch.empty(0))

    def build(self, state: Any) -> None:
        """What a pickled array's state says: its shape, kind of number, order and bytes."""
        match state:
            case (_, tuple(), DtypeStub(dtype=None), _, _):
                return  # texts, objects or dates, which no network is made of
            case (_, tuple(shape), DtypeStub(dtype=torch.dtype() as dtype), fortran, bytes(raw)) if len(
                shape
            ) <= MOST_SIDES and all(type(side) is int for side in shape):
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


def _number(kind: Any, raw: Any) -> float | int | None:
    if isinstance(kind, DtypeStub) and kind.dtype is None:
        return None
    if not isinstance(kind, DtypeStub) or not isinstance(raw, bytes) or kind.dtype is None or len(raw) != kind.dtype.itemsize:
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


def _typed(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """A tensor of a class of its own, by the function that makes its numbers."""
    if not isinstance(function, GlobalStub) or function.name not in TENSORS or not isinstance(arguments, tuple):
        raise RefusedError("a tensor in it is made in an unknown way")
    return function.make(*arguments)


def _rebuilt(kind: Any, *_: Any) -> Any:
    """What copyreg makes of a class: nothing but its name."""
    return kind.make() if isinstance(kind, GlobalStub) else ObjectStub("object")


def _default_dict(*_: Any) -> DictStub:
    return DictStub("defaultdict")


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
TENSORS: Stubs = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
# Networks of NVIDIA's PyTorch generation, and of the TensorFlow one before it; forks keep these modules in packages of their own.
_NETWORKS: Stubs = {
    "torch_utils.persistence._reconstruct_persistent_obj": _module,
    "dnnlib.util.EasyDict": _object("EasyDict"),
    "dnnlib.tflib.network.Network": _object("Network"),
}
# In a torch file or a plain pickle of networks (torch_archive adds their storages).
CHECKPOINT: Stubs = {
    **PLAIN,
    **TENSORS,
    **STORAGES,
    **_NETWORKS,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "argparse.Namespace": _object("Namespace"),
    "types.SimpleNamespace": _object("SimpleNamespace"),
    "collections.defaultdict": _default_dict,
    "copyreg._reconstructor": _rebuilt,
    "copy_reg._reconstructor": _rebuilt,
}
# Of Python's own library and of torch only these are left unmade; the rest of them is refused, as it can do things.
_HARMLESS = re.compile(
    r"(builtins|__builtin__)\.(int|long|float|bool|str|unicode|bytes|bytearray|complex|list|tuple|dict|set|frozenset|slice|range|xrange|object)"
    r"|(pathlib(\._local)?|datetime|decimal|fractions|typing|enum|uuid|zoneinfo)\.\w+|collections\.(Counter|deque|ChainMap)"
    r"|torch\.(Size|device|dtype|b?float\d*|half|double|int\d*|uint\d*|long|bool|strided|channels_last|contiguous_format)"
    r"|torch\.(nn|optim)(\.\w+)+"
)
_OURS = {"torch", "numpy", "beholder", "__builtin__", "copy_reg", "commands", "posixpath", "ntpath"}


def left_unmade(name: str) -> Callable[..., Any] | None:
    """Return what answers to a name in a checkpoint that is not known: a network's name within a fork's package, or a stub.

    Classes of other packages, such as the settings that training scripts keep beside their networks, are never looked up: an
    ObjectStub stands for each. None for names of Python's own library, of torch and of numpy that could do something.
    """
    for known, make in _NETWORKS.items():
        if name.endswith(f".{known}"):
            return make
    root = name.partition(".")[0]
    if _HARMLESS.fullmatch(name) is None and (root in _OURS or (root in sys.stdlib_module_names and root != "__main__")):
        return None
    return lambda *_: ObjectStub(printable(name))
