"""Image files by id: listed from a folder, a glob, a .parquet list or a prefix, and recorded in a workspace."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.utils import glob_translate

from beholder import tables
from beholder.errors import StorageError, TableError
from beholder.storage import Place
from beholder.workspace import Workspace

SCHEMA = pa.schema([pa.field("image_id", pa.string(), nullable=False), pa.field("uri", pa.string(), nullable=False)])
_WILD = re.compile(r"[*?\[]")
_OPTIONS = re.compile(r"\?\w+=.*$")  # s3://bucket/faces?endpoint_override=...


def list_images(source: str) -> pa.Table:
    """Return every file that `source` names, in order of path, as a table of image_id and uri.

    source: a folder or prefix (all files below it but hidden ones), a glob ("faces/**/*.png"), one file, or a .parquet file with
    a column `uri` and, if wanted, `image_id`. Nothing is opened, so a file need not be an image.
    Raises StorageError where there is nothing, TableError for a list without a `uri` or with a repeated image_id.
    """
    if source.endswith(".parquet"):
        return _parquet_list(Place.at(source))
    scheme, separator, rest = source.partition("://") if "://" in source else ("", "", source)
    options = _OPTIONS.search(rest) if scheme else None
    query = options[0] if options else ""
    rest = rest.removesuffix(query)
    wild = _WILD.search(rest)
    if wild and (scheme or not Path(source).exists()):
        folder = rest[: wild.start()].rpartition("/")[0]
        root = Place.at(scheme + separator + (folder or ("/" if rest.startswith("/") else ".")) + query)
        matches = re.compile(glob_translate(rest[len(folder) :].lstrip("/")))
        entries = [entry for entry in root.files() if matches.fullmatch(entry.path)]
    else:
        root = Place.at(source)
        if root.is_file():
            return pa.table({"image_id": [root.name], "uri": [root.uri]}, schema=SCHEMA)
        entries = list(root.files())
    if not entries:
        raise StorageError(f"no files in {source}; expected a folder, a glob, a .parquet list of URIs or an s3:// prefix")
    return pa.table({"image_id": [e.path for e in entries], "uri": [e.uri for e in entries]}, schema=SCHEMA)


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


def find_images(workspace: Workspace, source: str | None) -> pa.Table:
    """Return image_id and uri of what `source` names (see list_images), or of every image of the workspace where it is None.

    An image that the workspace has by its URI keeps its image_id. Raises TableError where one image_id would name two files, or
    the workspace has no images yet.
    """
    images = workspace.read("images").select(["image_id", "uri"])
    if source is None:
        if images.num_rows == 0:
            raise TableError(f"{workspace.place.uri} has no images yet; give images=..., or import a study first")
        return images
    listed = list_images(source)
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


def record_images(workspace: Workspace, images: pa.Table, *, read: set[str], rejected: dict[str, str]) -> None:
    """Write rows of `images` to the workspace's table (a row replaces the one of its image_id), and refused files to `rejected`.

    read: the URIs of all files that were read, whose earlier rows of `rejected` are removed. rejected: URI -> reason.
    """
    old = workspace.read("images")
    kept = old.filter(pc.invert(pc.is_in(old["image_id"], value_set=images["image_id"].combine_chunks())))
    workspace.write("images", pa.concat_tables([kept, images.cast(tables.IMAGES)]))
    workspace.replace_rejected(read, [{"file": uri, "reason": reason} for uri, reason in sorted(rejected.items())])


def _parquet_list(place: Place) -> pa.Table:
    try:
        table = pq.read_table(io.BytesIO(place.read_bytes()))
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    if "image_id" not in table.column_names and "uri" in table.column_names:
        table = table.append_column("image_id", table.column("uri"))
    table = tables.conform(table, SCHEMA, name=place.uri)
    if table.num_rows == 0:
        raise StorageError(f"{place.uri} lists no images")
    counts = table.group_by("image_id").aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if twice.num_rows:
        raise TableError(f"{place.uri} has image_id {twice['image_id'][0].as_py()!r} more than once")
    return table
