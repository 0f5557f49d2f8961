"""Noticeable: how far apart two embeddings must be for their pictures to be told apart, measured with the encoder itself.

Pictures are changed by less than people see: saved as a JPEG of high quality, made lighter or darker by two levels of 256, given
noise of one and a half. What the encoder makes of that is no difference that a question may be about.
"""

import numpy as np

from beholder import images
from beholder.encoder import ImageEncoder

_QUALITY, _LIGHTER, _NOISE = 90, 2, 1.5
_QUANTILE = 0.95


def unseen(pictures: np.ndarray, *, seed: int = 0) -> list[np.ndarray]:
    """Return pictures, uint8 RGB [N, R, R, 3], changed in four ways that people don't see."""
    rng = np.random.default_rng(seed)
    levels = pictures.astype(np.float64)
    changed = [levels + _LIGHTER, levels - _LIGHTER, levels + rng.normal(0, _NOISE, levels.shape)]
    saved = [images.decode(images.encode(each, format="JPEG", quality=_QUALITY)) for each in pictures]
    return [np.stack(saved), *(np.clip(each.round(), 0, 255).astype(np.uint8) for each in changed)]


def just_noticeable_difference(encoder: ImageEncoder, pictures: np.ndarray, *, seed: int = 0) -> float:
    """Return the distance of embeddings below which 95 % of the changes of `unseen` are."""
    before = encoder.images(pictures)
    distances = [np.linalg.norm(encoder.images(each) - before, axis=1) for each in unseen(pictures, seed=seed)]
    return float(np.quantile(np.concatenate(distances), _QUANTILE))


def usual_change(originals: np.ndarray, embeddings: np.ndarray) -> float:
    """Return the root mean square distance of edits, [I, C, E], from the unedited images, [I, E]."""
    gaps = embeddings.astype(np.float64) - originals[:, None]
    return float(np.sqrt((gaps**2).sum(axis=-1).mean()))
