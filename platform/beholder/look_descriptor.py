"""Look descriptor: how a picture looks, in numbers that anybody can read: tone, colours, contrast at scales, grain, vignette. No
weights.

`encoder=looks` embeds pictures by it. All is computed in Oklab of the picture scaled to a square, and differentiable. The
numbers, in order, each divided by how far it usually varies:

tone (10): the share of pixels below ten lightnesses, the tone curve's integral form; softly, over a tenth of the scale
regions (27): the mean lightness, a and b of each ninth of the picture, row by row
spread (5): the deviation of lightness, a and b, and the covariances of a and b with lightness (split toning)
chroma (5): the mean chroma, and the share of pixels above four chromas
hues (12): the mean of chroma that points towards twelve hues, 30 degrees apart
scales (5): the deviation of lightness within blocks of 2, 4, 12 and 48 pixels beyond that of finer ones, and the mean diagonal of
blocks of 2 (grain)
vignette (1): the covariance of lightness with the squared distance from the middle
"""

import math

import torch
from torch import Tensor

from beholder import colour
from beholder.errors import EncoderError

SIZE = 48  # pixels of a side
VERSION = "v1"
NAMES: tuple[str, ...] = (
    *(f"below_{level}" for level in range(10)),
    *(f"{part}_{row}{column}" for part in ("light", "a", "b") for row in range(3) for column in range(3)),
    *("light_spread", "a_spread", "b_spread", "a_by_light", "b_by_light"),
    *("chroma", "above_0", "above_1", "above_2", "above_3"),
    *(f"hue_{30 * hue}" for hue in range(12)),
    *("detail_2", "detail_4", "detail_12", "detail_48", "diagonal"),
    "vignette",
)
WIDTH = len(NAMES) + 1  # of an embedding
_CHROMAS = (0.02, 0.06, 0.11, 0.17)
# What tone, chroma and hues are ramps of, [10 + 4 + 12, 5]: factors of lightness, a, b, chroma and 1, to be cut to 0..1. Chroma
# towards a hue counts fully there and not at all 60 degrees off.
_RAMPS = torch.tensor(
    [(-10.0, 0.0, 0.0, 0.0, level + 1.0) for level in range(10)]
    + [(0.0, 0.0, 0.0, 25.0, 0.5 - 25 * edge) for edge in _CHROMAS]
    + [(0.0, 2 * math.cos(hue * math.pi / 6), 2 * math.sin(hue * math.pi / 6), -1.0, 0.0) for hue in range(12)]
)
_USUAL = (0.25, 0.16, 0.03, 0.09, 0.03, 0.25, 0.02, 0.05, 0.02, 0.02)  # how far tone, regions' light, their a and b, ... vary
_WHOLE = 4.0  # of the last number, which is the same for all: so that a difference of looks is one of directions on the sphere


