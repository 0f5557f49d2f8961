"""Loadings: how people's tastes differ from the population's, in a few numbers, from what tastes say of a few images.

They are the principal components of the differences, so that people of like loadings have like tastes. Somebody of whom little is
known, whose taste is near the population's, has short ones. Their mean square over people is 1 on each attribute.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder import artifacts
from beholder.errors import ArtifactError, BeholderError, TasteError
from beholder.storage import Place
from beholder.taste.contract import Taste
from beholder.taste.shrinkage import POPULATION

ANCHORS = 256  # images, at most
FACTORS = 6


@dataclass(frozen=True)
class TasteLoadings:
    """A map from tastes to loadings. anchors: items [M, ...] of images; axes: by attribute, float64 [A, M, K]."""

    anchors: np.ndarray
    axes: np.ndarray
    attributes: tuple[str, ...]

    @property
    def width(self) -> int:
        """Return K."""
        return int(self.axes.shape[2])

    @classmethod
    def learn(
        cls, taste: Taste, user_ids: Sequence[str], items: np.ndarray, *, anchors: int = ANCHORS, factors: int = FACTORS
    ) -> "TasteLoadings":
        """Return the directions in which people's tastes differ most (principal components of where they differ, by attribute).

        items: of images, of which so many anchors are taken evenly. factors: K at most; of 0 there are no anchors either.
        """
        items = items if factors else items[:0]
        chosen = items[np.linspace(0, len(items) - 1, min(len(items), anchors)).astype(np.int64)] if len(items) else items
        attributes = taste.info.attributes
        width = min(factors, len(chosen), len(user_ids))
        axes = np.zeros((len(attributes), len(chosen), width))
        for row, attribute in enumerate(attributes if width else ()):
            differences = _differences(taste, chosen, user_ids, attribute)
            if differences.any():
                found = np.linalg.svd(differences, full_matrices=False)[2][:width].T
                axes[row] = found / np.sqrt(((differences @ found) ** 2).sum(axis=1).mean())
        return cls(chosen, axes, attributes)

    def of(self, taste: Taste | None, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return the loadings of people, float64 [P, K]; zeros for somebody of whom nothing is known, and without a taste."""
        if taste is None or not self.width or not user_ids:
            return np.zeros((len(user_ids), self.width))
        axes = self.axes[self.attributes.index(attribute)]
        return np.asarray(_differences(taste, self.anchors, user_ids, attribute) @ axes)

    def of_everybody(self, taste: Taste, user_ids: Sequence[str], attributes: Sequence[str]) -> np.ndarray:
        """Return the loadings of people by attribute, float64 [A, P, K]."""
        shape = len(attributes), len(user_ids), self.width
        return np.array([self.of(taste, user_ids, attribute) for attribute in attributes]).reshape(shape)

    def write(self, place: Place) -> None:
        """Write the map, whole or not at all."""
        tensors = {"anchors": self.anchors, "axes": self.axes}
        place.write_bytes(artifacts.dump(tensors, {"attributes": json.dumps(self.attributes)}))

    @classmethod
    def read(cls, place: Place) -> "TasteLoadings":
        """Return the map at a place. Raises TasteError where it can't be read."""
        try:
            stored = artifacts.parse_arrays(place.read_bytes())
            anchors, axes, attributes = (
                stored.tensors["anchors"],
                stored.tensors["axes"],
                tuple(json.loads(stored.metadata["attributes"])),
            )
            if axes.ndim != 3 or axes.shape[:2] != (len(attributes), len(anchors)):
                raise ValueError("its axes do not fit its images")
        except (ArtifactError, BeholderError, KeyError, TypeError, ValueError) as error:
            raise TasteError(f"{place.uri} has no readable loadings of tastes: {str(error).splitlines()[0]}") from None
        return cls(anchors, axes, attributes)


def _differences(taste: Taste, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
    """Return how each person's utilities of some images differ from the population's, around their mean, float64 [P, M]."""
    own = np.asarray(taste.utilities(items, user_ids, attribute), np.float64)
    rest = own - taste.utilities(items, [POPULATION], attribute)
    return np.asarray(rest - rest.mean(axis=1, keepdims=True))
