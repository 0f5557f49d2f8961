"""Registry: the directions of a generator in a workspace, models/directions/<generator>/<name>.safetensors."""

from collections.abc import Sequence

from beholder.editing import generator_store
from beholder.editing.directions import direction_file
from beholder.editing.directions.direction import Direction, check_name
from beholder.errors import EditError
from beholder.storage import Place
from beholder.workspace import Workspace

_END = ".safetensors"


def write(workspace: Workspace, generator: str, directions: Sequence[Direction]) -> list[Place]:
    """Keep directions, a file each, in the place of those of the same names. Raises EditError for the name of a shipped one."""
    for each in directions:
        check_free(generator, each.name)
    places = [_folder(workspace, generator) / f"{each.name}{_END}" for each in directions]
    for place, each in zip(places, directions, strict=True):
        place.write_bytes(direction_file.dump([each]))
    return places


def check_free(generator: str, name: str) -> None:
    """Raise EditError for what is no name of a direction, or the name of a shipped one."""
    if check_name(name) in _shipped(generator):
        raise EditError(f"{name} is the name of a direction that ships with {generator}; give another with name=...")


def read(
    workspace: Workspace | None, generator: str, *, fingerprint: str, finished_from: Sequence[str] = (), force: bool = False
) -> dict[str, Direction]:
    """The directions of a generator by name: the shipped ones, and then those of the workspace.

    Raises EditError for a file that can't be read and for a direction that was made for a generator of another fingerprint,
    unless it is one of those that this generator was finished from, or forced.
    """
    found = _shipped(generator)
    if workspace is not None:
        for entry in _folder(workspace, generator).files():
            if entry.path.endswith(_END):
                found |= direction_file.parse(Place.at(entry.uri).read_bytes(direction_file.LIMIT), name=entry.uri)
    for each in found.values():
        if not force:
            each.check_maker(fingerprint, generator, finished_from)
    return found


def _folder(workspace: Workspace, generator: str) -> Place:
    return workspace.models / "directions" / check_name(generator)


def _shipped(generator: str) -> dict[str, Direction]:
    if generator != generator_store.SHIPPED:
        return {}
    from beholder.editing import pretrained

    return pretrained.directions()
