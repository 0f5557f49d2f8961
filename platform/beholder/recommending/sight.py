"""Sight: a face as rankers see it under edits, without drawing any: a perception, and the edits to choose among."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.editing.editor import Edit
from beholder.errors import EditError
from beholder.recommending.candidates import Candidates, row_of_alphas
from beholder.recommending.choices.question import Choice
from beholder.recommending.options import Event, Options


class Perceiver(Protocol):
    """What a perception does: the embeddings float32 [C, E] that a latent's picture would have under edits of alphas [C, K]."""

    def embeddings(
        self, latent: Any, alphas: np.ndarray, *, directions: Sequence[str] | None = None, original: np.ndarray | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Look:
    """A face looked at once. latent: one row; original: float32 [E], the embedding of its picture as it is."""

    image_id: str
    latent: Any
    original: np.ndarray


class Sight:
    """Faces under edits, as options and events."""

    def __init__(self, perception: Perceiver, candidates: Candidates) -> None:
        self.perception, self.candidates = perception, candidates

    def options(self, look: Look, alphas: np.ndarray | None = None) -> Options:
        """A face under edits of alphas float32 [C, K], or under every candidate."""
        directions = self.candidates.directions
        alphas = self.candidates.alphas if alphas is None else alphas
        found = self.perception.embeddings(look.latent, alphas, directions=directions, original=look.original)
        return Options(alphas, found, directions, look.original)

    def drawn(self, look: Look, edits: Sequence[Edit], embeddings: np.ndarray) -> Options:
        """A face under edits that were drawn and encoded, float32 [C, E]."""
        alphas = np.stack([row_of_alphas(edit, self.candidates.directions) for edit in edits])
        return Options(alphas, embeddings, self.candidates.directions, look.original)

    def event(self, choice: Choice, look: Look) -> Event:
        """A choice about a face as rankers learn from it. Raises EditError for a direction that the perception never learned."""
        question = choice.question
        rows = [row_of_alphas(edit, self.candidates.directions) for edit in (question.left, question.right)]
        both = self.options(look, np.stack(rows))
        return Event(question.user_id, look.image_id, both[0], both[1], choice.left_won, choice.answer.answered_at.timestamp())

    def events(self, choices: Sequence[Choice], look: Callable[[str], Look]) -> tuple[list[Event], int]:
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
