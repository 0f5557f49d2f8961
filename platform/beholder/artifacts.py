"""Artifacts: named arrays as a safetensors file, what is said of them as JSON, and both read with one line for what is wrong.

Three layouts are built from the same functions:

- one file: `dump` makes its bytes, with metadata in its header; `parse_arrays` (numpy) or `parse_tensors` (torch) reads them;
- a file and its card: the same, and a JSON file beside it (`card_of`, `write_card`, `read_card`, `add_figures`);
- a folder, <root>/<name>/ with <kind>-<digest>.safetensors and the card.json that names it (`replace`, `read_folder`, `names`).
  The card is what counts: an artifact takes the place of another in the moment its card is written, and not half of it before.

Every function raises ArtifactError with the reason alone; callers say which artifact it is and what to do, in their own error.
"""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from beholder.errors import ArtifactError
from beholder.storage import Place

if TYPE_CHECKING:
    from torch import Tensor

CARD = "card.json"
_END = ".safetensors"
_HEADER = 100_000_000  # bytes of a header, as safetensors limits it

T = TypeVar("T")


@dataclass(frozen=True)
class Artifact(Generic[T]):
    """The contents of a safetensors file. tensors: by name; metadata: the texts of its header."""

    tensors: dict[str, T]
    metadata: dict[str, str]

    def record(self, name: str) -> dict[str, Any]:
        """Return the JSON object that the metadata hold under a name. Raises ArtifactError where there is none."""
        return record(self.metadata, name)


def dump(tensors: "Mapping[str, np.ndarray] | Mapping[str, Tensor]", metadata: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of a safetensors file.

    tensors: all numpy, or all torch (which are detached and brought to the CPU; none may share memory with another).
    metadata: goes into the header; a text as it is, everything else as JSON.
    """
    texts = None if metadata is None else {key: _text(value) for key, value in metadata.items()}
    arrays = {key: value for key, value in tensors.items() if isinstance(value, np.ndarray)}
    if len(arrays) == len(tensors):
        from safetensors.numpy import save

        return bytes(save({key: np.ascontiguousarray(value) for key, value in arrays.items()}, metadata=texts))
    from safetensors.torch import save as save_torch

    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items() if not isinstance(value, np.ndarray)}
    return bytes(save_torch(plain, metadata=texts))


def parse_arrays(data: bytes, *, finite: bool = True) -> Artifact[np.ndarray]:
    """Return what `dump` made of numpy arrays, without importing torch.

    finite: refuse NaN and infinities. Raises ArtifactError for bytes that are cut off or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = {str(name): value for name, value in load(data).items()}
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise ArtifactError(_reason(error)) from None
    if finite and (bad := [name for name, value in arrays.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]):
        raise ArtifactError(_not_finite(bad[0]))
    return Artifact(arrays, read_metadata(data))


def parse_tensors(data: bytes, *, finite: bool = True) -> "Artifact[Tensor]":
    """Return what `dump` made of torch tensors, on the CPU, of the dtypes they were stored in.

    finite: refuse NaN and infinities. Raises ArtifactError for bytes that are cut off or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = {str(name): value for name, value in load(data).items()}
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise ArtifactError(_reason(error)) from None
    if finite and (bad := [name for name, value in tensors.items() if not bool(value.isfinite().all())]):
        raise ArtifactError(_not_finite(bad[0]))
    return Artifact(tensors, read_metadata(data))


def read_metadata(data: bytes) -> dict[str, str]:
    """Return the texts in the header of a safetensors file: 8 bytes of its length, then JSON. No tensor is read.

    Raises ArtifactError where there is no such header.
    """
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= min(len(data) - 8, _HEADER):
        raise ArtifactError("it is not safetensors: its header is cut off or missing")
    header = _json(data[8 : 8 + size], "its header")
    texts = header.get("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ArtifactError("the metadata of its header are no texts")
    return texts


def record(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return the JSON object that metadata hold under a name. Raises ArtifactError where there is none."""
    if name not in metadata:
        raise ArtifactError(f"its header says nothing of {name!r}")
    return _json(metadata[name].encode(), f"its {name}")


def card_of(place: Place) -> Place:
    """Return the place of the card beside a file: x.json beside x.safetensors."""
    base, question, query = place.uri.partition("?") if "://" in place.uri else (place.uri, "", "")
    uri = base.removesuffix(_END) + ".json" + question + query
    return dataclasses.replace(place, uri=uri, path=place.path.removesuffix(_END) + ".json")


def write_card(place: Place, card: Mapping[str, Any]) -> None:
    """Write a card as JSON, whole or not at all. Raises TypeError for what JSON can't hold, StorageError."""
    place.write_bytes(_card_bytes(card))


def read_card(place: Place) -> dict[str, Any]:
    """Return a card. Raises ArtifactError where it is no JSON object, StorageError where it can't be read."""
    return _json(place.read_bytes(), "its card")


def add_figures(place: Place, figures: Mapping[str, float]) -> None:
    """Put figures that were measured on the card at a place; what is on it already stays."""
    card = read_card(place)
    write_card(place, card | {"figures": card.get("figures", {}) | dict(figures)})


def replace(
    folder: Place, kind: str, tensors: Mapping[str, np.ndarray], card: Mapping[str, Any], *, keep: Collection[str] = ()
) -> Place:
    """Put an artifact into a folder, in the place of what is there; returns the folder. keep: folders in it that stay.

    The tensors go to <kind>-<digest>.safetensors, then the card names them as its "tensors", then what no card names any more
    is removed: whoever is cut off in between leaves the old artifact or the new one.
    """
    data = dump(tensors)
    file = f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}{_END}"
    text = _card_bytes({**card, "tensors": file})
    (folder / file).write_bytes(data)
    (folder / CARD).write_bytes(text)
    for entry in folder.files():
        if entry.path not in (file, CARD) and entry.path.partition("/")[0] not in keep:
            (folder / entry.path).delete()
    return folder


def read_folder(folder: Place, card: Mapping[str, Any], *, finite: bool = True) -> dict[str, np.ndarray]:
    """Return the tensors that a folder's card names. Raises ArtifactError where they can't be read, or it names none of its own."""
    name = card.get("tensors")
    if not isinstance(name, str) or "/" in name or not name.endswith(_END):
        raise ArtifactError("its card names no tensors")
    return parse_arrays((folder / name).read_bytes(), finite=finite).tensors


def names(root: Place) -> list[str]:
    """Return the names of the folders below a root that have a card, sorted."""
    end = f"/{CARD}"
    return sorted(entry.path.removesuffix(end) for entry in root.files() if entry.path.endswith(end))


def _card_bytes(card: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(card), indent=2) + "\n").encode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{what} is no JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{what} is no JSON object")
    return value


def _not_finite(name: str) -> str:
    return f"{name} has values that are not finite numbers"


def _reason(error: Exception) -> str:
    """Return the first line of an error's text, or its class where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
