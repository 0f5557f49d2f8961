"""Tone maps: where in a photo each tonal direction acts, in stops of exposure per unit.

All tonal directions are exposures that differ from place to place: open shadows are more light where it is dark, clarity is more
light
where a pixel is brighter than what is around it, grain is more or less light by chance. So a look's tone is one map, the sum of
theirs, and directions add up whatever their order. The maps of a photo do not depend on the look.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from beholder import colour

TONAL = ("exposure", "contrast", "highlights", "shadows", "clarity", "sharpness", "vignette", "grain")
GLOBAL = TONAL[:4]  # those that depend on nothing around a pixel but how light its area is
_PLAIN = frozenset(("exposure", "vignette"))  # those that depend on no light
SMALL = 1536  # pixels of the longer side of the picture that is enough to find light areas and what is fine
_GUIDE = 192  # and of the one in which areas are told apart
_RADIUS = 0.03  # of an area, as a share of the frame's side
_EDGE = 0.02  # variance of perceptual lightness above which a change is an edge between areas, not detail within one
_FINE = 0.0011  # of the frame's side: the deviation of the blur that sharpness takes detail from
_PIXEL = 0.7  # pixels, below which a blur does hardly anything
_GRAIN = 900  # grains along the frame's side
_NOISE = 256  # pixels of a side of the noise that grain repeats
_GAMMA = 2.2
_MIDDLE = math.log2(0.18 / 0.82)  # middle grey


class ToneMaps:
    """The tone maps of a frame of height x width pixels, computed strip by strip.

    Light areas are found by the guided filter, computed small and applied large: He and Sun, "Fast guided filter" (2015).
    """

    def __init__(self, small: Tensor, height: int, width: int, names: Sequence[str] = TONAL) -> None:
        """small: the frame in linear light [1, 3, h, w], of at most SMALL pixels a side, or as large as the frame. names: the
        directions whose maps will be asked for."""
        self.height, self.width = height, width
        if "grain" in names:
            self._noise = _grain_columns(height, width)
        if _PLAIN.issuperset(names):
            return
        luminance = colour.luminance(small)
        light = perceptual(luminance)
        scale = min(1.0, _GUIDE / max(light.shape[-2:]))
        if scale < 1:
            size = max(1, round(light.shape[-2] * scale)), max(1, round(light.shape[-1] * scale))
            light = functional.interpolate(light, size, mode="area")
        radius = max(1, round(_RADIUS * math.sqrt(light.shape[-2] * light.shape[-1])))
        mean = _box(light, radius)
        variance = (_box(light * light, radius) - mean * mean).clamp_min(0)
        gain = variance / (variance + _EDGE)
        self._gain, self._offset = (_widened(each, width) for each in (_box(gain, radius), _box((1 - gain) * mean, radius)))
        if "sharpness" in names:
            self._fine = _widened(_blur(odds(luminance), _FINE * math.sqrt(small.shape[-2] * small.shape[-1])), width)

    def strip(self, linear: Tensor, rows: tuple[int, int], names: Sequence[str] = TONAL) -> Tensor:
        """Return the maps of some directions for the rows of the frame from first to past the last, float32 [K, h, W].

        linear: these rows in linear light, [1, 3, h, W].
        """
        luminance = colour.luminance(linear)
        logit = areas = torch.zeros_like(luminance)
        if not _PLAIN.issuperset(names):
            gain, offset = (_heightened(each, rows, self.height) for each in (self._gain, self._offset))
            logit, areas = odds(luminance), (gain * perceptual(luminance) + offset).clamp(0, 1)
        maps = [self._map(name, rows, logit=logit, areas=areas) for name in names]
        return torch.cat(maps, dim=1)[0]

    def whole(self, linear: Tensor) -> Tensor:
        """Return all maps of the whole frame, [8, H, W]."""
        return self.strip(linear, (0, self.height))

    def _map(self, name: str, rows: tuple[int, int], *, logit: Tensor, areas: Tensor) -> Tensor:
        if name in GLOBAL:
            return _global_map(name, logit, areas)
        middle = 4 * areas * (1 - areas)
        if name == "clarity":
            return 2 * torch.tanh((logit - odds(colour.power(areas, _GAMMA))) / 2) * middle
        if name == "sharpness":
            return 1.5 * torch.tanh((logit - _heightened(self._fine, rows, self.height)) / 1.5)
        if name == "vignette":
            y, x = _ticks(self.height)[slice(*rows)].view(-1, 1), _ticks(self.width).view(1, -1)
            return -_step(2 * ((y - 0.5) ** 2 + (x - 0.5) ** 2), 0.12, 1.1)[None, None]
        assert name == "grain"
        return _grain_rows(self._noise, rows, self.height, self.width) * (0.3 + 0.7 * middle)


def point_maps(linear: Tensor) -> Tensor:
    """Return the maps of colours that have nothing around them, [8, H, W]: those that depend on a place are 0."""
    logit, areas = odds(colour.luminance(linear)), perceptual(colour.luminance(linear)).clamp(0, 1)
    nothing = torch.zeros_like(areas)
    maps = [_global_map(name, logit, areas) if name in GLOBAL else nothing for name in TONAL]
    return torch.cat(maps, dim=1)[0]


def _global_map(name: str, logit: Tensor, areas: Tensor) -> Tensor:
    if name == "exposure":
        return torch.ones_like(areas)
    if name == "contrast":
        return 6 * torch.tanh((logit - _MIDDLE) / 6)
    if name == "highlights":
        return _step(areas, 0.35, 0.95)
    assert name == "shadows"
    return 1 - _step(areas, 0.05, 0.6)


def perceptual(luminance: Tensor) -> Tensor:
    """Return luminance on a scale that is about even to the eye, 0..1."""
    return colour.power(luminance, 1 / _GAMMA)


def odds(luminance: Tensor) -> Tensor:
    """Return the logarithm, base 2, of luminance over what is missing to white: an exposure adds its stops to it."""
    inside = luminance.clamp(2e-4, 1 - 2e-4)
    return torch.log2(inside) - torch.log2(1 - inside)


def _step(x: Tensor, low: float, high: float) -> Tensor:
    """Return a smooth step from 0 below `low` to 1 above `high`."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _box(x: Tensor, radius: int) -> Tensor:
    """Return the mean over a square of 2 radius + 1 pixels, [1, 1, h, w]; beyond the border is nothing."""
    rows = functional.avg_pool2d(x, (2 * radius + 1, 1), 1, (radius, 0), count_include_pad=False)
    return functional.avg_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius), count_include_pad=False)


