"""Checkpoints: any published file of a generator. The format is told by the first bytes, never by the file's name."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from beholder.editing.checkpoints import native, nvidia, rosinality, tensorflow
from beholder.editing.checkpoints.state_dict import ReadGenerator
from beholder.editing.generator import Generator
from beholder.errors import WeightsError
from beholder.safe_pickle import torch_archive
from beholder.safe_pickle.interpreter import DictStub, RefusedError, printable, unpickle
from beholder.storage import Place

MOST_BYTES = 4 * 2**30
_NO_CHECKPOINTS = {
    b"<": "it is a web page, so the download failed; fetch the file itself",
    b"version https://git-lfs": "it is a git-lfs pointer; `git lfs pull` fetches the file itself",
    b"\x1f\x8b": "it is gzip; unpack it first",
    b"\x93NUMPY": "it is a single numpy array, perhaps a direction; a generator has many",
}


@dataclass(frozen=True)
class Checkpoint:
    """A generator, ready to draw, the format it came in, its file's sha256 and size in bytes, and what was made up for."""

    generator: Generator
    format: str
    sha256: str
    size: int
    notes: tuple[str, ...]


def read(place: Place) -> Checkpoint:
    """Read a generator from a safetensors file, a rosinality torch file, or a pickle of NVIDIA's networks.

    Nothing that the file holds is run. Raises WeightsError, in one line, for everything that is not a whole StyleGAN2 generator,
    and StorageError for a file that is missing or larger than 4 GiB.
    """
    data = place.read_bytes(limit=MOST_BYTES)
    try:
        format, assembled = _read(data)
    except RefusedError as error:
        raise WeightsError(f"{place.uri} can't be read as a generator: {error}") from None
    return Checkpoint(assembled.generator, format, hashlib.sha256(data).hexdigest(), len(data), assembled.notes)


def _read(data: bytes) -> tuple[str, ReadGenerator]:
    for start, reason in _NO_CHECKPOINTS.items():
        if data.startswith(start):
            raise RefusedError(reason)
    for matches, read_container in _CONTAINERS:
        if matches(data):
            return read_container(data)
    raise RefusedError("it is no safetensors file, torch file or pickle of networks, going by its first bytes")


def _read_pickle(data: bytes) -> tuple[str, ReadGenerator]:
    """Return the format and the generator of a pickle of networks, whose outermost value tells its generation."""
    whole = unpickle(io.BytesIO(data), stubs=torch_archive.NETWORKS)
    if isinstance(whole, dict):
        return nvidia.FORMAT, nvidia.build(whole, size=len(data))
    if isinstance(whole, tuple) and len(whole) == 3 and all(isinstance(each, DictStub) for each in whole):
        return tensorflow.FORMAT, tensorflow.build(whole, size=len(data))
    raise RefusedError(f"its pickle holds a {printable(type(whole).__name__)}, expected a dict with G_ema or three networks")


class CheckpointReader(Protocol):
    """What reads one container."""

    def __call__(self, data: bytes, /) -> tuple[str, ReadGenerator]:
        """Return the format's name and the generator in a file's bytes. Raises RefusedError."""
        ...


# How a container begins, and its reader; the first that matches reads the file.
_CONTAINERS: tuple[tuple[Callable[[bytes], bool], CheckpointReader], ...] = (
    (lambda data: data.startswith((torch_archive.ZIP, torch_archive.LEGACY)), rosinality.read),
    (lambda data: data[8:9] == b"{", native.read),
    (lambda data: data.startswith(b"\x80"), _read_pickle),
)
