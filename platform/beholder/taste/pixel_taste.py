"""Seeing: a taste of embeddings that is shown pixels and embeds them itself, to stand beside one that looks at pixels."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from beholder.encoder import Encoder, EncoderConfig
from beholder.taste.contract import Normal, Taste


class CachedEncoder:
    """Pixels uint8 [N, H, W, 3] -> embeddings float32 [N, D]; an image seen before is remembered, but not where this is sent to."""

    def __init__(self, config: EncoderConfig):
        self._config = config
        self._encoder: Encoder | None = None
        self._seen: dict[bytes, np.ndarray] = {}

    def __reduce__(self) -> Any:
        return CachedEncoder, (self._config,)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels]
        fresh = {key: row for row, key in enumerate(keys) if key not in self._seen}
        if self._encoder is None:
            self._encoder = Encoder.load(self._config)
        if fresh:
            vectors = self._encoder.images(pixels[list(fresh.values())])
            self._seen.update(zip(fresh, vectors, strict=True))
        return np.stack([self._seen[key] for key in keys])


class FromPixels:
    """Signs the contract of tastes; whatever is asked goes to the taste inside."""

    def __init__(self, taste: Taste, eyes: CachedEncoder):
        self.taste, self._eyes = taste, eyes
        self.info = replace(taste.info, takes="pixels")

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        if not len(items):
            return np.zeros((len(user_ids), 0), np.float32)
        return self.taste.utilities(self._eyes(items), user_ids, attribute)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        return self.taste.differences(self._eyes(left), self._eyes(right), user_id, attribute)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return self.taste.tensors()

    def settings(self) -> dict[str, Any]:
        return self.taste.settings()
