"""Images by id: what a folder, glob, list or prefix names, as the workspace knows it."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from beholder import image_lists
from beholder.errors import TableError
from beholder.storage import Place
from beholder.workspace import Workspace


def list_images(source: str, *, roots: Sequence[str] | None = None) -> pa.Table:
    """Return everything that `source` names (see image_lists.iterate) as one table of image_id and uri.

    Raises StorageError where there is nothing, TableError for a list without URIs or with a repeated image_id.
    """
    table = pa.concat_tables(image_lists.iterate(source, roots=roots))
    counts = table.group_by("image_id").aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if twice.num_rows:
        raise TableError(f"{source} has image_id {twice['image_id'][0].as_py()!r} more than once")
    return table


def resolve_paths(root: Place, paths: Iterable[str]) -> dict[str, str | None]:
    """Return path -> URI of the file it means below `root`, None where there is none. One listing, however many paths.

    A path may also start with the name of `root` itself: images/7.jpg is found in .../images as well as beside it.
    """
    files = {entry.path: entry.uri for entry in root.files()}
    result: dict[str, str | None] = {}
    for path in paths:
        below = path.replace("\\", "/").removeprefix("./").lstrip("/")
        result[path] = files.get(below) or files.get(below.removeprefix(f"{root.name}/"))
    return result


def resolve_names(root: Place, names: Iterable[str]) -> dict[str, str | None]:
    """Return name -> URI of the image that it means below `root`, None where there is none.

    As `resolve_paths`, or the only file whose path ends so, with or without its suffix.
    """
    names = list(names)
    result = resolve_paths(root, names)
    ends: dict[str, set[str]] = {}
    for entry in root.files() if None in result.values() else ():
        file = entry.path.rpartition("/")[2]
        for end in {file, file.rpartition(".")[0] or file}:
            ends.setdefault(end, set()).add(entry.uri)
    for name in names:
        if result[name] is None:
            found = ends.get(name.replace("\\", "/").rpartition("/")[2], set())
            result[name] = next(iter(found)) if len(found) == 1 else None
    return result


def find_images(workspace: Workspace, source: str | None, *, roots: Sequence[str] | None = None) -> pa.Table:
    """Return image_id and uri of what `source` names (see list_images), or of every image of the workspace where it is None.

    An image that the workspace has by its URI keeps its image_id. Raises TableError where one image_id would name two files, or
    the workspace has no images yet.
    """
    images = workspace.read("images").select(["image_id", "uri"])
    if source is None:
        if images.num_rows == 0:
            raise TableError(f"{workspace.place.uri} has no images yet; give images=..., or import a study first")
        return images
    listed = list_images(source, roots=roots)
    by_id = dict(zip(images["image_id"].to_pylist(), images["uri"].to_pylist(), strict=True))
    by_uri = {uri: image_id for image_id, uri in by_id.items()}
    uris = listed["uri"].to_pylist()
    ids = [by_uri.get(uri, image_id) for image_id, uri in zip(listed["image_id"].to_pylist(), uris, strict=True)]
    for image_id, uri in zip(ids, uris, strict=True):
        if by_id.get(image_id, uri) != uri:
            raise TableError(
                f"image_id {image_id!r} stands for {by_id[image_id]} in this workspace, not for {uri}; "
                "give a .parquet list with image ids of its own, or another workspace"
            )
    return pa.table({"image_id": ids, "uri": uris}, schema=listed.schema)
