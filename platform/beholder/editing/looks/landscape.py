"""Landscapes: pictures drawn from seeds, with sky, sun, ridges, meadow or water, so that looks can be shown without anybody's
photos."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder import colour

_SKIES = (  # zenith, horizon, light of the sun, in sRGB, and how high the sun stands
    ((0.22, 0.42, 0.72), (0.72, 0.83, 0.92), (1.0, 0.96, 0.88), 0.75),
    ((0.16, 0.26, 0.50), (0.98, 0.66, 0.42), (1.0, 0.72, 0.40), 0.16),
    ((0.45, 0.50, 0.56), (0.80, 0.82, 0.83), (0.86, 0.88, 0.90), 0.55),
    ((0.20, 0.22, 0.42), (0.86, 0.56, 0.58), (0.95, 0.62, 0.55), 0.10),
    ((0.10, 0.34, 0.62), (0.60, 0.80, 0.90), (1.0, 0.98, 0.93), 0.9),
)
_GROUNDS = ((0.30, 0.42, 0.16), (0.42, 0.44, 0.18), (0.50, 0.40, 0.24), (0.22, 0.36, 0.20), (0.55, 0.50, 0.42))


def draw(seed: int, height: int, width: int) -> np.ndarray:
    """Return the landscape of a seed, uint8 RGB [height, width, 3]; the same scene at every size."""
    rng = np.random.default_rng([seed, 77])
    zenith, horizon, sun, high = (torch.tensor(each) for each in _SKIES[int(rng.integers(len(_SKIES)))])
    ground = torch.tensor(_GROUNDS[int(rng.integers(len(_GROUNDS)))])
    zenith, horizon, sun, ground = (colour.to_linear(each.view(3, 1, 1)) for each in (zenith, horizon, sun, ground))
    y = ((torch.arange(height) + 0.5) / height).view(-1, 1)
    x = ((torch.arange(width) + 0.5) / width).view(1, -1)
    level = float(rng.uniform(0.5, 0.68))  # of the horizon
    across = float(rng.uniform(0.15, 0.85))
    share = (y / level).clamp(0, 1) ** float(rng.uniform(0.8, 1.4))
    picture = zenith * (1 - share) + horizon * share + torch.zeros(1, 1, width)
    clouds = _cloud(rng, height, width)
    cover = ((clouds - float(rng.uniform(0.46, 0.6))) * 5).clamp(0, 1) * (1 - share**3)
    picture = picture * (1 - 0.8 * cover) + 0.8 * cover * (0.55 * sun + 0.35 * horizon) * (0.7 + 0.6 * clouds)
    sun_y, ratio = level * (1 - float(high)), width / height
    distance = torch.sqrt((y - sun_y) ** 2 + ((x - across) * ratio) ** 2)
    picture = picture + sun * (0.9 * torch.exp(-((distance / 0.035) ** 2)) + 0.30 * torch.exp(-distance / 0.22))
    picture = _ridges(picture, rng, x, y, level, horizon, sun, ground)
    picture = _water(picture, rng, x, y, level) if rng.random() < 0.4 else _meadow(picture, rng, x, y, level, ground, sun)
    picture = picture + torch.from_numpy(rng.normal(0, 1, 3).astype(np.float32)).view(3, 1, 1) * 0.004
    picture = 1 - torch.exp(-picture.clamp_min(0) * float(rng.uniform(0.75, 1.9)))  # as a camera exposes it
    return np.asarray((255 * colour.to_srgb(picture) + 0.5).permute(1, 2, 0).to(torch.uint8).contiguous().numpy())


def _ridges(
    picture: Tensor, rng: np.random.Generator, x: Tensor, y: Tensor, level: float, horizon: Tensor, sun: Tensor, ground: Tensor
) -> Tensor:
    """Draw ridges from far to near, the far ones in haze."""
    count = int(rng.integers(2, 6))
    for number in range(count):
        near = (number + 1) / count
        crest = level - 0.26 * (1 - near) * float(rng.uniform(0.5, 1.2)) + 0.03 * near - _profile(rng, x, 0.05 + 0.13 * (1 - near))
        inside = ((y - crest) * picture.shape[1] + 0.5).clamp(0, 1)
        rock = ground * float(rng.uniform(0.25, 0.6)) * (0.6 + 0.8 * _texture(rng, picture.shape[1], picture.shape[2], 0.05))
        lit = rock * (0.5 + 1.2 * sun) * (1 - 0.5 * ((y - crest) / 0.3).clamp(0, 1))
        haze = 0.85 * (1 - near) ** 0.7
        picture = picture * (1 - inside) + inside * (haze * horizon + (1 - haze) * lit)
    return picture


def _meadow(picture: Tensor, rng: np.random.Generator, x: Tensor, y: Tensor, level: float, ground: Tensor, sun: Tensor) -> Tensor:
    edge = level + 0.03 + _profile(rng, x, 0.03)
    inside = ((y - edge) * picture.shape[1] + 0.5).clamp(0, 1)
    depth = ((y - level) / (1 - level)).clamp(0, 1)
    grass = (
        0.35
        + 0.9 * _texture(rng, picture.shape[1], picture.shape[2], 0.008)
        + 0.5 * _texture(rng, picture.shape[1], picture.shape[2], 0.12)
    )
    flowers = (_texture(rng, picture.shape[1], picture.shape[2], 0.006) - 0.80).clamp(0, 1) * 6 * depth
    bloom = torch.from_numpy(rng.uniform(0.2, 1.0, 3).astype(np.float32)).view(3, 1, 1)
    lit = ground * grass * (0.35 + 0.9 * sun) * (1 - 0.45 * depth) + flowers * bloom * 0.5
    return picture * (1 - inside) + inside * lit


def _water(picture: Tensor, rng: np.random.Generator, x: Tensor, y: Tensor, level: float) -> Tensor:
    height = picture.shape[1]
    edge = min(level + 0.06, 0.9)
    rows = ((2 * edge - y) * height - 0.5).clamp(0, height - 1).long().flatten()
    ripple = (_texture(rng, picture.shape[1], picture.shape[2], 0.02, flat=6) - 0.5) * ((y - edge) / (1 - edge)).clamp(0, 1)
    mirrored = picture[:, rows] * (0.72 + 0.5 * ripple) * torch.tensor([0.78, 0.9, 1.0]).view(3, 1, 1)
    inside = ((y - edge) * height + 0.5).clamp(0, 1)
    return picture * (1 - inside) + inside * mirrored


def _profile(rng: np.random.Generator, x: Tensor, tall: float) -> Tensor:
    """Return a ridge line over x, [1, w]: sums of waves of random phase, the short ones low."""
    line = torch.zeros_like(x)
    for octave in range(1, 9):
        waves = float(2 ** (octave - 1) * rng.uniform(0.7, 1.4))
        line = line + float(rng.normal()) * 0.56**octave * torch.sin(2 * torch.pi * (waves * x + float(rng.uniform())))
    return tall * line


def _texture(rng: np.random.Generator, height: int, width: int, grain: float, *, flat: float = 1.0) -> Tensor:
    """Return smooth noise 0..1, [height, width]: two octaves of `grain` of the height; flat: how much wider than high."""
    total = torch.zeros(height, width)
    for octave, weight in ((1.0, 0.65), (0.5, 0.35)):
        pitch = grain * octave
        shape = max(2, round(1 / pitch)), max(2, round(1.5 / (pitch * flat)))
        noise = torch.from_numpy(rng.random(shape, dtype=np.float32))[None, None]
        total += weight * functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0, 0]
    return total.clamp(0, 1)


def _cloud(rng: np.random.Generator, height: int, width: int) -> Tensor:
    """Return the density of clouds 0..1, [height, width]: five octaves of noise, stretched along the horizon."""
    total = torch.zeros(height, width)
    for octave in range(5):
        shape = 3 * 2**octave, 2 * 2**octave
        noise = torch.from_numpy(rng.random(shape, dtype=np.float32))[None, None]
        total += 0.5 ** (octave + 1) * functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0, 0]
    return (total / (1 - 0.5**5)).clamp(0, 1)
