"""The features that a person's own weights are on: the embedding's principal directions, and the population's utility."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_LEVEL = 0.3  # of the constant feature: people who rate only images they like rate above their own mean


@dataclass(frozen=True)
class PersonFeatures:
    """A linear map of embeddings [N, D] to features [N, F]: principal directions, a constant, the population's utility.

    centre [D]; axes [K, D], scaled so that a feature row has mean square 1; weights [D], the population's, and spread, the
    standard deviation of its utility.
    """

    centre: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    spread: float

    @property
    def width(self) -> int:
        """Return F."""
        return len(self.axes) + 2

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Return features float64 [N, F] of embeddings [N, D]."""
        moved = vectors.astype(np.float64) - self.centre
        shared = moved @ self.weights
        return np.column_stack([moved @ self.axes.T, np.full(len(moved), _LEVEL), shared / self.spread])

    def utilities(self, vectors: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the population's utility and what each person adds to it, float64 [P, N], of own weights [P, F].

        A few people's weights are brought to the embedding's space first: then nobody's features have to be computed.
        """
        if len(own) > len(self.axes):
            return np.asarray(self.shared(vectors) + own @ self.of(vectors).T)
        whole = own[:, :-2] @ self.axes + (1 + own[:, -1:] / self.spread) * self.weights
        return np.asarray(whole @ vectors.T - whole @ self.centre[:, None] + _LEVEL * own[:, -2:-1])

    def shared(self, vectors: np.ndarray) -> np.ndarray:
        """Return the population's utility, float64 [N]."""
        return np.asarray((vectors.astype(np.float64) - self.centre) @ self.weights)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return everything in it, float64: read again, it gives the same to the last bit."""
        return {
            "centre": self.centre,
            "axes": self.axes,
            "weights": self.weights,
            "spread": np.array([self.spread]),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "PersonFeatures":
        """Rebuild it from `tensors()`."""
        return cls(tensors["centre"], tensors["axes"], tensors["weights"], float(tensors["spread"][0]))


@dataclass(frozen=True)
class PrincipalAxes:
    """The principal directions of a set of embeddings, found once for any number of them.

    moved: the embeddings without their centre, float64 [N, D]. axes: all of them, the longest first, [min(N, D), D].
    """

    centre: np.ndarray
    moved: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, centre: np.ndarray) -> "PrincipalAxes":
        """Return the directions of embeddings [N, D] around a centre [D]."""
        moved = vectors.astype(np.float64) - centre
        square = np.linalg.qr(moved, mode="r") if len(moved) > moved.shape[1] else moved  # with the same right singular vectors
        return cls(centre.astype(np.float64), moved, np.linalg.svd(square, full_matrices=False)[2])

    def features(self, components: int, weights: np.ndarray) -> PersonFeatures:
        """Return the features of so many directions, with the population's weights [D]."""
        axes = self.axes[: min(components, len(self.axes))]
        size = np.sqrt(((self.moved @ axes.T) ** 2).sum(axis=1).mean())
        spread = float((self.moved @ weights.astype(np.float64)).std())
        return PersonFeatures(self.centre, axes / size, weights.astype(np.float64), max(spread, 1e-6))
