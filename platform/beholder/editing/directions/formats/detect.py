"""The published formats of directions: which there are, which one a file is of, and its reader."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from beholder.editing.directions.formats import ganspace, interfacegan, plain, safe_load, sefa, styleclip, stylespace
from beholder.editing.directions.formats.source import SourceDirection, SourceHints
from beholder.editing.generator import GeneratorConfig
from beholder.errors import EditError
from beholder.safe_pickle.interpreter import RefusedError
from beholder.storage import Place


class FormatReader(Protocol):
    """What each format's `read` signs."""

    def __call__(self, content: Any, name: str, config: GeneratorConfig, hints: SourceHints, /) -> SourceDirection:
        """Return the direction in an opened file called `name`. Raises RefusedError where it does not fit the generator."""
        ...


READERS: Mapping[str, FormatReader] = {
    "interfacegan": interfacegan.read,
    "ganspace": ganspace.read,
    "sefa": sefa.read,
    "stylespace": stylespace.read,
    "plain": plain.read,
}
STYLECLIP, OWN = "styleclip", "beholder"  # read from three files, and by direction_file
FORMATS = (*READERS, STYLECLIP, OWN)


def read(place: Place, format: str | None, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """Return the direction in a file of one of READERS; without a format it is detected from what the file holds.

    Raises EditError in one line for what can't be read or does not fit the generator, StorageError for a missing file.
    """
    content = safe_load.read(place)
    reader = READERS[format or detect(content, place.name)]
    try:
        return reader(content, place.name, config, hints)
    except RefusedError as error:
        raise EditError(f"{place.uri}: {error}") from None


def detect(content: Any, name: str) -> str:
    """Return the format of an opened file called `name`."""
    if ganspace.matches(content):
        return "ganspace"
    if sefa.matches(content):
        return "sefa"
    if stylespace.matches(content):
        return "stylespace"
    return "interfacegan" if "boundary" in name else "plain"


def read_channels(text: str, config: GeneratorConfig, hints: SourceHints) -> SourceDirection:
    """Return the direction of channels given as text, "12:479 12:266". Raises EditError."""
    try:
        return stylespace.read(text, "", config, hints)
    except RefusedError as error:
        raise EditError(f"channels={text}: {error}") from None


def read_styleclip(
    statistics: Place, deviations: Place, difference: np.ndarray, config: GeneratorConfig, *, beta: float
) -> SourceDirection:
    """Return the direction in StyleCLIP's statistics towards a difference of texts. Raises EditError and StorageError as `read`."""
    rows, spread = safe_load.read(statistics), safe_load.read(deviations)
    try:
        return styleclip.read(rows, spread, difference, config, beta=beta)
    except RefusedError as error:
        raise EditError(f"{statistics.uri}: {error}") from None
