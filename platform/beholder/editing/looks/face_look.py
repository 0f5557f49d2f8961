"""Face look: gentle directions that know where faces are: light on them, brighter eyes, a blurred background.

They change light and focus alone, no shape, and every channel alike, so no colour of skin. Faces are found with the extra `faces`;
a photo without one stays as it is. They are done before the look's other directions, on the photo's own pixels.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder import images
from beholder.editing.editor import Edit
from beholder.editing.faces.landmarks import DetectedFace
from beholder.editing.looks.full_size import linear_of, to_pixels
from beholder.editing.looks.look_directions import LookDirection

_ORDER = (
    LookDirection("face_light", 0.3, "stops on faces", (-1.0, 2.5), asked=False),
    LookDirection("brighter_eyes", 0.25, "stops on eyes", (0.0, 2.0), asked=False),
    LookDirection("background_blur", 0.003, "of the photo's side, far from faces", (0.0, 3.0), asked=False),
)
FACE_DIRECTIONS: Mapping[str, LookDirection] = MappingProxyType({each.name: each for each in _ORDER})
_SMALL = 384  # pixels of the longer side at which maps are made: they are smooth
_STRIP = 256  # rows that are lit at a time
_FOCUS = 1536  # pixels of the longer side at which a background is blurred
_EYE = 0.16  # of the distance between the eyes: the deviation of the light on each
_BODY = 3.2  # faces below a face that are as near as it


def is_face_look(edit: Edit) -> bool:
    """Tell whether an edit moves along a direction of faces."""
    return any(edit.get(name, 0.0) for name in FACE_DIRECTIONS)


def split(edit: Edit) -> tuple[dict[str, float], dict[str, float]]:
    """Return the part of an edit that is of faces, and the rest."""
    own = {name: alpha for name, alpha in edit.items() if name in FACE_DIRECTIONS}
    return own, {name: alpha for name, alpha in edit.items() if name not in own}


@torch.inference_mode()
def render_faces(pixels: np.ndarray, edit: Edit, faces: Sequence[DetectedFace]) -> np.ndarray:
    """Return a photo, uint8 RGB [H, W, 3], under the directions of faces of an edit; others are left alone.

    faces: of the photo, in its pixels. Without any, and for alphas of 0, the photo's own pixels are returned.
    """
    units = {name: direction.step * float(edit.get(name, 0.0)) for name, direction in FACE_DIRECTIONS.items()}
    if not faces or not any(units.values()):
        return pixels.copy()
    height, width = pixels.shape[:2]
    scale = min(1.0, _SMALL / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    focused = pixels
    if units["background_blur"]:
        focused = _blurred(pixels, _background(faces, size, (height, width)), units["background_blur"])
    if not (units["face_light"] or units["brighter_eyes"]):
        return focused
    stops = units["face_light"] * _lit(faces, size, (height, width)) + units["brighter_eyes"] * _eyes(faces, size, (height, width))
    gain = functional.interpolate(torch.exp2(stops)[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
    result = focused.copy()
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        moved = gain[rows]
        if bool((moved - 1).abs().max() < 1e-3):
            continue
        brighter = moved * linear_of(focused[rows])
        drawn = to_pixels(brighter / (brighter + (1 - linear_of(focused[rows]))))
        result[rows] = np.where((moved - 1).abs().numpy()[..., None] < 1e-3, focused[rows], drawn)
    return result


def _ticks(size: tuple[int, int], whole: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return where the middles of a map's pixels are in the photo, rows [h, 1] and columns [1, w]."""
    y, x = ((torch.arange(count, dtype=torch.float32) + 0.5) * full / count for count, full in zip(size, whole, strict=True))
    return y.view(-1, 1), x.view(1, -1)


