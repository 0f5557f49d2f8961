"""Registry: rankers by name, rankers/<name>/ of a workspace with ranker-<digest>.safetensors and the card.json that names it.

The card is what counts: a ranker takes the place of another in the moment its card is written, and not half of it before.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.errors import ChoiceError, nearest
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.ranker import Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.storage import Place

_CARD = "card.json"


@dataclass(frozen=True)
class RegisteredRanker:
    """A ranker in the registry, and its card: about, settings, made_for, figures."""

    name: str
    ranker: Ranker
    card: dict[str, Any]


def write(rankers: Place, name: str, ranker: Ranker, *, made_for: str, figures: Mapping[str, float] | None = None) -> Place:
    """Put a ranker into the registry under a name, in the place of one of that name.

    made_for: names the generator and the encoder whose edits it ranks.
    """
    from safetensors.numpy import save

    folder = rankers / name
    card = {"about": ranker.about.said(), "settings": ranker.settings(), "made_for": made_for, "figures": dict(figures or {})}
    data = save({key: np.ascontiguousarray(value) for key, value in ranker.tensors().items()})
    file = f"ranker-{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    text = json.dumps(card | {"tensors": file}, indent=2) + "\n"
    (folder / file).write_bytes(data)
    (folder / _CARD).write_bytes(text.encode())
    for old in folder.files():
        if old.path not in (file, _CARD):
            (folder / old.path).delete()
    return folder


def names(rankers: Place) -> list[str]:
    """The rankers that are there."""
    return sorted(entry.path.removesuffix("/" + _CARD) for entry in rankers.files() if entry.path.endswith("/" + _CARD))


def read(rankers: Place, name: str, *, made_for: str | None = None, opinion: TastePrior | None = None) -> RegisteredRanker:
    """A ranker by name. opinion: the taste it was fitted with, where it was.

    Raises ChoiceError where it is not there, can't be read, or ranks edits of something else than `made_for`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = rankers / name
    if not (folder / _CARD).is_file():
        raise ChoiceError(f"no ranker {name!r} in {rankers.uri}{nearest(name, names(rankers))}")
    try:
        card = json.loads((folder / _CARD).read_bytes())
        about, settings, made = RankerInfo.of(card["about"]), card["settings"], card["made_for"]
        tensors = load((folder / card["tensors"]).read_bytes())
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ChoiceError(f"{folder.uri} holds no readable ranker: {str(error).splitlines()[0]}") from None
    if made_for is not None and made != made_for:
        raise ChoiceError(f"ranker {name!r} was fitted to edits of {made}, not of {made_for}; fit one to these")
    return RegisteredRanker(name, ranker_factory.load(about, tensors, settings, opinion=opinion), card)
