"""Checkpoints: any published file of a generator. The format is told by the first bytes, never by the file's name."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from beholder.editing.checkpoints import encoder_state, feature_state, generator_search, native, nvidia, rosinality, tensorflow
from beholder.editing.checkpoints.state_dict import ReadGenerator, assemble
from beholder.editing.features.published_features import PublishedFeatures
from beholder.editing.generator import Generator
from beholder.editing.published_encoder import PublishedEncoder
from beholder.errors import WeightsError
from beholder.safe_pickle import torch_archive
from beholder.safe_pickle.interpreter import RefusedError
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
    """A generator, ready to draw, the format it came in, its file's sha256 and size in bytes, and what was made up for.

    encoder: that inverts photos for it, features: that keep their detail, where the file has them.
    """

    generator: Generator
    format: str
    sha256: str
    size: int
    notes: tuple[str, ...]
    encoder: PublishedEncoder | None = None
    features: PublishedFeatures | None = None


def read(place: Place, *, class_index: int | None = None) -> Checkpoint:
    """Read a generator from a safetensors file, a torch file or a pickle of networks.

    class_index: of a class-conditional generator, the one class that it is to draw. Nothing that the file holds is run.
    Raises WeightsError, in one line, for everything that is not a whole StyleGAN2 generator, and StorageError for a file that is
    missing or larger than 4 GiB.
    """
    data = place.read_bytes(limit=MOST_BYTES)
    try:
        format, assembled = parse(data, class_index=class_index)
    except RefusedError as error:
        raise WeightsError(f"{place.uri} can't be read as a generator: {error}") from None
    digest, own = hashlib.sha256(data).hexdigest(), assembled
    return Checkpoint(own.generator, format, digest, len(data), own.notes, encoder=own.encoder, features=own.features)


def read_features(place: Place, generator: Generator) -> tuple[PublishedFeatures, str]:
    """Read the feature networks of a generator from a file of StyleFeatureEditor; also returns the file's sha256.

    Raises WeightsError and StorageError as `read` does.
    """
    data = place.read_bytes(limit=MOST_BYTES)
    try:
        stored = feature_state.find(_open(data)[1])
        if not stored:
            raise RefusedError("it has no inverter.fs_backbone, as files of StyleFeatureEditor have")
        return feature_state.assemble(stored, generator, size=len(data)), hashlib.sha256(data).hexdigest()
    except RefusedError as error:
        raise WeightsError(f"{place.uri} can't be read as feature networks: {error}") from None


def parse(data: bytes, *, class_index: int | None = None) -> tuple[str, ReadGenerator]:
    """Return the format's name and the generator in a file's bytes. Raises RefusedError."""
    for start, reason in _NO_CHECKPOINTS.items():
        if data.startswith(start):
            raise RefusedError(reason)
    container, value, clamp = _open(data)
    found = generator_search.find(value)
    if found.layout == "NVIDIA":
        tensors, own = nvidia.tensors(found)
        clamp = clamp if own is None else own
    elif found.layout == "rosinality":
        tensors = rosinality.tensors(found)
    else:
        assert found.network is not None
        tensors = tensorflow.tensors(found.network)
    made = assemble(tensors, size=len(data), conv_clamp=clamp, class_index=class_index)
    within = ", as decoder in an encoder's file" if "decoder" in found.place else f" ({container})"
    stored = feature_state.find(value)
    features = feature_state.assemble(stored, made.generator, size=len(data)) if stored else None
    encoder, notes = encoder_state.read(found, made.generator, size=len(data))
    return f"{found.layout}{within}", replace(
        made, notes=(*found.notes, *made.notes, *notes), encoder=encoder, features=features
    )  # fmt: skip


def _open(data: bytes) -> tuple[str, Any, float | None]:
    """The container's name, what it holds, and the clamp that our own kind of it says."""
    if data.startswith((torch_archive.ZIP, torch_archive.LEGACY)):
        return "torch file", torch_archive.read(data), None
    if data[8:9] == b"{":
        return "safetensors", *native.read(data)
    if data.startswith(b"\x80"):
        return "pickle of networks", torch_archive.read_pickle(data), None
    raise RefusedError("it is no safetensors file, torch file or pickle of networks, going by its first bytes")
