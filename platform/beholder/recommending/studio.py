"""Studio: where an image is drawn and perceived under every candidate edit, and choices about it become what rankers learn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.editing.editor import Edit, Editor
from beholder.errors import EditError
from beholder.recommending import exact
from beholder.recommending.candidates import Candidates, row_of_alphas
from beholder.recommending.choices.question import Choice
from beholder.recommending.exact import Embedder
from beholder.recommending.options import Event, Options


class Perceiver(Protocol):
    """What a perception does: the embeddings float32 [C, E] that a latent's picture would have under edits of alphas [C, K]."""

    def embeddings(
        self, latent: Any, alphas: np.ndarray, *, directions: Sequence[str] | None = None, original: np.ndarray | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class View:
    """An image as a studio sees it. latent: one row; picture: uint8 RGB [R, R, 3]; options: every candidate, perceived."""

    image_id: str
    latent: Any
    picture: np.ndarray
    options: Options


class Studio:
    """An editor, an encoder, a perception of the two, and the edits to choose among."""

    def __init__(self, editor: Editor[Any], encoder: Embedder, perception: Perceiver, candidates: Candidates) -> None:
        self.editor, self.encoder, self.perception, self.candidates = editor, encoder, perception, candidates

    def look(self, image_id: str, latent: Any) -> View:
        """Draw an image as it is and perceive it under every candidate; this is done once for an image, whoever is asked."""
        drawn = exact.draw(self.editor, self.encoder, latent, [{}])
        return View(image_id, latent, drawn.images[0], self._perceive(latent, self.candidates.alphas, drawn.embeddings[0]))

    def draw(self, view: View, edits: Sequence[Edit]) -> np.ndarray:
        """Pictures of an image under edits, uint8 RGB [N, R, R, 3]."""
        return self.editor.edit(view.latent, edits)

    def event(self, choice: Choice, view: View) -> Event:
        """A choice about an image as rankers learn from it. Raises EditError for a direction that the perception never learned."""
        question = choice.question
        left, right = (self._side(view, edit) for edit in (question.left, question.right))
        return Event(question.user_id, view.image_id, left, right, choice.left_won, choice.answer.answered_at.timestamp())

    def events(self, choices: Sequence[Choice], see: Callable[[str], View]) -> tuple[list[Event], int]:
        """Choices as rankers learn from them, in the order given, and how many of them can't be understood here.

        see: image_id -> how this studio sees the image; EditError where it is another generator's or gone.
        """
        found, lost = [], 0
        for choice in choices:
            try:
                found.append(self.event(choice, see(choice.question.image_id)))
            except EditError:
                lost += 1
        return found, lost

    def _side(self, view: View, edit: Edit) -> Options:
        alphas = row_of_alphas(edit, self.candidates.directions)[None]
        return self._perceive(view.latent, alphas, view.options.original)

    def _perceive(self, latent: Any, alphas: np.ndarray, original: np.ndarray) -> Options:
        directions = self.candidates.directions
        found = self.perception.embeddings(latent, alphas, directions=directions, original=original)
        return Options(alphas, found, directions, original)
