"""torch's two layouts of a file, read without torch's own unpickler: the zip of today and the row of pickles of before.

Either way the numbers stay in the file until they are asked for, so that an optimiser's state beside a generator costs nothing.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import torch

from beholder.safe_pickle import stubs
from beholder.safe_pickle.interpreter import GlobalStub, Limits, ObjectStub, RefusedError, Stubs, printable, unpickle
from beholder.safe_pickle.lazy_tensor import LazyStorage, LazyTensor

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"  # a pickle of the number 0x1950a86a20f9469cfc6c
_PROTOCOL = 1001
_MOST_FILES = 20_000
_LIMITS = Limits(whole=2**64)  # seeds of random numbers are as large
_CODE = re.compile(r"[^/]+/code/")
_MOST_CODE = 16 << 20  # bytes of a program's code
_DEEPEST = 50
_LISTS = tuple(f"torch.jit._pickle.{name}" for name in ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist"))


def read(data: bytes) -> Any:
    """Return what a torch file holds, its tensors as LazyTensor. Raises RefusedError."""
    return _read_zip(data) if data.startswith(ZIP) else _read_legacy(data)


def read_storage(data: Any) -> LazyStorage:
    """Return the one storage in a legacy file that holds nothing else, as a pickle of networks holds each of its storages.

    Raises RefusedError.
    """
    if not isinstance(data, bytes):
        raise RefusedError("a storage in it is no bytes")
    if not data.startswith(LEGACY):
        raise RefusedError("a storage in it is not in torch's layout")
    found = _read_legacy(data, stubs.STORAGES)
    if not isinstance(found, LazyStorage):
        raise RefusedError(f"a storage in it is a {type(found).__name__}")
    return found


def program_code(file: Any) -> bytes | None:
    """Return the text of the code in a TorchScript program, a path or an opened file; None for another file. It is not run.

    What is broken, or longer than 16 MB, is empty.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            code = [entry for entry in archive.infolist() if _CODE.match(entry.filename)]
            if sum(entry.file_size for entry in code) > _MOST_CODE:
                return b""
            return b"".join(archive.open(entry).read(_MOST_CODE) for entry in code) if code else None
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, struct.error, RuntimeError):
        return None


