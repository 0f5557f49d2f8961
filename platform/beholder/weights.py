"""Weights that ship with the project: safetensors files with a card beside each, found wherever the wheel lies."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beholder import artifacts
from beholder.errors import ArtifactError, StorageError, WeightsError
from beholder.storage import Place

if TYPE_CHECKING:
    from torch import Tensor


def folder() -> Path:
    """Return the folder of the shipped weights."""
    return Path(str(importlib.resources.files("beholder.data"))) / "weights"


def shipped(name: str) -> Path:
    """Return the file of the shipped weights of this name. Raises WeightsError where there is none."""
    path = folder() / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder().glob("*.safetensors"))) or "none"
        raise WeightsError(f"no weights {name} are shipped (there are: {known}); `beholder build portraits` trains them")
    return path


def write(
    path: Path, tensors: "Mapping[str, Tensor]", *, card: Mapping[str, Any], network: Mapping[str, Any], half_from: int = 9
) -> None:
    """Write tensors to a safetensors file and their card (JSON) beside it.

    network: the settings that rebuild the network, kept in the file itself. half_from: tensors of so many dimensions and
    more are stored as float16.
    """
    import torch

    stored = {
        name: value.half() if value.ndim >= half_from and value.dtype == torch.float32 else value for name, value in tensors.items()
    }
    Place.at(path).write_bytes(artifacts.dump(stored, {"network": dict(network)}))
    write_card(path, card)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write the card of a file of weights beside it, as JSON."""
    artifacts.write_card(artifacts.card_of(Place.at(path)), card)


def read(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Return the tensors of a file, as float32, and the settings of their network. Raises WeightsError where it can't be read."""
    try:
        artifact = artifacts.parse_tensors(Place.at(path).read_bytes())
        network = artifact.record("network") if "network" in artifact.metadata else {}
    except (ArtifactError, StorageError) as error:
        raise WeightsError(f"{path} can't be read as safetensors: {error}") from None
    return {name: value.float() for name, value in artifact.tensors.items()}, network


def card(path: Path) -> dict[str, Any]:
    """Return the card beside a file of weights. Raises WeightsError where there is none."""
    try:
        return artifacts.read_card(artifacts.card_of(Place.at(path)))
    except (ArtifactError, StorageError) as error:
        raise WeightsError(f"the card of {path} can't be read: {error}") from None
