"""StyleSpace: lists of single channels of S, (layer, channel), some with a weight (Wu et al., 2021).

Layers are numbered in the order of `Synthesis.styles` (0: 4 px conv1, 1: 4 px to RGB, 2: 8 px conv0, ...: 26 at 1024 px), or
without those to RGB.
"""

from typing import Any

import numpy as np

from beholder.editing.directions.formats.safe_load import Table
from beholder.editing.directions.formats.source import SourceDirection, SourceHints
from beholder.editing.generator import GeneratorConfig
from beholder.safe_pickle.interpreter import RefusedError


def matches(content: Any) -> bool:
    """Tell whether an opened file is of this format: text, columns of these names, or pairs and triples of numbers."""
    if isinstance(content, Table):
        return content.columns is not None and [name.lower() for name in content.columns[:2]] == ["layer", "channel"]
    if isinstance(content, list | tuple) and content:
        parts = [each for each in content if isinstance(each, list | tuple) and len(each) in (2, 3)]
        return len(parts) == len(content) and all(isinstance(part, int | float) for each in parts for part in each)
    return isinstance(content, str)


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """A list of [layer, channel] or [layer, channel, weight], or text "12:479 12:266:-0.5". One unit is 1 in each channel of S."""
    channels = [_channel(each) for each in _parts(content)]
    if not channels:
        raise RefusedError("it names no channel; expected (layer, channel) pairs, such as 12:479")
    widths = config.style_widths
    numbers = convolutions(config) if hints.convs_only else tuple(range(len(widths)))
    placed: dict[tuple[int, int], float] = {}
    for layer, channel, weight in channels:
        if layer >= len(numbers):
            raise RefusedError(f"layer {layer} is not there; this generator has 0..{len(numbers) - 1}")
        at = numbers[layer]
        if channel >= widths[at]:
            raise RefusedError(f"layer {layer} has channels 0..{widths[at] - 1}, not {channel}")
        if (at, channel) in placed:
            raise RefusedError(f"channel {layer}:{channel} comes twice")
        placed[at, channel] = weight
    first, last = min(at for at, _ in placed), max(at for at, _ in placed) + 1
    values = [np.zeros(width) for width in widths[first:last]]
    for (at, channel), weight in placed.items():
        values[at - first][channel] = weight
    return SourceDirection(np.concatenate(values), "s", (first, last))


def convolutions(config: GeneratorConfig) -> tuple[int, ...]:
    """The numbers of the layers that are not to RGB."""
    return tuple(at for at in range(len(config.style_widths)) if at % 3 != 1)


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [part.split(":") for part in content.replace(",", " ").replace(";", " ").split()]
    if isinstance(content, Table):
        content = content.values
    if isinstance(content, np.ndarray) and content.ndim == 2:
        return list(content.tolist())
    if isinstance(content, list | tuple):
        return list(content)
    raise RefusedError("it is no list of (layer, channel) pairs")


def _channel(said: Any) -> tuple[int, int, float]:
    if not isinstance(said, list | tuple) or not all(isinstance(part, str | int | float) for part in said):
        raise RefusedError(f"it holds a {type(said).__name__} in the place of a (layer, channel) pair")
    try:
        layer, channel, *rest = said
        place = (int(str(layer).removesuffix(".0")), int(str(channel).removesuffix(".0")))
        weight = float(rest[0]) if rest else 1.0
    except (TypeError, ValueError):
        raise RefusedError(f"{str(said)[:60]!r} is no (layer, channel) pair") from None
    if len(rest) > 1 or min(place) < 0 or not np.isfinite(weight) or weight == 0:
        raise RefusedError(f"{str(said)[:60]!r} is no (layer, channel) pair")
    return *place, weight
