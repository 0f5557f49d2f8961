"""Reading: the traits that the reader sees in pictures as they are, pixels in and numbers out."""

from collections.abc import Callable

import numpy as np
import torch

from beholder.editing.pixels import to_rgb
from beholder.portraits import shipped

_AT_ONCE = 32


def reading() -> Callable[[np.ndarray], np.ndarray]:
    """A function of pictures, uint8 RGB [N, 128, 128, 3] -> traits about 0..1, float32 [N, T] in the order of TRAITS."""
    reader = shipped.reader()

    @torch.no_grad()
    def read(pixels: np.ndarray) -> np.ndarray:
        parts = [reader(to_rgb(pixels[at : at + _AT_ONCE])).numpy() for at in range(0, len(pixels), _AT_ONCE)]
        return np.concatenate(parts)

    return read
