"""Plain vectors: one direction as bare numbers, in .pt (as e4e's), .npy, .npz, .csv or .json."""

from typing import Any

import numpy as np

from beholder.editing.directions.formats.safe_load import array
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig
from beholder.errors import nearest
from beholder.safe_pickle.interpreter import RefusedError, printable


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """A vector in W (or where the hint says), or one for each row of w+. One unit is the vector as it is.

    Of a file with several, `hints.component` names one: by name, or the number of its row.
    """
    if isinstance(content, dict):
        names = [printable(key) for key in content]
        if hints.component is None and len(content) != 1:
            raise RefusedError(f"it holds {len(content)} arrays; say which with component=NAME: {', '.join(names[:8])}")
        key = next(iter(content)) if hints.component is None else hints.component
        if key not in content:
            raise RefusedError(f"it holds no array {key!r}{nearest(key, names[:50])}")
        return row_step(array(content[key]), config, hints, default="w")
    values = array(content)
    single = values.ndim == 1 or len(values) == 1 or values.shape == (config.num_ws, config.w_dim)
    if not single and (values.ndim == 3 or values.shape[-1] in (config.w_dim, config.z_dim)) and 1 not in values.shape:
        values = np.asarray(values[hints.pick(values)])
    return row_step(values, config, hints, default="w")
