"""Weights that ship with the project: safetensors files with a card beside each, found wherever the wheel lies."""

import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beholder.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor


def folder() -> Path:
    """Where the shipped weights lie."""
    return Path(str(importlib.resources.files("beholder.data"))) / "weights"


def shipped(name: str) -> Path:
    """The file of shipped weights of this name. Raises WeightsError where there is none."""
    path = folder() / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder().glob("*.safetensors"))) or "none"
        raise WeightsError(f"no weights {name} are shipped (there are: {known}); `beholder build portraits` trains them")
    return path


def write(
    path: Path, tensors: Mapping[str, "Tensor"], *, card: Mapping[str, Any], network: Mapping[str, Any], half_from: int = 9
) -> None:
    """Write tensors to a safetensors file and their card (JSON) beside it.

    network: the settings that rebuild the network, kept in the file itself. half_from: tensors of so many dimensions and
    more are stored as float16.
    """
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        name: (value.half() if value.ndim >= half_from and value.dtype == torch.float32 else value).detach().contiguous()
        for name, value in tensors.items()
    }
    save_file(kept, path, metadata={"network": json.dumps(network)})
    write_card(path, card)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write what there is to say of a file of weights beside it, as JSON."""
    path.with_suffix(".json").write_text(json.dumps(dict(card), indent=2) + "\n")


def read(path: Path) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """The tensors of a file, as float32, and the settings of their network. Raises WeightsError where it can't be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            network = json.loads((file.metadata() or {}).get("network", "{}"))
            return {name: file.get_tensor(name).float() for name in file.keys()}, network  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} can't be read as safetensors: {str(error).splitlines()[0]}") from None


def card(path: Path) -> dict[str, Any]:
    """What is said of a file of weights in the card beside it."""
    return dict(json.loads(path.with_suffix(".json").read_text()))