def read_program(data: bytes) -> dict[str, LazyTensor]:
    """Return the tensors of a TorchScript program's modules under their dotted names. Its code is not run. Raises RefusedError."""
    found: dict[str, LazyTensor] = {}
    waiting: list[tuple[str, Any, int]] = [("", _read_zip(data, program=True), 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if len(found) + len(waiting) > _MOST_FILES or depth > _DEEPEST:
            raise RefusedError(f"its modules have more than {_MOST_FILES:,} tensors, or lie {_DEEPEST} deep within each other")
        if isinstance(value, LazyTensor):
            found[name] = value
        elif isinstance(value, _ModuleStub):
            waiting += [(f"{name}.{key}" if name else key, inner, depth + 1) for key, inner in value.attributes.items()]
    return found


class _ModuleStub(ObjectStub):
    """A module of a TorchScript program: of its attributes the tensors and modules are kept."""

    def build(self, state: Any) -> None:
        if isinstance(state, dict):
            kept = {key: value for key, value in state.items() if isinstance(value, LazyTensor | _ModuleStub)}
            self.attributes = {key: value for key, value in kept.items() if isinstance(key, str)}


def _program_part(name: str) -> Callable[..., Any] | None:
    if name.startswith("__torch__."):
        return lambda *_: _ModuleStub(printable(name))
    return (lambda *_: None) if name in _LISTS else stubs.left_unmade(name)


# The stubs of a plain pickle of networks.
NETWORKS: Stubs = {**stubs.CHECKPOINT, "torch.storage._load_from_bytes": read_storage}
# The stubs of tensors in a plain pickle.
PICKLED_TENSORS: Stubs = {**stubs.TENSORS, "torch.storage._load_from_bytes": read_storage}


def read_pickle(data: bytes) -> Any:
    """Return what a plain pickle of networks or tensors holds, its tensors as LazyTensor. Raises RefusedError."""
    return unpickle(io.BytesIO(data), stubs=NETWORKS, others=stubs.left_unmade, limits=_LIMITS)


def _read_zip(data: bytes, *, program: bool = False) -> Any:
    """Return what a zip of torch's holds, a TorchScript program among them where it may be one."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = {entry.filename: entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise RefusedError(f"it is a broken zip: {printable(error)}") from None
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise RefusedError(f"it is a zip of another kind, with {printable(next(iter(entries), 'nothing'))} in it and no data.pkl")
    top = pickles[0].removesuffix("data.pkl")
    if not program and any(name.startswith(top + "code/") for name in entries):
        raise RefusedError("it is a TorchScript program, not weights")
    if len(entries) > _MOST_FILES:
        raise RefusedError(f"it has {len(entries):,} files in it, more than {_MOST_FILES:,}")
    parts = [entry for name, entry in entries.items() if not name.startswith(top + "code/")]
    for entry in parts:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data) or entry.flag_bits & 1:
            raise RefusedError(f"its part {printable(entry.filename)} is compressed or larger than the file, as torch writes none")
    if sum(entry.file_size for entry in parts) > len(data):
        raise RefusedError("its parts together are larger than the file, so some lie in the same place")

    checked: dict[str, memoryview] = {}

    def content(name: str) -> memoryview:
        if name not in entries:
            raise RefusedError(f"its part {printable(name)} is missing")
        if name not in checked:
            try:
                size = len(archive.read(name))  # against its checksum
            except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error) as error:
                raise RefusedError(f"its part {printable(name)} is broken: {printable(error)}") from None
            header = entries[name].header_offset
            begin = header + 30 + sum(struct.unpack("<HH", data[header + 26 : header + 30]))
            checked[name] = memoryview(data)[begin : begin + size]
        return checked[name]

    if f"{top}byteorder" in entries and bytes(content(f"{top}byteorder")) != b"little":
        raise RefusedError("its numbers are big-endian")
    return unpickle(
        io.BytesIO(content(pickles[0])),
        stubs=stubs.CHECKPOINT,
        others=_program_part if program else stubs.left_unmade,
        limits=_LIMITS,
        persistent=lambda said: _storage(said, lambda key: content(f"{top}data/{key}")),
    )


def _read_legacy(data: bytes, known: Stubs | None = None) -> Any:
    """Magic number, protocol, what the machine was like, the object, the keys of its storages, and their numbers.

    known: the only names that it may say, where it is within another file.
    """
    file = io.BytesIO(data)
    file.seek(len(LEGACY))
    if unpickle(file, stubs={}) != _PROTOCOL:
        raise RefusedError("it is a torch file of an unknown version")
    machine = unpickle(file, stubs={})
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise RefusedError("its numbers are big-endian")
    places: dict[str, memoryview] = {}
    claimed: dict[str, LazyStorage] = {}

    def persistent(said: Any) -> Any:
        if isinstance(said, tuple) and said and said[0] == "module" and len(said) > 1:
            return said[1]  # a class of a network with its source text, which stays unread
        storage = _storage(said, lambda key: places[key])
        return claimed.setdefault(said[2], storage)

    if known is None:
        found = unpickle(file, stubs=stubs.CHECKPOINT, persistent=persistent, others=stubs.left_unmade, limits=_LIMITS)
    else:
        found = unpickle(file, stubs=known, persistent=persistent)
    keys = unpickle(file, stubs={})
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys) or set(map(str, keys)) != set(claimed):
        raise RefusedError("it does not hold the storages that it names")
    whole, at = memoryview(data), file.tell()
    for key in keys:
        storage = claimed[str(key)]
        size = storage.numel * storage.dtype.itemsize
        if at + 8 + size > len(data) or int.from_bytes(whole[at : at + 8], "little") != storage.numel:
            raise RefusedError(f"it is truncated: a storage claims {storage.numel:,} numbers, {len(data) - at:,} bytes are left")
        places[key] = whole[at + 8 : at + 8 + size]
        at += 8 + size
    return found


def _storage(said: Any, content: Callable[[str], bytes | memoryview]) -> LazyStorage:
    """What a persistent id names: ("storage", kind, key, device, numel), in older files with a view at the end."""
    match said:
        case ("storage", GlobalStub(make=make), str(key), _, int(numel), *rest) if rest in ([], [None]) and numel >= 0:
            dtype = make()
        case _:
            raise RefusedError("it refers to something outside it that is no storage")
    if not isinstance(dtype, torch.dtype):
        raise RefusedError("it has a storage of an unknown kind")
    return LazyStorage(numel, dtype, lambda: content(key))
