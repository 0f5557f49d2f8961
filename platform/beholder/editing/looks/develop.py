"""Develop: linear light of a photo -> its sRGB values under looks, batched and differentiable, in one fixed order.

White balance and tone first, as an exposure of each channel; then colour, in Oklab: hues of ranges, vibrance, saturation, black
and white,
split toning; then the veil of light that fades. An exposure by g is x -> g x / (1 + (g - 1) x), which is a multiplication by g in
the shadows and leaves white white: no exposure clips, exposures in turn multiply, and that by 1 / g takes one by g back.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from beholder import colour
from beholder.editing.looks.look_directions import COLUMN
from beholder.editing.looks.tone_maps import TONAL

COLOURFUL = ("saturation", "vibrance", "greens", "blues", "split_tone", "black_and_white")
_COLOUR_COLUMNS = [COLUMN[name] for name in COLOURFUL]
_SKIN, _GREEN, _BLUE = 44.0, 132.0, 252.0  # hues of Oklab in degrees
_KEPT = 0.5  # of a saturation that would redden skin
_PALE = 0.22  # Oklab chroma from which a colour is vivid already
_FILTER = (0.42, 0.48, 0.10)  # of a yellow filter before black and white film
_GREY = (0.2126729, 0.7151522, 0.0721750)


def develop(linear: Tensor, maps: Tensor, strengths: Tensor, names: Sequence[str] = TONAL) -> Tensor:
    """Return sRGB values under looks, float32 [B, 3, H, W]; arguments as of `light_under`."""
    return colour.to_srgb(light_under(linear, maps, strengths, names))


def light_under(linear: Tensor, maps: Tensor, strengths: Tensor, names: Sequence[str] = TONAL) -> Tensor:
    """Return linear light under looks, float32 [B, 3, H, W]; what is outside 0..1 is to be cut.

    linear: a photo's linear light, [1, 3, H, W], or one for each look. maps: its tone maps of `names`, [K, H, W]; the others move
    nothing. strengths: of the looks, [B, D], in the units of the directions (`look_directions.strengths`); straighten and crop are
    done before.
    """
    light = expose(linear, maps, strengths, names)
    if strengths[:, _COLOUR_COLUMNS].any() or strengths.requires_grad:
        light = colour_graded(light, strengths)
    veil = strengths[:, COLUMN["fade"]]
    if veil.any() or strengths.requires_grad:
        light = _veiled(light, veil.view(-1, 1, 1, 1))
    return light


def expose(linear: Tensor, maps: Tensor, strengths: Tensor, names: Sequence[str] = TONAL) -> Tensor:
    """Return linear light after white balance and tone; arguments as of `develop`."""
    tone = strengths[:, [COLUMN[name] for name in names]] @ maps.flatten(1)
    gain = torch.exp2(tone).view(-1, 1, *maps.shape[1:])
    balance = _balance(strengths[:, COLUMN["warmth"]], strengths[:, COLUMN["tint"]])
    if balance.ne(1).any() or strengths.requires_grad:
        gain = gain * balance.view(-1, 3, 1, 1)
    brighter = gain * linear
    return brighter / (brighter + (1 - linear))


def colour_graded(light: Tensor, strengths: Tensor) -> Tensor:
    """Return linear light after the directions of colour, inside sRGB."""
    lab = colour.to_oklab(light)
    lightness, a, b = lab[:, 0:1], lab[:, 1:2], lab[:, 2:3]
    by = {name: strengths[:, COLUMN[name]].view(-1, 1, 1, 1) for name in COLOURFUL}
    always = strengths.requires_grad
    if always or any(by[name].any() for name in ("greens", "blues", "vibrance", "saturation")):
        chroma = torch.sqrt(a * a + b * b + 1e-12)
        cosine, sine = a / chroma, b / chroma
        skin = _near(cosine, sine, _SKIN, 48)
        if always or by["greens"].any() or by["blues"].any():
            turn = by["greens"] * _near(cosine, sine, _GREEN, 55) + by["blues"] * _near(cosine, sine, _BLUE, 60)
            a, b = a * torch.cos(turn) - b * torch.sin(turn), a * torch.sin(turn) + b * torch.cos(turn)
        pale = (1 - chroma / _PALE).clamp_min(0)
        more = (1 + by["vibrance"] * pale * (1 - 0.75 * skin)) * (
            1 + by["saturation"] * (1 - _KEPT * skin * (by["saturation"] > 0))
        )
        a, b = a * more, b * more
    less = 1 - by["black_and_white"]
    a, b = a * less, b * less
    if always or by["black_and_white"].any():
        red, green, blue = _FILTER
        film = colour.power(red * light[:, 0:1] + green * light[:, 1:2] + blue * light[:, 2:3], 1 / 3)
        lightness = lightness + by["black_and_white"] * (film - lightness)
    if always or by["split_tone"].any():
        warm = by["split_tone"] * 10.4 * lightness * (1 - lightness) * (lightness - 0.45)
        a, b = a + math.cos(math.radians(62)) * warm, b + math.sin(math.radians(62)) * warm
    return _inside(colour.from_oklab(torch.cat([lightness.expand_as(a), a, b], dim=1)), lightness)


def _balance(warmth: Tensor, tint: Tensor) -> Tensor:
    """Return the gains of the channels [B, 3] that leave a grey as light as it was."""
    stops = torch.stack([warmth / 2 + tint / 4, -tint / 2, tint / 4 - warmth / 2], dim=1)
    gains = torch.exp2(stops)
    return gains / (gains @ torch.tensor(_GREY, dtype=gains.dtype)).view(-1, 1)


def _near(cosine: Tensor, sine: Tensor, degrees: float, width: float) -> Tensor:
    """Return how near hues are to one: 1 there, smoothly 0 from `width` degrees on."""
    along = math.cos(math.radians(degrees)) * cosine + math.sin(math.radians(degrees)) * sine
    t = ((along - math.cos(math.radians(width))) / (1 - math.cos(math.radians(width)))).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _inside(light: Tensor, lightness: Tensor) -> Tensor:
    """Return linear light with colours that sRGB has not got made paler until it has, as light as before."""
    grey = (lightness.clamp(0, 1) ** 3).clamp(1e-6, 1 - 1e-6)
    red, green, blue = light[:, 0:1], light[:, 1:2], light[:, 2:3]
    high, low = torch.maximum(torch.maximum(red, green), blue), torch.minimum(torch.minimum(red, green), blue)
    room = torch.minimum((1 - grey) / (high - grey).clamp_min(1e-9), grey / (grey - low).clamp_min(1e-9)).clamp_max(1)
    return grey + room * (light - grey)


def _veiled(light: Tensor, veil: Tensor) -> Tensor:
    """Return light under an even veil of light; below 0, with as much taken away, softly where there is little."""
    light = light.clamp(0, 1)
    if not veil.requires_grad and bool((veil >= 0).all()):
        return light + veil * (1 - light)
    taken = (-veil).clamp_min(0)
    less = light * light * (1 + taken) / (light + taken).clamp_min(1e-9)
    return torch.where(veil >= 0, light + veil * (1 - light), less)
