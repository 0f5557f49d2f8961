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

_AT_ONCE = 32  # pictures between two words of progress


@dataclass(frozen=True, eq=False)
class DrawnEdits:
    """Edits as pictures uint8 RGB [N, R, R, 3], and their embeddings float32 [N, E]."""

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
    progress: Callable[[int], None] = lambda count: None,
) -> DrawnEdits:
    """Draw latents under an edit each, or one latent under all of them, and encode what was drawn.

    Raises EditError as the editor does, and for no edits at all ImageError as the encoder does. progress: told how many more
    are done.
    """
    rows = latent_rows(len(latent), edits)
    images = [np.empty((0, editor.resolution, editor.resolution, 3), np.uint8)]
    found = []
    for start in range(0, max(len(edits), 1), _AT_ONCE):
        some = edits[start : start + _AT_ONCE]
        part = latent if len(latent) == 1 else latent[rows[start : start + _AT_ONCE]]
        images.append(editor.edit(part, some))
        found.append(encoder.images(images[-1]))
        progress(len(some))
    return DrawnEdits(np.concatenate(images), np.concatenate(found))


class EmbeddingPredictor(Protocol):
    """What a perception does: the embeddings float32 [C, E] that a latent's picture would have under edits of alphas [C, K]."""

    def embeddings(
        self, latent: Any, alphas: np.ndarray, *, directions: Sequence[str] | None = None, original: np.ndarray | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class EditableImage:
    """A face looked at once. latent: one row; original: float32 [E], the embedding of its picture as it is."""

    image_id: str
    latent: Any
    original: np.ndarray


class EditFeatures:
    """Faces under edits, as options and events."""

    def __init__(self, perception: EmbeddingPredictor, candidates: Candidates) -> None:
        self.perception, self.candidates = perception, candidates

    def options(self, look: EditableImage, alphas: np.ndarray | None = None) -> EditSet:
        """A face under edits of alphas float32 [C, K], or under every candidate."""
        directions = self.candidates.directions
        alphas = self.candidates.alphas if alphas is None else alphas
        found = self.perception.embeddings(look.latent, alphas, directions=directions, original=look.original)
        return EditSet(alphas, found, directions, look.original)

    def drawn(self, look: EditableImage, edits: Sequence[Edit], embeddings: np.ndarray) -> EditSet:
        """A face under edits that were drawn and encoded, float32 [C, E]."""
        alphas = np.stack([row_of_alphas(edit, self.candidates.directions) for edit in edits])
        return EditSet(alphas, embeddings, self.candidates.directions, look.original)

    def event(self, choice: Choice, look: EditableImage) -> Comparison:
        """A choice about a face as rankers learn from it. Raises EditError for a direction that the perception never learned."""
        question = choice.question
        rows = [row_of_alphas(edit, self.candidates.directions) for edit in (question.left, question.right)]
        both = self.options(look, np.stack(rows))
        return Comparison(question.user_id, look.image_id, both[0], both[1], choice.left_won, choice.answer.answered_at.timestamp())

    def events(self, choices: Sequence[Choice], look: Callable[[str], EditableImage]) -> tuple[list[Comparison], int]:
        """Choices as rankers learn from them, in the order given, and how many of them can't be understood here.

        look: image_id -> the face; EditError where it is another generator's or gone.
        """
        found, lost = [], 0
        for choice in choices:
            try:
                found.append(self.event(choice, look(choice.question.image_id)))
            except EditError:
                lost += 1
        return found, lost
