"""A ground truth of discs: two images under 60 candidates, drawn by the fake editor."""

from pathlib import Path
from typing import Any

import numpy as np

from beholder.editing.fake import FakeEditor
from beholder.encoder import ImageEncoder
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.simulation.ground_truth import GroundTruth, open_ground_truth
from beholder.storage import Place
from support.surrogate_double import Colours

EDITOR = FakeEditor(16)
CANDIDATES = candidates(EDITOR.directions, CandidatesConfig(count=60))


def drawn(folder: Path, encoder: ImageEncoder | None = None, **more: Any) -> GroundTruth:
    """The images of seeds 3 and 5; their traits are the colour of the middle."""
    settings: dict[str, Any] = {"candidates": CANDIDATES, "seeds": (3, 5), "made_for": "discs"} | more
    return open_ground_truth(Place.at(folder), EDITOR, encoder or Colours(), _middle, **settings)


def _middle(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, 8, 8].astype(np.float32)
