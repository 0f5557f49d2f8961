"""StyleCLIP's global directions: how each channel of S changes a picture's CLIP vector, times a difference of two texts.

dS = r / max|r| * std, with r = fs3 . dt and r = 0 where |r| < beta (Patashnik et al., 2021).
"""

from typing import Any

import numpy as np

from beholder.editing.directions.formats import stylespace
from beholder.editing.directions.formats.safe_load import array
from beholder.editing.directions.formats.source import SourceDirection
from beholder.editing.generator import GeneratorConfig
from beholder.safe_pickle.interpreter import RefusedError


def read(statistics: Any, deviations: Any, difference: np.ndarray, config: GeneratorConfig, *, beta: float) -> SourceDirection:
    """fs3 [channels, D], S_mean_std (mean and standard deviation of each channel, a list for each layer) and the difference of the
    two texts' CLIP vectors [D] -> a step in S; one unit is one standard deviation of the most relevant channel.

    fs3 has a row for each channel of the layers that are not to RGB: all of them, or the first so many layers.
    Raises RefusedError where these don't fit each other or the generator, and where beta leaves no channel.
    """
    rows, toward = array(statistics), array(difference).reshape(-1)
    if rows.ndim != 2 or rows.shape[1] != len(toward):
        raise RefusedError(f"fs3 has shape {list(rows.shape)}, and the texts' difference {len(toward)} numbers")
    widths, layers = config.style_widths, stylespace.convolutions(config)
    counts = list(np.cumsum([widths[layer] for layer in layers]))
    if len(rows) not in counts:
        raise RefusedError(f"fs3 has {len(rows)} rows; this generator's layers make {', '.join(map(str, counts[-3:]))} of them")
    if not np.linalg.norm(toward):
        raise RefusedError("the two texts are the same")
    relevance = rows @ (toward / np.linalg.norm(toward))
    relevance[np.abs(relevance) < beta] = 0
    if not relevance.any():
        raise RefusedError(f"no channel's relevance reaches beta={beta}; take a smaller one")
    relevance /= np.abs(relevance).max()
    used = layers[: counts.index(len(rows)) + 1]
    parts = dict(zip(used, np.split(relevance, counts[: len(used) - 1]), strict=True))
    moves = [np.zeros(width) for width in widths]
    for layer, part in parts.items():
        moves[layer] = part * _deviation(deviations, layer, widths)
    touched = [layer for layer, move in enumerate(moves) if move.any()]
    if not touched:
        raise RefusedError("the channels' standard deviations are zero")
    first, last = touched[0], touched[-1] + 1
    return SourceDirection(np.concatenate(moves[first:last]), "s", (first, last))


def _deviation(deviations: Any, layer: int, widths: tuple[int, ...]) -> np.ndarray:
    if not isinstance(deviations, list | tuple) or len(deviations) != 2 or not isinstance(deviations[1], list | tuple):
        raise RefusedError("S_mean_std should be a list of two: the means and the standard deviations of each layer")
    if len(deviations[1]) != len(widths):
        raise RefusedError(f"S_mean_std has {len(deviations[1])} layers, this generator {len(widths)}")
    found = array(deviations[1][layer]).reshape(-1)
    if len(found) != widths[layer]:
        raise RefusedError(f"S_mean_std has {len(found)} channels in layer {layer}, this generator {widths[layer]}")
    return found
