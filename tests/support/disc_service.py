"""A service of discs: the fake editor, an encoder of a few lines, a surrogate that draws; what each was asked for is counted."""

from collections import Counter
from pathlib import Path

import numpy as np

from beholder.editing.fake import FakeEditor
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures, draw
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.service import RecommendationService
from beholder.recommending.store.choice_store import Store
from beholder.workspace import Workspace

EDITOR = FakeEditor(16)
CANDIDATES = candidates(EDITOR.directions, CandidatesConfig(count=80))
RANKER = RankerConfig(bayes=BayesRankerConfig(components=4))


class Colours:
    """An encoder: the picture's mean colour and how bright its middle is, as a row of length 1."""

    size = 8

    def images(self, pixels):
        rows = np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 8, 8].astype(float)], axis=1)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class DrawingSurrogate:
    """A surrogate that draws what it is asked for; `off` is how wrong it is, and `asked` how often it was asked."""

    def __init__(self, off: float = 0.0) -> None:
        self.off, self.asked = off, 0

    def predict(self, latent, alphas, *, directions=None, original=None):
        self.asked += 1
        edits = [dict(zip(directions, map(float, row), strict=True)) for row in alphas]
        rows = Colours().images(EDITOR.edit(latent, edits))
        return rows + self.off * np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)


class CountedStore(Store):
    """A store that counts what it is asked for."""

    counts: Counter[str]

    def mark(self, user_id):
        self.counts["mark"] += 1
        return super().mark(user_id)


class DiscService:
    """What commands need of the service in this process, on discs of seeds. counts: images encoded, people looked up, ..."""

    def __init__(self, folder: Path, *, ranker: RankerConfig = RANKER, off: float = 0.0, **config) -> None:
        self.counts: Counter[str] = Counter()
        self.surrogate = DrawingSurrogate(off)
        self.store = CountedStore.at(folder / "choices.db")
        self.store.counts = self.counts
        self.recommendations = RecommendationService(
            EditFeatures(self.surrogate, CANDIDATES), self.store, Workspace(str(folder)), self._encode, EDITOR.directions,
            exists=self._exists, ranker=ranker, **config,
        )  # fmt: skip

    def recommend(self, user_id, image_id, *, count=None):
        """Recommend, drawing what is on the shortlist."""
        shortlist = self.recommendations.shortlist(user_id, image_id)
        embeddings = draw(EDITOR, Colours(), shortlist.image.latent, shortlist.edits).embeddings if shortlist.edits else None
        return self.recommendations.recommend(shortlist, embeddings, count=count)

    def pictures(self, image_id, edits):
        """An image under edits."""
        return EDITOR.edit(self.latent(image_id), edits)

    def latent(self, image_id):
        """Of a seed."""
        return EDITOR.generate([int(image_id.removeprefix("seed-"))])

    def _encode(self, image_id):
        self.counts["encode"] += 1
        latent = self.latent(image_id)
        return EditableImage(image_id, latent, Colours().images(EDITOR.edit(latent, [{}]))[0])

    def _exists(self, image_id):
        self.counts["exists"] += 1
        return True
