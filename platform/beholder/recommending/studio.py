"""Studio: where an image is drawn and perceived under every candidate edit, and choices about it become what rankers learn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.editing.editor import Edit, Editor
from beholder.encoder import ImageEncoder
from beholder.recommending import edit_features
from beholder.recommending.candidates import Candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures, EmbeddingPredictor
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.store.question import Choice


@dataclass(frozen=True, eq=False)
class View:
    """An image as a studio sees it. latent: one row; picture: uint8 RGB [R, R, 3]; options: every candidate, perceived."""

    image_id: str
    latent: Any
    picture: np.ndarray
    options: EditSet

    @property
    def face(self) -> EditableImage:
        """What a perception needs of it."""
        return EditableImage(self.image_id, self.latent, self.options.original)


class Studio:
    """An editor, an encoder, a perception of the two, and the edits to choose among."""

    def __init__(self, editor: Editor[Any], encoder: ImageEncoder, perception: EmbeddingPredictor, candidates: Candidates) -> None:
        self.editor, self.encoder, self.perception, self.candidates = editor, encoder, perception, candidates
        self.sight = EditFeatures(perception, candidates)

    def look(self, image_id: str, latent: Any) -> View:
        """Draw an image as it is and perceive it under every candidate; this is done once for an image, whoever is asked."""
        drawn = edit_features.draw(self.editor, self.encoder, latent, [{}])
        options = self.sight.options(EditableImage(image_id, latent, drawn.embeddings[0]))
        return View(image_id, latent, drawn.images[0], options)

    def draw(self, view: View, edits: Sequence[Edit]) -> np.ndarray:
        """Pictures of an image under edits, uint8 RGB [N, R, R, 3]."""
        return self.editor.edit(view.latent, edits)

    def event(self, choice: Choice, view: View) -> Comparison:
        """A choice about an image as rankers learn from it. Raises EditError for a direction that the perception never learned."""
        return self.sight.event(choice, view.face)

    def events(self, choices: Sequence[Choice], see: Callable[[str], View]) -> tuple[list[Comparison], int]:
        """Choices as rankers learn from them, in the order given, and how many of them can't be understood here.

        see: image_id -> how this studio sees the image; EditError where it is another generator's or gone.
        """
        return self.sight.events(choices, lambda image_id: see(image_id).face)
