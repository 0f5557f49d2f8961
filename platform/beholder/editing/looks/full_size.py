"""Full size: a photo under a look at its own resolution, developed in strips that stay in the cores' caches."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from beholder import colour, images
from beholder.editing.editor import Edit
from beholder.editing.looks.develop import light_under
from beholder.editing.looks.framing import Framing
from beholder.editing.looks.look_directions import COLUMN, alphas_of, strengths
from beholder.editing.looks.tone_maps import SMALL, TONAL, ToneMaps
from beholder.process import ThreadShare

_STRIP = 65_536  # pixels
_LINEAR = np.asarray(colour.to_linear(torch.arange(256).float() / 255).numpy())  # of the 256 levels
_threads = ThreadShare()


def render(pixels: np.ndarray, edit: Edit) -> np.ndarray:
    """Return a photo, uint8 RGB [H, W, 3], under a look, uint8 RGB [h, w, 3]: smaller where it is straightened or cropped.

    A look of nothing returns the photo's own pixels. The strips are shared among as many threads as torch may use; their number
    changes no pixel. Raises EditError for an unknown direction.
    """
    alphas = alphas_of(edit)
    units = strengths(alphas)[None]
    framing = Framing(pixels.shape[0], pixels.shape[1], float(units[0, COLUMN["straighten"]]), float(units[0, COLUMN["crop"]]))
    if not framing.is_whole:
        pixels = framing.pixels(pixels)
        units[0, [COLUMN["straighten"], COLUMN["crop"]]] = 0
    if not units.any():
        return pixels.copy()
    names = [name for name in TONAL if units[0, COLUMN[name]]]
    with torch.inference_mode():
        height, width = pixels.shape[:2]
        maps = ToneMaps(linear_of(images.shrink(pixels, SMALL)), height, width, names)
        result = np.empty_like(pixels)

        def draw(strips: list[tuple[int, int]]) -> np.ndarray:
            for rows in strips:
                linear = linear_of(pixels[slice(*rows)])
                tone = maps.strip(linear, rows, names) if names else torch.zeros(0, *linear.shape[2:])
                result[slice(*rows)] = to_pixels(light_under(linear, tone, units, names))
            return np.zeros(len(strips))

        step = max(1, _STRIP // pixels.shape[1])
        _threads.share(_on_thread(draw), [(top, min(top + step, len(pixels))) for top in range(0, len(pixels), step)])
    return result


def linear_of(pixels: np.ndarray) -> Tensor:
    """Return uint8 RGB [H, W, 3] in linear light, float32 [1, 3, H, W]."""
    return torch.from_numpy(_LINEAR.take(pixels.transpose(2, 0, 1)))[None]


def to_pixels(light: Tensor) -> np.ndarray:
    """Return linear light [1, 3, H, W] as uint8 RGB [H, W, 3]."""
    return np.asarray(colour.to_levels(light)[0].permute(1, 2, 0).numpy())


def _on_thread(draw: Callable[[list[tuple[int, int]]], np.ndarray]) -> Callable[[list[tuple[int, int]]], np.ndarray]:
    """Return `draw` as it runs on another thread, where inference mode has to be entered again."""

    def entered(strips: list[tuple[int, int]]) -> np.ndarray:
        with torch.inference_mode():
            return draw(strips)

    return entered
