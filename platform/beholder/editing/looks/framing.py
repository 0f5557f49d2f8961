"""Framing: the part of a photo that straighten and crop leave, sampled in linear light."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder import colour

_TILE = 256  # pixels of a side that are sampled at a time
_REACH = 3  # pixels beyond a point that the bicubic filter may take


@dataclass(frozen=True)
class Framing:
    """A frame around the middle of a photo of height x width pixels, turned, and as large as fits into it.

    degrees: clockwise, of the photo. cut: the share of each side that is cut away besides, 0..0.5.
    """

    height: int
    width: int
    degrees: float
    cut: float

    @property
    def is_whole(self) -> bool:
        """Tell whether the frame is the photo as it is."""
        return self.degrees == 0 and self.cut == 0

    @property
    def zoom(self) -> float:
        """The frame's sides as a share of the photo's: the frame has the photo's proportions, and no corner lies outside."""
        turned = abs(math.radians(self.degrees))
        longer = max(self.height, self.width) / min(self.height, self.width)
        return (1 - self.cut) / (math.cos(turned) + longer * math.sin(turned))

    @property
    def size(self) -> tuple[int, int]:
        """The frame's height and width in the photo's own pixels."""
        return max(1, round(self.height * self.zoom)), max(1, round(self.width * self.zoom))

    def of(self, photo: Tensor, height: int, width: int) -> Tensor:
        """Return the frame of a photo's linear light [1, 3, H, W] at another size, [1, 3, height, width], bicubic."""
        y, x = self._points(torch.arange(height), torch.arange(width), height, width)
        return self._sampled(photo, y, x, 0, 0)

    def pixels(self, photo: np.ndarray) -> np.ndarray:
        """Return the frame of a photo, uint8 RGB [H, W, 3], in its own pixels, uint8 RGB [*size, 3], tile by tile."""
        height, width = self.size
        result = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, _TILE):
            rows = torch.arange(top, min(top + _TILE, height))
            for left in range(0, width, _TILE):
                columns = torch.arange(left, min(left + _TILE, width))
                y, x = self._points(rows, columns, height, width)
                first, last = _span(y, self.height)
                begin, end = _span(x, self.width)
                part = torch.from_numpy(photo[first:last, begin:end].copy()).permute(2, 0, 1)[None].float() / 255
                taken = colour.to_srgb(self._sampled(colour.to_linear(part), y, x, first, begin))
                result[top : top + len(rows), left : left + len(columns)] = (255 * taken[0] + 0.5).permute(1, 2, 0).to(torch.uint8)
        return result

    def _sampled(self, part: Tensor, y: Tensor, x: Tensor, top: int, left: int) -> Tensor:
        """Return points of the photo, [h, w], of a part [1, 3, ...] whose upper left corner is at top and left."""
        height, width = part.shape[-2:]
        grid = torch.stack([2 * (x - left) / width - 1, 2 * (y - top) / height - 1], dim=-1)[None]
        return functional.grid_sample(part, grid.to(part), mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)

    def _points(self, rows: Tensor, columns: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return where pixels of a frame of height x width come from, in pixels from the photo's upper left corner, [h, w] each."""
        y = ((rows.double() + 0.5) / height - 0.5).view(-1, 1) * self.height * self.zoom
        x = ((columns.double() + 0.5) / width - 0.5).view(1, -1) * self.width * self.zoom
        sine, cosine = math.sin(-math.radians(self.degrees)), math.cos(math.radians(self.degrees))
        return self.height / 2 + x * sine + y * cosine, self.width / 2 + x * cosine - y * sine


def _span(points: Tensor, most: int) -> tuple[int, int]:
    """Return the first pixel, and the one past the last, that points need."""
    return max(0, math.floor(float(points.min())) - _REACH), min(most, math.ceil(float(points.max())) + _REACH)
