"""Priors: what everybody's choices say, kept where all who serve find it, so that they believe the same and start at once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.errors import BeholderError
from beholder.recommending.rankers import bayes
from beholder.recommending.rankers.bayes import Bayes
from beholder.recommending.rankers.contract import About
from beholder.recommending.rankers.features import Opinion
from beholder.storage import Place

_LIMIT = 64 * 1024 * 1024  # bytes of a file that is read


@dataclass(frozen=True, eq=False)
class Prior:
    """A ranker that knows everybody and nobody. version: a short text that changes with what it believes; learned_at: seconds
    since 1970."""

    ranker: Bayes
    version: str
    learned_at: float

    @classmethod
    def of(cls, learned: Bayes, learned_at: float) -> "Prior":
        """Of a ranker, without the people that it knows; as it comes out of a file, to the last bit."""
        nobody = Bayes(learned.about, learned.shape, learned.prior, {}, learned.config, learned.opinion)
        tensors = nobody.tensors()
        told = b"".join(np.ascontiguousarray(tensors[name], "<f8").tobytes() for name in sorted(tensors))
        ranker = bayes.load(learned.about, tensors, nobody.settings(), opinion=learned.opinion)
        return cls(ranker, f"bayes-{hashlib.sha256(told).hexdigest()[:8]}", learned_at)


class Shelf:
    """The place of one prior: of one generator, encoder, taste and set of directions."""

    def __init__(self, folder: Place, made_for: Mapping[str, Any], opinion: Opinion | None = None) -> None:
        """made_for: whatever must be the same for a prior to mean the same, as JSON."""
        key = hashlib.sha256(json.dumps(made_for, sort_keys=True).encode()).hexdigest()[:16]
        self.place, self._opinion = folder / f"prior-{key}.safetensors", opinion

    def read(self) -> Prior | None:
        """What lies there; None where nothing does, or nothing that can be read."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            data = self.place.read_bytes(_LIMIT)
            told = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["prior"])
            about = About(**{**told["about"], "directions": tuple(told["about"]["directions"])})
            return Prior.of(bayes.load(about, load(data), told["settings"], opinion=self._opinion), float(told["learned_at"]))
        except (BeholderError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def write(self, prior: Prior) -> None:
        """Put a prior there, whole or not at all."""
        from safetensors.numpy import save

        ranker = prior.ranker
        told = {"about": asdict(ranker.about), "settings": ranker.settings(), "learned_at": prior.learned_at}
        tensors = {name: np.ascontiguousarray(value) for name, value in ranker.tensors().items()}
        self.place.write_bytes(save(tensors, metadata={"prior": json.dumps(told)}))
