"""The recommender: of a thousand edits of an image, the one this person will like most, and how sure that is.

All candidates are told from the latent (perception) and ranked; the best few are drawn, encoded and ranked again by their looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.config import setting
from beholder.editing.editor import Edit, Editor
from beholder.errors import ConfigError
from beholder.recommending import exact
from beholder.recommending.candidates import Candidates, row_of_alphas
from beholder.recommending.choices.question import Choice
from beholder.recommending.exact import Embedder
from beholder.recommending.options import Event, Options
from beholder.recommending.rankers.contract import Ranker


@dataclass(frozen=True)
class RecommendConfig:
    """How much is drawn."""

    exact: int = setting(8, "of the best candidates, so many are drawn, encoded and ranked by what they look like")

    def __post_init__(self) -> None:
        if self.exact < 1:
            raise ConfigError(f"recommend.exact must be at least 1, got {self.exact}")


class Perceiver(Protocol):
    """What a perception does: the embeddings float32 [C, E] that a latent's picture would have under edits of alphas [C, K]."""

    def embeddings(
        self, latent: Any, alphas: np.ndarray, *, directions: Sequence[str] | None = None, original: np.ndarray | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class View:
    """An image as the recommender sees it. latent: one row; picture: uint8 RGB [R, R, 3]; options: every candidate, perceived."""

    image_id: str
    latent: Any
    picture: np.ndarray
    options: Options


@dataclass(frozen=True, eq=False)
class Recommended:
    """An edit, drawn. utility: above the image as it is, in logits, with its standard deviation `doubt`; probability: that the
    person prefers it to the image as it is; picture: uint8 RGB [R, R, 3]."""

    edit: Mapping[str, float]
    utility: float
    doubt: float
    probability: float
    picture: np.ndarray


class Recommender:
    """An editor, an encoder, a perception of the two, and a ranker."""

    def __init__(
        self,
        editor: Editor[Any],
        encoder: Embedder,
        perception: Perceiver,
        candidates: Candidates,
        ranker: Ranker,
        *,
        config: RecommendConfig | None = None,
    ):
        self.editor, self.encoder, self.perception, self.ranker = editor, encoder, perception, ranker
        self.candidates = candidates
        self.config = config or RecommendConfig()

    def look(self, image_id: str, latent: Any) -> View:
        """Draw an image as it is and perceive it under every candidate; this is done once for an image, whoever is asked."""
        drawn = exact.draw(self.editor, self.encoder, latent, [{}])
        return View(image_id, latent, drawn.images[0], self._perceive(latent, self.candidates.alphas, drawn.embeddings[0]))

    def recommend(self, user_id: str, view: View) -> list[Recommended]:
        """The best edits for a person, best first, drawn. Where none seems better than the image as it is, the edit {} leads."""
        order = np.argsort(-self.ranker.joint(user_id, view.options).mean, kind="stable")[: self.config.exact]
        edits = [self.candidates.edit(int(row)) for row in order]
        drawn = exact.draw(self.editor, self.encoder, view.latent, edits)
        seen = Options(view.options.alphas[order], drawn.embeddings, view.options.directions, view.options.original)
        chances = self.ranker.preferred(user_id, seen, seen.base)
        whole = Options(
            np.concatenate([seen.base.alphas, seen.alphas]),
            np.concatenate([seen.base.embeddings, seen.embeddings]),
            seen.directions,
            seen.original,
        )
        joint = self.ranker.joint(user_id, whole)
        above = joint.mean[1:] - joint.mean[0]
        doubts = np.sqrt(((joint.roots[1:] - joint.roots[0]) ** 2).sum(axis=1))
        found = [
            Recommended(edits[row], float(above[row]), float(doubts[row]), float(chances[row]), drawn.images[row])
            for row in np.argsort(-above, kind="stable")
        ]
        if found[0].utility <= 0:
            return [Recommended({}, 0.0, 0.0, 0.5, view.picture), *found]
        return found

    def event(self, choice: Choice, view: View) -> Event:
        """A choice about an image as rankers learn from it. Raises EditError for a direction that the perception never learned."""
        question = choice.question
        left, right = (self._side(view, edit) for edit in (question.left, question.right))
        return Event(question.user_id, view.image_id, left, right, choice.left_won, choice.answer.answered_at.timestamp())

    def tell(self, choice: Choice, view: View) -> None:
        """Learn from one more choice about an image."""
        self.ranker.tell(self.event(choice, view))

    def draw(self, view: View, edits: Sequence[Edit]) -> np.ndarray:
        """Pictures of an image under edits, uint8 RGB [N, R, R, 3]."""
        return self.editor.edit(view.latent, edits)

    def _side(self, view: View, edit: Edit) -> Options:
        alphas = row_of_alphas(edit, self.candidates.directions)[None]
        return self._perceive(view.latent, alphas, view.options.original)

    def _perceive(self, latent: Any, alphas: np.ndarray, original: np.ndarray) -> Options:
        directions = self.candidates.directions
        found = self.perception.embeddings(latent, alphas, directions=directions, original=original)
        return Options(alphas, found, directions, original)
