"""A file of directions: safetensors, with their vectors as tensors and everything else in the metadata."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beholder import artifacts
from beholder.editing.directions.direction import Direction
from beholder.errors import ArtifactError, EditError
from beholder.storage import Place

if TYPE_CHECKING:
    from torch import Tensor

LIMIT = 64 * 1024 * 1024  # bytes that a file of directions may have
_MARK = "beholder directions 2"


def save(path: Path, directions: Sequence[Direction]) -> None:
    """Write directions to one file, as `dump` makes it."""
    Place.at(path).write_bytes(dump(directions))


def load(path: Path) -> dict[str, Direction]:
    """Read the directions of a file, in the order they were written. Raises EditError where it is no such file."""
    try:
        if path.stat().st_size > LIMIT:
            raise EditError(f"{path} has {path.stat().st_size:,} bytes, more than the {LIMIT:,} of a file of directions")
        return parse(path.read_bytes(), name=str(path))
    except OSError as error:
        raise EditError(f"{path} can't be read: {error.strerror}") from None


def dump(directions: Sequence[Direction]) -> bytes:
    """Return the bytes of a file: vectors as float64 tensors by name; the rest as JSON in the metadata, in order."""
    about = [
        {
            "name": each.name,
            "space": each.space,
            "scale": each.scale,
            "layers": each.layers,
            "fingerprint": each.fingerprint,
            "generator": each.generator,
            "says": each.labels,
            "range": each.range,
        }
        for each in directions
    ]
    return artifacts.dump({each.name: each.vector for each in directions}, {"format": _MARK, "directions": about})


def parse(data: bytes, *, name: str) -> dict[str, Direction]:
    """Return the directions in the bytes of a file called `name`. Raises EditError where they are no such file."""
    try:
        artifact = artifacts.parse_tensors(data)
        if artifact.metadata.get("format") != _MARK:
            raise EditError(f"{name} is no file of directions: it does not call itself {_MARK!r}")
        found = [_direction(each, artifact.tensors) for each in json.loads(artifact.metadata["directions"])]
    except EditError as error:
        raise EditError(str(error) if name in str(error) else f"{name}: {error}") from None
    except (ArtifactError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise EditError(f"{name} is no file of directions: {str(error).splitlines()[0] or type(error).__name__}") from None
    return {each.name: each for each in found}


def _direction(about: dict[str, Any], tensors: "dict[str, Tensor]") -> Direction:
    first, last = (int(layer) for layer in about["layers"])
    low, high = (float(end) for end in about["range"])
    less, more = (str(end) for end in about["says"])
    scale = float(about["scale"])
    if not math.isfinite(scale):
        raise ValueError(f"scale {scale}")
    return Direction(
        str(about["name"]), about["space"], tensors[about["name"]], scale, (first, last),
        str(about["fingerprint"]), str(about["generator"]), (less, more), (low, high),
    )  # fmt: skip
