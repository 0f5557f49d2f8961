"""InterFaceGAN: the unit normal of a linear SVM in Z, W or W+, as *_boundary.npy (Shen et al., 2020).

In Z and W its program moves to an absolute distance from the boundary; here, as everywhere, alpha is relative and 0 the identity.
"""

from typing import Any

from beholder.editing.directions.formats.safe_load import array
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """(1, dim) is in W where the file's name says _w_, else in Z; (1, num_ws * w_dim) is w+. One unit is a distance of 1."""
    return row_step(array(content), config, hints, default="w" if "_w_" in name else "z")
