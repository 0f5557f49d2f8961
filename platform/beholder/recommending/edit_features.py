"""Edits of an image as a ranker sees them: embedded by the surrogate without drawing, or drawn and encoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.editing.editor import Edit, Editor, latent_rows
from beholder.encoder import ImageEncoder
from beholder.errors import EditError
from beholder.recommending.candidates import Candidates, row_of_alphas
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.store.question import Choice

_AT_ONCE = 32  # pictures between two calls of progress


@dataclass(frozen=True, eq=False)
class DrawnEdits:
    """Edits as pictures uint8 RGB [N, R, R, 3], large enough for their encoder, and their embeddings float32 [N, E]."""

    images: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def draw(
    editor: Editor[Any],
    encoder: ImageEncoder,
    latent: Any,
    edits: Sequence[Edit],
    *,
    size: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> DrawnEdits:
    """Draw latents under an edit each, or one latent under all of them, and encode what was drawn.

    Raises EditError as the editor does, and for no edits at all ImageError as the encoder does. size: the pixels that are needed,
    where the pictures are not for the encoder alone. progress: called with how many more are done.
    """
    rows = latent_rows(len(latent), edits)
    images, embeddings = [], []
    for start in range(0, max(len(edits), 1), _AT_ONCE):
        some = edits[start : start + _AT_ONCE]
        part = latent if len(latent) == 1 else latent[rows[start : start + _AT_ONCE]]
        images.append(editor.edit(part, some, size=size or encoder.size))
        embeddings.append(encoder.images(images[-1]))
        progress(len(some))
    return DrawnEdits(np.concatenate(images), np.concatenate(embeddings))


class EmbeddingPredictor(Protocol):
    """What a surrogate does: predict the embeddings of a latent's picture under edits."""

    def predict(
        self, latent: Any, alphas: np.ndarray, *, directions: Sequence[str] | None = None, original: np.ndarray | None = None
    ) -> np.ndarray:
        """Return embeddings float32 [C, E] under edits of alphas [C, K]; original: the true embedding [E] without an edit."""


@dataclass(frozen=True, eq=False)
class EditableImage:
    """An image, encoded. latent: one row; original: float32 [E], the embedding of its picture without an edit."""

    image_id: str
    latent: Any
    original: np.ndarray


class EditFeatures:
    """Images under edits, as the edit sets and comparisons that rankers take, without drawing any."""

    def __init__(self, surrogate: EmbeddingPredictor, candidates: Candidates) -> None:
        self.surrogate, self.candidates = surrogate, candidates

    def edit_set(self, image: EditableImage, alphas: np.ndarray | None = None) -> EditSet:
        """Return an image under edits of alphas float32 [C, K], or under every candidate, as the surrogate predicts it."""
        directions = self.candidates.directions
        alphas = self.candidates.alphas if alphas is None else alphas
        embeddings = self.surrogate.predict(image.latent, alphas, directions=directions, original=image.original)
        return EditSet(alphas, embeddings, directions, image.original)

    def drawn(self, image: EditableImage, edits: Sequence[Edit], embeddings: np.ndarray) -> EditSet:
        """Return an image under edits that were drawn and encoded, float32 [C, E]."""
        alphas = np.stack([row_of_alphas(edit, self.candidates.directions) for edit in edits])
        return EditSet(alphas, embeddings, self.candidates.directions, image.original)

    def comparison(self, choice: Choice, image: EditableImage) -> Comparison:
        """Return a choice about an image as rankers learn from it.

        Raises EditError for a direction that the surrogate never learned.
        """
        question = choice.question
        rows = [row_of_alphas(edit, self.candidates.directions) for edit in (question.left, question.right)]
        both = self.edit_set(image, np.stack(rows))
        return Comparison(question.user_id, image.image_id, both[0], both[1], choice.outcome, choice.answer.answered_at.timestamp())

    def comparisons(self, choices: Sequence[Choice], encode_image: Callable[[str], EditableImage]) -> tuple[list[Comparison], int]:
        """Return choices as rankers learn from them, in the order given, and how many can't be used here.

        encode_image: image_id -> the image; EditError where it is another generator's or gone.
        """
        comparisons, unusable = [], 0
        for choice in choices:
            try:
                comparisons.append(self.comparison(choice, encode_image(choice.question.image_id)))
            except EditError:
                unusable += 1
        return comparisons, unusable
