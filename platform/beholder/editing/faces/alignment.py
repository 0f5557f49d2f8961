"""Alignment: the square around a face that generators of faces were trained on, cut out of a photo and put back.

The square is that of FFHQ (Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", 2019,
appendix A): placed by eyes and mouth, so that they lie at about the same places in every picture.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder.errors import EditError, FaceTooSmall

LEAST_SIDE = 64  # pixels of a photo below which a square holds too little of a face
_MEDIAN = 250_000  # pixels from which on a median is taken of a part of them
_SMOOTH = 4.0  # pixels of a blur's width in the copy in which a wider one is made
_LEFT_EYE, _RIGHT_EYE, _MOUTH = slice(36, 42), slice(42, 48), (48, 54)


@dataclass(frozen=True)
class Square:
    """A square in a photo, turned as the face is.

    centre and half are x and y in pixels; half is the vector from the centre to the middle of the right side.
    """

    centre: tuple[float, float]
    half: tuple[float, float]

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (*self.centre, *self.half)) or self.side == 0:
            raise EditError(f"a square of {self.side} pixels around {self.centre} is no place for a face")

    @classmethod
    def around(cls, points: np.ndarray) -> "Square":
        """FFHQ's square around landmarks [68, 2] or [5, 2] (see landmarks). Raises EditError if it is smaller than LEAST_SIDE."""
        if len(points) == 5:
            left, right, mouth = points[0], points[1], points[3:].mean(axis=0)
        else:
            left, right = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
            mouth = points[list(_MOUTH)].mean(axis=0)
        eyes, across = (left + right) / 2, right - left
        down = mouth - eyes
        half = across - np.array([-down[1], down[0]])  # the line of the eyes, and the one square to that from eyes to mouth
        half *= max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) / max(np.hypot(*half), 1e-9)
        centre = eyes + 0.1 * down
        found = cls((float(centre[0]), float(centre[1])), (float(half[0]), float(half[1])))
        if found.side < LEAST_SIDE:
            raise FaceTooSmall(
                f"the face is too small to edit: the square around it has {found.side:.0f} pixels a side, at least {LEAST_SIDE} "
                f"are needed; take a larger photo"
            )
        return found

    @property
    def side(self) -> float:
        """Its length in pixels."""
        return 2 * math.hypot(*self.half)

    @property
    def corners(self) -> np.ndarray:
        """x and y of the upper left, lower left, lower right and upper right corner, as the face stands: float [4, 2]."""
        x, y, centre = np.array(self.half), np.array([-self.half[1], self.half[0]]), np.array(self.centre)
        return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])

    def to_photo(self, at: np.ndarray) -> np.ndarray:
        """Places in the square, 0..1 from its upper left corner [..., 2] -> pixels of the photo [..., 2]."""
        x, y = np.array(self.half), np.array([-self.half[1], self.half[0]])
        along = 2 * at - 1
        return np.asarray(np.array(self.centre) + along[..., :1] * x + along[..., 1:] * y)

    def from_photo(self, at: np.ndarray) -> np.ndarray:
        """Pixels of the photo [..., 2] -> places in the square."""
        x, y = np.array(self.half), np.array([-self.half[1], self.half[0]])
        away = np.asarray(at) - np.array(self.centre)
        return np.asarray((np.stack([away @ x, away @ y], axis=-1) / (x @ x) + 1) / 2)


def cut(photo: np.ndarray, square: Square, size: int) -> np.ndarray:
    """The square of a photo, uint8 RGB [H, W, 3] -> [size, size, 3], upright.

    What lies outside the photo is its mirror image, fading into a blur and then into the photo's median, as in FFHQ. A square much
    larger than `size` is made smaller first, so that a large photo costs hardly more than a small one.
    """
    margin = max(3, round(0.1 * square.side))
    corners = square.corners
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin
    step = max(1, int(square.side / size / 2))
    scene = _scene(photo, low, high, square.side, step)
    finer = max(1, math.ceil(square.side / step / size))
    ticks = (np.arange(size * finer) + 0.5) / (size * finer)
    places = square.to_photo(np.stack(np.meshgrid(ticks, ticks), axis=-1))
    rgb = functional.avg_pool2d(sample(scene, (places - low) / step, "bilinear"), finer)
    return rgb[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def sample(image: Tensor, places: np.ndarray, mode: Literal["bilinear", "bicubic"]) -> Tensor:
    """[1, C, h, w] at places [H, W, 2] (x, y in pixels from the upper left corner) -> [1, C, H, W]."""
    size = torch.tensor([image.shape[3], image.shape[2]], dtype=torch.float64)
    grid = (torch.from_numpy(places) / size * 2 - 1).float()[None]
    return functional.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)


