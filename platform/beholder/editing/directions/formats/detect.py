"""Reading: a file of any known format -> the step in it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from beholder.editing.directions.formats import ganspace, interfacegan, plain, safe_load, sefa, styleclip, stylespace
from beholder.editing.directions.formats.source import SourceDirection, SourceHints
from beholder.editing.generator import GeneratorConfig
from beholder.errors import EditError
from beholder.safe_pickle.interpreter import RefusedError
from beholder.storage import Place

Reader = Callable[[Any, str, GeneratorConfig, SourceHints], SourceDirection]
FORMATS: dict[str, Reader] = {
    "interfacegan": interfacegan.read,
    "ganspace": ganspace.read,
    "sefa": sefa.read,
    "stylespace": stylespace.read,
    "plain": plain.read,
}
STYLECLIP = "styleclip"


def read(place: Place, format: str | None, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """The step in a file of one of FORMATS; without a format it is told from what the file holds.

    Raises EditError in one line for what can't be read or does not fit the generator, StorageError for a missing file.
    """
    content = safe_load.read(place)
    reader = FORMATS[format or tell(content, place.name)]
    try:
        return reader(content, place.name, config, hints)
    except RefusedError as error:
        raise EditError(f"{place.uri}: {error}") from None


def tell(content: Any, name: str) -> str:
    """The format of an opened file."""
    if ganspace.known(content):
        return "ganspace"
    if sefa.known(content):
        return "sefa"
    if isinstance(content, str):
        return "stylespace"
    if isinstance(content, list) and content and all(isinstance(each, list) and len(each) in (2, 3) for each in content):
        return "stylespace"
    return "interfacegan" if "boundary" in name else "plain"


def read_channels(text: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """The step of channels given as text, "12:479 12:266"."""
    try:
        return stylespace.read(text, "", config, hints)
    except RefusedError as error:
        raise EditError(f"channels={text}: {error}") from None


def read_styleclip(
    statistics: Place, deviations: Place, difference: np.ndarray, config: GeneratorConfig, *, beta: float
) -> SourceDirection:
    """The step in StyleCLIP's statistics towards a difference of texts. Raises EditError and StorageError as `read` does."""
    rows, spread = safe_load.read(statistics), safe_load.read(deviations)
    try:
        return styleclip.read(rows, spread, difference, config, beta=beta)
    except RefusedError as error:
        raise EditError(f"{statistics.uri}: {error}") from None
