"""SeFa: directions in closed form (Shen and Zhou, 2021), as stylegan2-pytorch's factor.pt: the columns of eigvec."""

from typing import Any

from beholder.editing.directions.formats.safe_load import array
from beholder.editing.directions.formats.source import SourceDirection, SourceHints, row_step
from beholder.editing.generator import GeneratorConfig
from beholder.safe_pickle.interpreter import RefusedError


def matches(content: Any) -> bool:
    """Tell whether an opened file is of this format."""
    return isinstance(content, dict) and "eigvec" in content


def read(content: Any, name: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """Column `hints.component` of eigvec, the strongest first, in W. One unit is a distance of 1."""
    if not matches(content):
        raise RefusedError("it is no factor file of SeFa: expected eigvec in it")
    columns = array(content["eigvec"])
    if columns.ndim != 2:
        raise RefusedError(f"its eigvec has shape {list(columns.shape)}, expected columns of {config.w_dim}")
    return row_step(columns[:, hints.pick(columns.T, "columns")], config, hints, default="w")