def _scene(photo: np.ndarray, low: np.ndarray, high: np.ndarray, side: float, step: int) -> Tensor:
    """The photo from `low` to `high` (x, y; they may lie outside it), made smaller by `step`: float32 [1, 3, h, w].

    A pixel is the mean of step x step of the photo's; what is left over at the right and lower edge is dropped.
    """
    height, width = photo.shape[:2]
    across, along = (high - low) // step * step
    columns, rows = np.arange(low[0], low[0] + across), np.arange(low[1], low[1] + along)
    part = _means(photo, _mirror(rows, height), _mirror(columns, width), step)
    scene = torch.from_numpy(part).permute(2, 0, 1)[None]
    outside = [max(0, -low[0]), max(0, -low[1]), max(0, high[0] - width), max(0, high[1] - height)]
    if max(outside) == 0:
        return scene
    pad = [max(each, round(0.3 * side)) for each in outside]  # over how many pixels it fades, on each side
    middle_x, middle_y = (line.reshape(-1, step).mean(axis=1) for line in (columns, rows))
    beyond_x = np.maximum(-middle_x / pad[0], (middle_x - (width - 1)) / pad[2])
    beyond_y = np.maximum(-middle_y / pad[1], (middle_y - (height - 1)) / pad[3])
    beyond = torch.from_numpy(np.maximum(beyond_x, beyond_y[:, None]).astype(np.float32))
    median = torch.from_numpy(_median(photo, _mirror(rows, height), _mirror(columns, width)))[:, None, None]
    scene = scene + (_blur(scene, 0.02 * side / step) - scene) * (3 * beyond + 1).clamp(0, 1)
    return scene + (median - scene) * beyond.clamp(0, 1)


def _means(photo: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: int) -> np.ndarray:
    """Means of step x step pixels of these rows and columns of a photo, float32 [rows / step, columns / step, 3]."""
    first, last = columns.min(), columns.max() + 1
    kind = np.uint16 if step < 256 else np.uint32  # a sum of `step` levels fits
    sums = photo[rows[::step], first:last].astype(kind)
    for start in range(1, step):
        np.add(sums, photo[rows[start::step], first:last], out=sums)
    sums = sums[:, columns - first]
    if step == 1:
        return sums.astype(np.float32)
    whole = sums[:, ::step].astype(np.uint32)
    for start in range(1, step):
        np.add(whole, sums[:, start::step], out=whole)
    return whole.astype(np.float32) / step**2


def _median(photo: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The median of these rows and columns of a photo, float32 [3]; of a large photo, of evenly chosen ones of them."""
    sparse = max(1, int(math.sqrt(len(rows) * len(columns) / _MEDIAN)))
    return np.asarray(np.median(photo[rows[::sparse][:, None], columns[::sparse]], axis=(0, 1)), np.float32)


def _mirror(at: np.ndarray, size: int) -> np.ndarray:
    """Places on a line that goes on beyond its ends as in two mirrors -> places 0..size - 1."""
    period = max(2 * (size - 1), 1)
    at = np.abs(at) % period
    return np.asarray(np.minimum(np.minimum(at, period - at), size - 1))


def _blur(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian over [1, 3, h, w]; a wide one is taken of a smaller copy, which has the same in it."""
    step = max(1, int(sigma / _SMOOTH))
    if step == 1:
        return _gaussian(image, sigma)
    small = functional.avg_pool2d(image, step, ceil_mode=True, count_include_pad=False)
    sigma = math.sqrt(max(sigma**2 - (step**2 - 1) / 12, 0)) / step  # what the means have blurred already
    height, width = image.shape[2:]
    large = functional.interpolate(_gaussian(small, sigma), scale_factor=step, mode="bilinear", align_corners=False)
    return large[:, :, :height, :width]


def _gaussian(image: Tensor, sigma: float) -> Tensor:
    reach = max(1, math.ceil(3 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    line = line / line.sum()
    wide = functional.pad(image, (reach, reach, reach, reach), mode="replicate")
    wide = functional.conv2d(wide.transpose(0, 1), line.view(1, 1, 1, -1))
    return functional.conv2d(wide, line.view(1, 1, -1, 1)).transpose(0, 1)
