"""A taste of embeddings that takes pixels and embeds them itself, to stand beside one that takes pixels."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from beholder.cache import BoundedCache
from beholder.encoder import Encoder, EncoderConfig
from beholder.taste.contract import Normal, Taste, TasteSettings

_REMEMBERED = 200_000  # embeddings, of some 2 kB each
_AT_ONCE = 1024  # images, which may lie in a file, that are read at a time


class CachedEncoder:
    """An encoder that remembers: pixels uint8 [N, H, W, 3] -> embeddings float32 [N, D]. What it remembers is not pickled."""

    def __init__(self, config: EncoderConfig):
        self._config = config
        self._encoder: Encoder | None = None
        self._embeddings: BoundedCache[bytes, np.ndarray] = BoundedCache(_REMEMBERED)

    def __reduce__(self) -> tuple[Callable[[EncoderConfig], "CachedEncoder"], tuple[EncoderConfig]]:
        return CachedEncoder, (self._config,)

    def __call__(self, pixels: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the embeddings of images; rows: of these rows of them only, int64 [M]."""
        rows = np.arange(len(pixels)) if rows is None else rows
        return np.concatenate([self._some(pixels[rows[start : start + _AT_ONCE]]) for start in range(0, len(rows), _AT_ONCE)])

    def _some(self, pixels: np.ndarray) -> np.ndarray:
        keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels]
        known = {key: vector for key in keys if (vector := self._embeddings.get(key)) is not None}
        fresh = {key: row for row, key in enumerate(keys) if key not in known}
        if self._encoder is None:
            self._encoder = Encoder.load(self._config)
        if fresh:
            for key, vector in zip(fresh, self._encoder.images(pixels[list(fresh.values())]), strict=True):
                known[key] = vector
                self._embeddings.put(key, vector)
        return np.stack([known[key] for key in keys])


class FromPixels:
    """A taste of pixels that embeds them for the taste of embeddings inside."""

    def __init__(self, taste: Taste, encoder: CachedEncoder):
        self.taste, self._encoder = taste, encoder
        self.info = replace(taste.info, takes="pixels")

    def embeddings(self, items: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return embeddings of items, float32 [N, D]: those of `rows`, int64 [M], and zeros elsewhere."""
        some = self._encoder(items, rows)
        vectors = np.zeros((len(items), some.shape[1]), np.float32)
        vectors[rows] = some
        return vectors

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        if not len(items):
            return np.zeros((len(user_ids), 0), np.float32)
        return self.taste.utilities(self._encoder(items), user_ids, attribute)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        return self.taste.differences(self._encoder(left), self._encoder(right), user_id, attribute)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return self.taste.tensors()

    def settings(self) -> TasteSettings:
        return self.taste.settings()