def _blur(x: Tensor, deviation: float) -> Tensor:
    """Return a Gaussian blur of [1, 1, h, w], the border repeated."""
    deviation = max(deviation, _PIXEL)
    reach = math.ceil(2.5 * deviation)
    ticks = torch.arange(-reach, reach + 1, dtype=x.dtype)
    kernel = torch.exp(-(ticks**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    rows = functional.conv2d(functional.pad(x, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return functional.conv2d(functional.pad(rows, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))


def _ticks(count: int) -> Tensor:
    """Return where the middles of `count` pixels are in a frame, 0..1."""
    return (torch.arange(count, dtype=torch.float32) + 0.5) / count


def _widened(small: Tensor, width: int) -> Tensor:
    """Return a map [1, 1, h, w] interpolated to another width."""
    if small.shape[-1] == width:
        return small
    low, high, share = _between(_ticks(width), small.shape[-1])
    return torch.lerp(small.index_select(-1, low), small.index_select(-1, high), share)


def _heightened(wide: Tensor, rows: tuple[int, int], height: int) -> Tensor:
    """Return some rows of a map [1, 1, h, W] interpolated to another height, the same in every strip."""
    if wide.shape[-2] == height:
        return wide[..., rows[0] : rows[1], :]
    low, high, share = _between(_ticks(height)[slice(*rows)], wide.shape[-2])
    return torch.lerp(wide.index_select(-2, low), wide.index_select(-2, high), share.view(-1, 1))


def _between(at: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two of `count` pixels that places 0..1 lie between, and the share of the second."""
    where = (at * count - 0.5).clamp(0, count - 1)
    low = where.floor().long().clamp_max(max(count - 2, 0))
    return low, (low + 1).clamp_max(count - 1), where - low


def _noise() -> Tensor:
    """Return grains, always the same, [256, 256], mean 0 and deviation 1."""
    noise = torch.randn(1, 1, _NOISE, _NOISE, generator=torch.Generator().manual_seed(1))
    noise = _blur(functional.pad(noise, (8, 8, 8, 8), mode="circular"), _PIXEL)[0, 0, 8:-8, 8:-8]
    return (noise - noise.mean()) / noise.std()


def _grain_columns(height: int, width: int) -> Tensor:
    """Return the grains of every column of a frame, [256, W]; a pixel that holds many grains shows their mean."""
    pitch = _GRAIN / math.sqrt(height * width)  # grains per pixel
    at = torch.arange(width, dtype=torch.float32)
    if pitch >= 1:
        return _noise()[:, at.long() % _NOISE] / pitch
    return _wrapped(_noise(), at * pitch, 1)


def _grain_rows(columns: Tensor, rows: tuple[int, int], height: int, width: int) -> Tensor:
    """Return the grains of some rows, [1, 1, h, W]."""
    pitch = _GRAIN / math.sqrt(height * width)
    at = torch.arange(*rows, dtype=torch.float32)
    return (columns[at.long() % _NOISE] if pitch >= 1 else _wrapped(columns, at * pitch, 0))[None, None]


def _wrapped(noise: Tensor, at: Tensor, dim: int) -> Tensor:
    """Return periodic noise interpolated along a dimension, its deviation kept."""
    low = at.floor()
    share = (at - low).view(-1, 1) if dim == 0 else (at - low).view(1, -1)
    first, second = (noise.index_select(dim, (low.long() + step) % _NOISE) for step in (0, 1))
    return torch.lerp(first, second, share).div_(torch.sqrt((1 - share) ** 2 + share**2))
