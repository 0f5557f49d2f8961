"""Bare: the work of the service as one process does it that calls the library directly: what serving is measured against."""

import time
import uuid
from collections.abc import Sequence

import numpy as np

from beholder.encoder import Encoder, EncoderConfig
from beholder.recommending.components import Components, open_store
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.image_library import ImageLibrary, LatentStore
from beholder.recommending.service import RecommendationService
from beholder.workspace import Workspace

PersonAndImage = tuple[str, str]  # who, and the face


class Baseline:
    """A darkroom, an encoder and an advisor in this process."""

    def __init__(self, parts: Components, encoder: EncoderConfig, workspace: str) -> None:
        place = Workspace(workspace)
        editor, store = parts.editor(place), open_store(None, place)
        perception = parts.perception(editor, place, encoder_id=encoder.encoder_id())
        self.encoder = Encoder.load(encoder)
        self.room = ImageLibrary(editor, LatentStore(editor, place.place, parts.generator), store)
        sight = EditFeatures(perception, parts.choose_among(editor))
        self.advisor = RecommendationService(sight, store, place, self._look, editor.directions, parts=parts)

    def answer(self, wish: PersonAndImage, rounds: int) -> None:
        """Have somebody answer questions, the one on the left always."""
        for _ in range(rounds):
            asked = self.advisor.question(*wish).question
            self.advisor.choose(uuid.uuid4().hex, asked.question_id, "left")

    def recommend(self, wishes: Sequence[PersonAndImage]) -> None:
        """Recommend to some people at once: all that has to be drawn and encoded is, together."""
        edits = [self.advisor.shortlist(*wish) for wish in wishes]
        pictures = self.room.draw([(image_id, some) for (_, image_id), some in zip(wishes, edits, strict=True)])
        found = self.encoder.images(np.concatenate(pictures))
        for wish, some, embeddings in zip(wishes, edits, np.split(found, np.cumsum([len(e) for e in edits])[:-1]), strict=True):
            self.advisor.recommend(*wish, some, embeddings, count=4)

    def measure(self, wishes: Sequence[PersonAndImage], batch: int, seconds: float) -> list[float]:
        """The seconds that each batch of recommendations takes, one after the other until the time is over."""
        took: list[float] = []
        began, at = time.perf_counter(), 0
        while time.perf_counter() - began < seconds or not took:
            some = [wishes[(at + each) % len(wishes)] for each in range(batch)]
            at, start = at + batch, time.perf_counter()
            self.recommend(some)
            took.append(time.perf_counter() - start)
        return took

    def close(self) -> None:
        """Let go of the stores."""
        self.advisor.store.close()

    def _look(self, image_id: str) -> EditableImage:
        pictures = self.room.draw([(image_id, [{}])])[0]
        return EditableImage(image_id, self.room.latent(image_id), self.encoder.images(pictures)[0])
