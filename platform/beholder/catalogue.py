"""The images of a workspace: which there are, under which names, and what was learned of their files."""

import pyarrow as pa
import pyarrow.compute as pc

from beholder import tables
from beholder.errors import TableError
from beholder.listing import list_images
from beholder.workspace import Workspace


def find(workspace: Workspace, source: str | None) -> pa.Table:
    """image_id and uri of what `source` names (see list_images), or of every image of the workspace where it is None.

    An image that the workspace knows by its URI keeps its image_id. Raises TableError where one image_id would stand for two files,
    or the workspace has no images yet.
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


def note(workspace: Workspace, images: pa.Table, *, looked_at: set[str], rejected: dict[str, str]) -> None:
    """Put rows of `images` into the workspace's table (a row replaces the old one of its image_id), and the refused
    files into `rejected`.

    looked_at: the URIs of all files that were read; what `rejected` said of them before is forgotten. rejected: URI -> reason.
    """
    old = workspace.read("images")
    kept = old.filter(pc.invert(pc.is_in(old["image_id"], value_set=images["image_id"].combine_chunks())))
    workspace.write("images", pa.concat_tables([kept, images.cast(tables.IMAGES)]))
    workspace.replace_rejected(looked_at, [{"file": uri, "reason": reason} for uri, reason in sorted(rejected.items())])