def numbers(light: Tensor) -> Tensor:
    """Return the numbers of NAMES of pictures, float32 [N, 65], not yet divided by how far they vary.

    light: linear light [N, 3, 48, 48] in 0..1.
    """
    lab = colour.to_oklab(light)
    flat = lab.flatten(2)
    lightness, a, b = flat.unbind(1)
    count, side = lightness.shape[1], light.shape[-1]
    chroma = torch.sqrt(a * a + b * b + 1e-8)
    shares = torch.matmul(_RAMPS.to(lab), torch.stack([lightness, a, b, chroma, torch.ones_like(chroma)], dim=1))
    below, above, hues = shares.clamp_(0, 1).mean(dim=2).split([10, len(_CHROMAS), 12], dim=1)
    regions = torch.nn.functional.avg_pool2d(lab, side // 3).flatten(1)
    means = flat.mean(dim=2)
    products = torch.matmul(flat, flat.transpose(1, 2)) / count
    covariances = products - means[:, :, None] * means[:, None, :]
    spread = torch.sqrt(covariances.diagonal(dim1=1, dim2=2).clamp_min(1e-8))
    scales = _scales(lab[:, :1], products[:, 0, 0])
    distance = _distance(side).to(lab)
    vignette = ((lightness - means[:, :1]) @ distance)[:, None] / count
    parts = [below, regions, spread, covariances[:, 1:, 0], chroma.mean(dim=1, keepdim=True), above, hues, scales, vignette]
    return torch.cat(parts, dim=1)


def describe(light: Tensor) -> Tensor:
    """Return the embedding of pictures in linear light, float32 [N, 66], rows of length 1: the numbers, scaled, and a constant."""
    scaled = numbers(light) / _sizes().to(light) / len(NAMES) ** 0.5
    whole = torch.full_like(scaled[:, :1], _WHOLE)
    return torch.nn.functional.normalize(torch.cat([scaled, whole], dim=1), dim=1)


def describe_srgb(pictures: Tensor) -> Tensor:
    """Return the embedding of pictures in sRGB values, float32 [N, 3, S, S] in 0..1 of any S, which are scaled to 48."""
    if pictures.shape[-2:] != (SIZE, SIZE):
        pictures = torch.nn.functional.interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
    return describe(colour.to_linear(pictures.clamp(0, 1)))


def beside(clip: Tensor, looks: Tensor, weight: float) -> Tensor:
    """Return embeddings of a CLIP and of looks side by side, float32 [N, E + 66], rows of length 1 like both.

    weight: that of looks, 0..1: a cosine of what is returned is the CLIP's times 1 - weight plus that of looks times weight.
    """
    return torch.cat([math.sqrt(1 - weight) * clip, math.sqrt(weight) * looks], dim=1)


class LookModel(torch.nn.Module):
    """The descriptor in the place of a CLIP's towers: `encode_image` as `Encoder` calls it."""

    def encode_image(self, pictures: Tensor) -> Tensor:
        """Return the embedding of sRGB values [N, 3, 48, 48]."""
        return describe_srgb(pictures)

    def encode_light(self, light: Tensor) -> Tensor:
        """Return the embedding of linear light [N, 3, 48, 48]."""
        return describe(light)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Raise EncoderError: no text describes a look."""
        raise EncoderError("encoder looks describes pictures only, and knows no texts: use a CLIP, such as encoder=vit_b_32")


def _scales(light: Tensor, square: Tensor) -> Tensor:
    """Return the deviation at scales and the mean diagonal, [N, 5]: the variance within blocks, by the variance of their means."""
    result: list[Tensor] = []
    finer = square
    for step in (2, 2, 3, 4):
        if step == 2 and len(result) == 0:
            quads = light.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2))
            diagonal = (
                (quads[..., 0, :, 0] - quads[..., 0, :, 1] - quads[..., 1, :, 0] + quads[..., 1, :, 1]).abs().mean(dim=(1, 2, 3))
            )
        light = torch.nn.functional.avg_pool2d(light, step)
        coarser = light.square().mean(dim=(1, 2, 3))
        result.append(torch.sqrt((finer - coarser).clamp_min(1e-8)))
        finer = coarser
    return torch.stack([*result, diagonal], dim=1)


def _distance(side: int) -> Tensor:
    """Return the squared distance from the middle of each pixel, mean 0, [side * side]."""
    ticks = (torch.arange(side, dtype=torch.float32) + 0.5) / side - 0.5
    squared = (ticks.view(-1, 1) ** 2 + ticks.view(1, -1) ** 2).flatten()
    return squared - squared.mean()


def _sizes() -> Tensor:
    """Return how far each number usually varies, [65]."""
    tone, light, ab, spread, covariance, above, hue, detail, diagonal, vignette = _USUAL
    groups = [(tone, 10), (light, 9), (ab, 18), (spread, 3), (covariance / 10, 2), (ab, 1), (above, 4), (hue, 12), (detail, 4)]
    return torch.tensor([size for size, many in groups for _ in range(many)] + [diagonal, vignette / 5])
