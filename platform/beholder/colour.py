"""Colour: sRGB values, linear light, Oklab and CIELAB, and the CIEDE2000 difference, in torch, batched and differentiable.

Tensors are float32 with the channels third from the end, [..., 3, H, W]; sRGB values and linear light are in 0..1.
"""

import functools
import math

import torch
from torch import Tensor

# linear sRGB -> cone responses -> Oklab (Ottosson 2020, https://bottosson.github.io/posts/oklab/)
_LMS = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_RGB_OF_LMS = torch.linalg.inv(_LMS.double()).float()
_LMS_OF_OKLAB = torch.linalg.inv(_OKLAB.double()).float()
# linear sRGB -> CIE XYZ relative to its white, D65 (IEC 61966-2-1)
_XYZ = torch.tensor([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_XYZ = _XYZ / _XYZ.sum(dim=1, keepdim=True)
_LUMINANCE = (0.2126729, 0.7151522, 0.0721750)
_TABLE = 8192  # entries of a table over the square root of linear light
_TINY = 1e-9  # below any value that differs from black, so that roots have finite gradients there


def to_linear(x: Tensor) -> Tensor:
    """Return the linear light of sRGB values."""
    return torch.where(x <= 0.04045, x / 12.92, power((x + 0.055) / 1.055, 2.4))


def to_srgb(x: Tensor) -> Tensor:
    """Return the sRGB values of linear light, which is cut to 0..1."""
    x = x.clamp(0, 1)
    return torch.where(x <= 0.0031308, 12.92 * x, 1.055 * power(x, 1 / 2.4) - 0.055)


def power(x: Tensor, exponent: float) -> Tensor:
    """Return x to a power, x at least 0; quicker than torch's, to six digits."""
    return torch.log2(x.clamp_min(_TINY)).mul_(exponent).exp2_()


def to_levels(x: Tensor) -> Tensor:
    """Return the sRGB values of linear light in 255ths, uint8 of the shape of x, which is cut to 0..1; not differentiable.

    From a table, which moves the places where values are rounded by 0.03 levels at most.
    """
    return _levels().index_select(0, _table_index(x)).view(x.shape)


def as_levels(x: Tensor) -> Tensor:
    """Return the linear light of what `to_levels` makes of linear light: as a picture of 8 bits has it."""
    return _light_of_levels().index_select(0, _table_index(x)).view(x.shape)


def _table_index(x: Tensor) -> Tensor:
    return x.clamp(0, 1).sqrt_().mul_(_TABLE - 1).add_(0.5).to(torch.int32).flatten()


@functools.cache
def _levels() -> Tensor:
    values = to_srgb((torch.arange(_TABLE, dtype=torch.float64) / (_TABLE - 1)).square())
    return torch.round(255 * values).to(torch.uint8)


@functools.cache
def _light_of_levels() -> Tensor:
    return to_linear(_levels().double() / 255).float()


def luminance(x: Tensor) -> Tensor:
    """Return the luminance of linear light, [..., 1, H, W]: 1 for white."""
    red, green, blue = _LUMINANCE
    return red * x[..., 0:1, :, :] + green * x[..., 1:2, :, :] + blue * x[..., 2:3, :, :]


def to_oklab(x: Tensor) -> Tensor:
    """Return Oklab of linear light: lightness 0..1, and two opponent channels, red-green and yellow-blue, of some 0.3 at most."""
    return _apply(_OKLAB, power(_apply(_LMS, x), 1 / 3))


def from_oklab(lab: Tensor) -> Tensor:
    """Return the linear light of Oklab; colours that sRGB has not got are outside 0..1."""
    roots = _apply(_LMS_OF_OKLAB, lab)
    return _apply(_RGB_OF_LMS, roots * roots * roots)


def to_cielab(x: Tensor) -> Tensor:
    """Return CIELAB of linear light under D65: L* 0..100, a* and b*."""
    xyz = _apply(_XYZ, x)
    f = torch.where(xyz > (6 / 29) ** 3, power(xyz, 1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    first, second, third = f.unbind(-3)
    return torch.stack([116 * second - 16, 500 * (first - second), 200 * (second - third)], dim=-3)


def ciede2000(one: Tensor, other: Tensor) -> Tensor:
    """Return the CIEDE2000 difference of CIELAB colours, [..., H, W]; 1 is about what can just be told apart.

    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005), equations 2 to 22.
    """
    (l1, a1, b1), (l2, a2, b2) = one.unbind(-3), other.unbind(-3)
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    scale = 1.5 - 0.5 * torch.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    a1, a2 = a1 * scale, a2 * scale
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = (torch.rad2deg(torch.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = torch.where(grey, torch.zeros_like(h1), (h2 - h1 + 180) % 360 - 180)
    sums, far = h1 + h2, (h1 - h2).abs() > 180
    hue = torch.where(grey, sums, torch.where(far, (sums + 360) / 2 % 360, sums / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    difference = 2 * torch.sqrt(c1 * c2) * torch.sin(torch.deg2rad(turn / 2))
    t = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    s_light = 1 + 0.015 * (light - 50) ** 2 / torch.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = (
        -torch.sin(torch.deg2rad(60 * torch.exp(-(((hue - 275) / 25) ** 2)))) * 2 * torch.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    )
    parts = (l2 - l1) / s_light, (c2 - c1) / s_chroma, difference / s_hue
    return torch.sqrt((parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + rotation * parts[1] * parts[2]).clamp_min(0))


def _apply(matrix: Tensor, x: Tensor) -> Tensor:
    """Return a 3 x 3 matrix applied to the channels."""
    applied: Tensor = torch.matmul(matrix.to(x), x.flatten(-2)).unflatten(-1, x.shape[-2:])
    return applied


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(degrees * (math.pi / 180))
