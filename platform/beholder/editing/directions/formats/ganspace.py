"""GANSpace: principal components of W (Härkönen et al., 2020), in three kinds of files.

Its program sets the coordinate along a component to so many standard deviations, so that 0 moves the picture to the mean; here a
component is a direction like any other, alpha is added, and 0 is the identity.
"""

from typing import Any

import numpy as np

from beholder.editing.directions.direction import Space
from beholder.editing.directions.formats.safe_load import array
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig
from beholder.safe_pickle.interpreter import RefusedError

# A file's names of the components and their standard deviations: components .npz, an e4e-style .pt, an exported edit's .pkl.
_KINDS = (("lat_comp", "lat_stdev"), ("comp", "std"))


def matches(content: Any) -> bool:
    """Tell whether an opened file is of this format."""
    return isinstance(content, dict) and any(first in content and second in content for first, second in _KINDS)


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """Component `hints.component` on `hints.layers`; an exported edit brings both itself. One unit is one sigma of the file."""
    if not matches(content):
        raise RefusedError("it is no file of GANSpace: expected comp and std, or lat_comp and lat_stdev in it")
    first, second = next(kind for kind in _KINDS if kind[0] in content and kind[1] in content)
    rows = array(content[first])
    rows = rows.reshape(-1, rows.shape[-1])
    sigmas = array(content[second]).reshape(-1)
    if len(sigmas) != len(rows):
        raise RefusedError(f"it holds {len(rows)} components and {len(sigmas)} standard deviations")
    exported = "edit_start" in content
    at = hints.pick(rows, "components") if not exported or len(rows) > 1 else 0
    default: Space = "z" if exported and content.get("latent_space") in ("Z", "z") else "w"
    step = row_step(rows[at] * sigmas[at], config, hints, default=default)
    if not exported or hints.span is not None:
        return SourceDirection(step.values, step.space, step.layers)
    span = tuple(_whole(content, key) for key in ("edit_start", "edit_end"))
    sigma = content.get("sigma_range")
    layers = (span[0], min(span[1], config.num_ws))
    if not isinstance(sigma, int | float | np.number) or not np.isfinite(sigma) or sigma == 0:
        return SourceDirection(step.values, step.space, layers)
    # where its author's slider stood when the edit got its name: below 0 less of the component is more of what the name says
    far = abs(float(sigma))
    return SourceDirection(step.values * np.sign(sigma), step.space, layers, (-far, far))


def _whole(content: dict[str, Any], key: str) -> int:
    value = content.get(key)
    if not isinstance(value, int | np.integer) or not 0 <= value <= 1000:
        raise RefusedError(f"its {key} is no number of a layer")
    return int(value)