def _lit(faces: Sequence[DetectedFace], size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """Return how much of the light on faces each place gets, 0..1 [h, w]: an ellipse of soft edge around each."""
    y, x = _ticks(size, whole)
    result = torch.zeros(size)
    for face in faces:
        left, top, right, bottom = face.box
        away = torch.sqrt(
            ((x - (left + right) / 2) / (0.75 * (right - left))) ** 2 + ((y - (top + bottom) / 2) / (0.85 * (bottom - top))) ** 2
        )
        result = torch.maximum(result, 1 - _step(away, 0.45, 1.25))
    return result


def _eyes(faces: Sequence[DetectedFace], size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """Return how much of the light on eyes each place gets, 0..1 [h, w]."""
    y, x = _ticks(size, whole)
    result = torch.zeros(size)
    for face in faces:
        eyes = _eyes_of(face.points)
        deviation = max(_EYE * math.dist(*eyes), 1e-6)
        for column, row in eyes:
            result = torch.maximum(result, torch.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * deviation**2)))
    return torch.where(result < 0.01, torch.zeros_like(result), result)


def _eyes_of(points: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the middles of both eyes, of 68 points or of five."""
    both = (points[36:42].mean(axis=0), points[42:48].mean(axis=0)) if len(points) == 68 else (points[0], points[1])
    return (float(both[0][0]), float(both[0][1])), (float(both[1][0]), float(both[1][1]))


def _background(faces: Sequence[DetectedFace], size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """Return how far behind each place is taken to be, 0..1 [h, w]: by its distance from faces and what is below them."""
    y, x = _ticks(size, whole)
    result = torch.ones(size)
    for face in faces:
        left, top, right, bottom = face.box
        reach = (right - left + bottom - top) / 2
        sideways = (x - (left + right) / 2).abs() / reach
        below = ((y - bottom) / reach).clamp(0, _BODY) / _BODY
        above, under = (top - y).clamp_min(0) / reach, (y - bottom - _BODY * reach).clamp_min(0) / reach
        away = torch.sqrt((sideways - 0.5 - 0.9 * below).clamp_min(0) ** 2 + above**2 + under**2)
        result = torch.minimum(result, _step(away, 0.35, 2.2))
    return result


def _blurred(pixels: np.ndarray, share: Tensor, deviation: float) -> np.ndarray:
    """Return a photo blurred where `share` is above 0, in linear light. deviation: of the blur, of the photo's side."""
    height, width = pixels.shape[:2]
    small = linear_of(images.shrink(pixels, _FOCUS))
    radius = max(1, round(deviation * math.sqrt(3) * math.sqrt(small.shape[-2] * small.shape[-1]) / 2))
    near = functional.interpolate(1 - share[None, None], small.shape[-2:], mode="bilinear", align_corners=False)
    # what is near gives no light to what is behind it: a blur of the background alone, by its own weights
    weights = (1 - near).clamp_min(1e-4)
    soft = torch.cat([small * weights, weights], dim=1)
    for _ in range(3):  # three boxes are about a Gaussian
        soft = functional.avg_pool2d(soft, 2 * radius + 1, 1, radius, count_include_pad=False)
    soft = soft[:, :3] / soft[:, 3:]
    result = pixels.copy()
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        part = _rows(share[None, None], rows, height, width)
        if not bool(part.any()):
            continue
        drawn = to_pixels(linear_of(pixels[rows]) * (1 - part) + _rows(soft, rows, height, width) * part)
        result[rows] = np.where(part[0, 0, :, :, None].numpy() == 0, pixels[rows], drawn)
    return result


def _rows(small: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Return some rows of a map [1, C, h, w] at the photo's size, bilinear."""
    at = ((torch.arange(rows.start, rows.stop, dtype=torch.float32) + 0.5) / height * 2 - 1).view(-1, 1).expand(-1, width)
    columns = ((torch.arange(width, dtype=torch.float32) + 0.5) / width * 2 - 1).view(1, -1).expand(len(at), -1)
    grid = torch.stack([columns, at], dim=-1)[None]
    return functional.grid_sample(small, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _step(x: Tensor, low: float, high: float) -> Tensor:
    """Return a smooth step from 0 below `low` to 1 above `high`."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
