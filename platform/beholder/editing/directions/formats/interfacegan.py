"""InterFaceGAN: the unit normal of a linear SVM in Z, W or W+, as *_boundary.npy (Shen et al., 2020).

In Z and W its program moves to an absolute distance from the boundary; here, as everywhere, alpha is relative and 0 the identity.
"""

import re
from dataclasses import replace
from typing import Any

from beholder.editing.directions.direction import Space
from beholder.editing.directions.formats.named_vectors import choose
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig

_OTHERS = re.compile(r"(pggan|progan|stylegan(?!2)|biggan)\d*[_-]?[a-z0-9]*", re.IGNORECASE)


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """(1, dim) is in W where the file's name says _w_, else in Z; (1, num_ws * w_dim) is w+. One unit is a distance of 1.

    What had to be guessed, and a name that says another kind of generator, come as notes.
    """
    values = choose(content, config, hints)
    default, notes = _space(name, values.size, config)
    step = row_step(values, config, hints, default=default)
    if step.space == "w+" or hints.space is not None or (values.ndim > 1 and len(values) > 1):
        notes = []
    if other := _OTHERS.search(name):
        notes.append(f"its name says {other[0]}, another kind of generator than StyleGAN2, where its direction means nothing")
    return replace(step, notes=tuple(notes))


def _space(name: str, size: int, config: GeneratorConfig) -> tuple[Space, list[str]]:
    """The space of one vector, and whether that is a guess."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    if "w" in words or "z" in words:
        return ("w" if "w" in words else "z"), []
    if config.z_dim != config.w_dim:
        return ("w" if size == config.w_dim else "z"), []
    return "z", ["that it is in Z is a guess, as its name does not say _w_ or _z_; space=w takes it in W"]
