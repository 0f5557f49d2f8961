"""Edit sets: edits of one image as a ranker sees them, and a person's comparison of two of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.errors import ChoiceError


@dataclass(frozen=True, eq=False)
class EditSet:
    """C edits of one image, one a row.

    alphas: float32 [C, K], a column for each of `directions`; a row of zeros is the image as it is.
    embeddings: float32 [C, E] of the edited images. original: float32 [E], the embedding of the image as it is.
    """

    alphas: np.ndarray
    embeddings: np.ndarray
    directions: tuple[str, ...]
    original: np.ndarray

    def __post_init__(self) -> None:
        shapes = f"alphas {list(self.alphas.shape)}, embeddings {list(self.embeddings.shape)}, original {list(self.original.shape)}"
        if self.alphas.ndim != 2 or self.alphas.shape[1] != len(self.directions):
            raise ChoiceError(f"expected alphas [C, {len(self.directions)}], a column for each direction, got {shapes}")
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.alphas):
            raise ChoiceError(f"expected an embedding for each of {len(self.alphas)} edits, got {shapes}")
        if self.original.shape != self.embeddings.shape[1:]:
            raise ChoiceError(f"expected the original's embedding [{self.embeddings.shape[1]}], got {shapes}")
        if not (np.isfinite(self.alphas).all() and np.isfinite(self.embeddings).all() and np.isfinite(self.original).all()):
            raise ChoiceError("expected edits of finite numbers, got some that are not")

    def __len__(self) -> int:
        return len(self.alphas)

    def __add__(self, other: "EditSet") -> "EditSet":
        """Return the edits of both, this one's first; both of the same image and directions."""
        alphas, embeddings = np.concatenate([self.alphas, other.alphas]), np.concatenate([self.embeddings, other.embeddings])
        return EditSet(alphas, embeddings, self.directions, self.original)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> "EditSet":
        """Return some of the edits, in that order; of one row an edit set of one."""
        at = [int(rows)] if isinstance(rows, int | np.integer) else rows
        return EditSet(self.alphas[at], self.embeddings[at], self.directions, self.original)

    @property
    def unedited(self) -> "EditSet":
        """Return the image without an edit, as an edit set of one row."""
        return EditSet(np.zeros((1, len(self.directions)), np.float32), self.original[None], self.directions, self.original)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A person's choice between two edits of one image, each an edit set of one row. outcome: 1 left, 0 right, 0.5 neither.

    at: when, in seconds since 1970; comparisons are learned from in order.
    """

    user_id: str
    image_id: str
    left: EditSet
    right: EditSet
    outcome: float
    at: float = 0.0

    def __post_init__(self) -> None:
        if len(self.left) != 1 or len(self.right) != 1:
            raise ChoiceError(f"expected one edit on each side, got {len(self.left)} and {len(self.right)}")
        if self.left.directions != self.right.directions:
            raise ChoiceError(f"expected the same directions on both sides, got {self.left.directions} and {self.right.directions}")
        if self.outcome not in (0, 0.5, 1):
            raise ChoiceError(f"outcome must be 1 (left), 0 (right) or 0.5 (neither), got {self.outcome}")
