"""Embeddings of photos under edits: of looks, each of which is drawn small, or of a grid of drawings and what lies between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from beholder import images, look_descriptor
from beholder.editing.looks import look_editor
from beholder.editing.looks.look_directions import ASKED, DIRECTIONS
from beholder.editing.looks.look_editor import LookLatents
from beholder.encoder import EACH, GRID, Encoder
from beholder.errors import EditError
from beholder.recommending.candidates import Candidates, CandidatesConfig, candidates
from beholder.recommending.edit_features import EditableImage

FIT = images.Fit(look_descriptor.SIZE, "squash", "bilinear")  # how a photo is scaled for the descriptor
_SINGLES = CandidatesConfig(step=1.0, pairs=False)


@dataclass(frozen=True)
class JoinedLatents(LookLatents):
    """A photo as looks of it are scored by a CLIP and the descriptor. photos: its thumbnail for the descriptor.

    clip: the CLIP's embeddings of it as it is, and by looks_by=grid under each of `look_grid`, float32 [1 + G, E], rows of length
    1. shown: by looks_by=each instead, the photo as the CLIP sees it, uint8 RGB [S, S, 3].
    """

    clip: np.ndarray | None = None
    shown: np.ndarray | None = None


class DrawnEmbeddings:
    """Signs EmbeddingPredictor: embeddings of looks that are drawn small and encoded, each of them.

    A CLIP that is joined to the descriptor costs more than all else: by `encoder.looks_by` it sees what `latent` shows it of a
    photo, once, or every candidate.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self._grid = encoder, look_grid()

    def latent(self, photo: np.ndarray) -> LookLatents:
        """Return a photo, uint8 RGB [H, W, 3], as its looks are scored on."""
        thumbnails, config = (images.fit_pixels(photo, FIT),), self.encoder.config
        if not config.looks:
            return LookLatents(thumbnails)
        shown = images.fit_pixels(photo, config.fit)
        if config.looks_by == EACH:
            return JoinedLatents(thumbnails, shown=shown)
        alphas = np.zeros((1, len(ASKED)), np.float32)
        if config.looks_by == GRID:
            alphas = np.concatenate([alphas, self._grid.alphas])
        return JoinedLatents(thumbnails, self._seen_by_clip(shown, alphas, self._grid.directions))

    def predict(
        self,
        latent: LookLatents,
        alphas: np.ndarray,
        *,
        directions: Sequence[str] | None = None,
        original: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return embeddings float32 [C, E], rows of length 1. latent: as `latent` returns it."""
        names, config = tuple(ASKED) if directions is None else tuple(directions), self.encoder.config
        looks = look_editor.embeddings(latent.photos[0], _whole(alphas, names), look_descriptor.describe, size=FIT.size)
        if not config.looks:
            return looks
        assert isinstance(latent, JoinedLatents)
        clip = self._clip(latent, alphas, names)
        return look_descriptor.beside(torch.from_numpy(clip), torch.from_numpy(looks), config.looks_weight).numpy()

    def _clip(self, latent: JoinedLatents, alphas: np.ndarray, directions: tuple[str, ...]) -> np.ndarray:
        """Return the CLIP's part, float32 [C, E], rows of length 1."""
        if latent.shown is not None:
            return self._seen_by_clip(latent.shown, alphas, directions)
        assert latent.clip is not None
        if len(latent.clip) == 1:
            return np.repeat(latent.clip, len(alphas), axis=0)
        asked = _whole(alphas, directions)[:, look_editor.columns_of(self._grid.directions)]
        return GridEmbeddings(self._grid).predict(latent.clip[1:], asked, original=latent.clip[0])

    def _seen_by_clip(self, shown: np.ndarray, alphas: np.ndarray, directions: Sequence[str]) -> np.ndarray:
        whole = _whole(alphas, directions)
        return look_editor.embeddings(shown, whole, self.encoder.clip_of_light, size=self.encoder.size)


class GridEmbeddings:
    """Signs EmbeddingPredictor: embeddings of drawn candidates, and what lies between them. A latent is theirs, float32 [C, E]."""

    def __init__(self, grid: Candidates) -> None:
        self.grid = grid

    def predict(
        self,
        latent: np.ndarray,
        alphas: np.ndarray,
        *,
        directions: Sequence[str] | None = None,
        original: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return embeddings float32 [C, E], rows of length 1: exact for what was drawn. Raises EditError without the original."""
        if original is None or tuple(directions or self.grid.directions) != self.grid.directions:
            raise EditError("expected the original's embedding, and the directions of the grid")
        embeddings = original + self._weights(alphas) @ (latent - original)
        return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.float32)

    def _weights(self, alphas: np.ndarray) -> np.ndarray:
        """Return how much of each candidate's change an edit has, [C, candidates]: linear in each direction's alpha."""
        weights = np.zeros((len(alphas), len(self.grid)))
        for column in range(alphas.shape[1]):
            rows = np.flatnonzero(self.grid.alphas[:, column])
            points = np.array([0.0, *self.grid.alphas[rows, column]])
            order = np.argsort(points)
            for place, row in enumerate(rows, 1):
                weights[:, row] = np.interp(alphas[:, column], points[order], (order == place).astype(float))
        return weights


def editable(image_id: str, photo: np.ndarray, predictor: DrawnEmbeddings) -> EditableImage:
    """Return a photo, uint8 RGB [H, W, 3], as what looks are scored on: what is seen of it, small, and its embedding."""
    latent = predictor.latent(photo)
    return EditableImage(image_id, latent, predictor.predict(latent, np.zeros((1, len(ASKED)), np.float32))[0])


def look_grid() -> Candidates:
    """Return the looks that a CLIP sees of a photo by looks_by=grid: each direction by itself, step by step to its ends."""
    return candidates(ASKED, _SINGLES)


def _whole(alphas: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return alphas of some directions in the fixed order of all, float32 [C, D]."""
    whole = np.zeros((len(alphas), len(DIRECTIONS)), np.float32)
    whole[:, look_editor.columns_of(directions)] = alphas
    return whole
