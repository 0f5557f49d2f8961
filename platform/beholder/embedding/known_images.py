"""What a workspace knows of images, as digests: their ids, URIs, contents, and which have an embedding.

It answers for millions of images at once, and takes 100 to 200 bytes an image (see digest_index), so that a job over 100 million
can share it between processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder.embedding import embeddings
from beholder.embedding.digest_index import DigestIndex, digests
from beholder.errors import TableError
from beholder.storage import Place
from beholder.table_log import TableLog
from beholder.workspace import Workspace


@dataclass(frozen=True)
class KnownImages:
    """Digests of what is known. A digest of contents is the first half of a SHA-256; 0 where nobody has read the file.

    uri_of, id_of: image_id -> URI, URI -> image_id, of the table `images`; content_of: image_id -> contents, as that table has it;
    embedded: image_id -> contents whose embedding is stored; contents: contents -> image_id, of those; rejected: URIs.
    """

    uri_of: DigestIndex
    id_of: DigestIndex
    content_of: DigestIndex
    embedded: DigestIndex
    contents: DigestIndex
    rejected: DigestIndex

    @classmethod
    def read(cls, workspace: Workspace, folder: Place) -> "KnownImages":
        """Read what the workspace knows. folder: of one encoder's embeddings, which loses those of files that have changed."""
        ids, uris, contents = [], [], []
        for part in workspace.table("images").iterate(["image_id", "uri", "sha256"]):
            ids.append(digests(part["image_id"].to_pylist()))
            uris.append(digests(part["uri"].to_pylist()))
            contents.append(content_digests(part["sha256"].to_pylist()))
        content_of = DigestIndex.build(ids, contents)
        embedded_ids, embedded_contents = [], []
        for shard in embeddings.shards(folder):
            table = embeddings.columns(shard, ["image_id", "sha256"])
            shard_ids, shard_contents = digests(table["image_id"].to_pylist()), content_digests(table["sha256"].to_pylist())
            known, now = content_of.find(shard_ids)
            changed = known & now.any(axis=1) & shard_contents.any(axis=1) & (now != shard_contents).any(axis=1)
            if changed.any():
                embeddings.keep(shard, pa.array(~changed))
            embedded_ids.append(shard_ids[~changed])
            embedded_contents.append(shard_contents[~changed])
        read = [part != 0 for part in embedded_contents]
        return cls(
            uri_of=DigestIndex.build(ids, uris),
            id_of=DigestIndex.build(uris, ids),
            content_of=content_of,
            embedded=DigestIndex.build(embedded_ids, embedded_contents),
            contents=DigestIndex.build(
                [part[mask.any(axis=1)] for part, mask in zip(embedded_contents, read, strict=True)],
                [part[mask.any(axis=1)] for part, mask in zip(embedded_ids, read, strict=True)],
            ),
            rejected=_rejected(workspace),
        )

    def missing(self, listed: pa.Table, table: TableLog) -> pa.Table:
        """Return the rows of a list (image_id, uri) that have no embedding, under the ids that the workspace knows them by.

        An image that the workspace has by its URI keeps its image_id. table: the workspace's `images`, to look names up in.
        Raises TableError where one image_id would name two files.
        """
        ids, uris = digests(listed["image_id"].to_pylist()), digests(listed["uri"].to_pylist())
        by_uri, own_ids = self.id_of.find(uris)
        by_id, own_uris = self.uri_of.find(ids)
        renamed = by_uri & (own_ids != ids).any(axis=1)
        taken = ~by_uri & by_id & (own_uris != uris).any(axis=1)
        if taken.any():
            row = int(np.argmax(taken))
            image_id, uri = listed["image_id"][row].as_py(), listed["uri"][row].as_py()
            known = _look_up(table, "image_id", [image_id])[image_id]
            raise TableError(
                f"image_id {image_id!r} stands for {known} in this workspace, not for {uri}; "
                "give a .parquet list with image ids of its own, or another workspace"
            )
        if renamed.any():
            ids = np.where(renamed[:, None], own_ids, ids)
            names = _look_up(table, "uri", listed["uri"].filter(pa.array(renamed)).to_pylist())
            found = [
                names[uri] if other else image_id
                for image_id, uri, other in zip(listed["image_id"].to_pylist(), listed["uri"].to_pylist(), renamed, strict=True)
            ]
            listed = pa.table({"image_id": found, "uri": listed["uri"]}, schema=listed.schema)
        return listed.filter(pa.array(~self.embedded.find(ids)[0]))


def content_digests(sha256: Sequence[str | None]) -> np.ndarray:
    """Return the first 128 bits of each SHA-256 in hex, uint64 [N, 2]; 0 for null."""
    data = b"".join(bytes(16) if text is None else bytes.fromhex(text[:32]) for text in sha256)
    return np.frombuffer(data, np.uint64).reshape(-1, 2)


def _rejected(workspace: Workspace) -> DigestIndex:
    files = [digests(part["file"].to_pylist()) for part in workspace.table("rejected").iterate(["file"])]
    return DigestIndex.build(files, files)


def _look_up(table: TableLog, column: str, values: Sequence[str]) -> dict[str, str]:
    """Return uri -> image_id for these values of `uri`, or image_id -> uri for these of `image_id`."""
    other = {"uri": "image_id", "image_id": "uri"}[column]
    result: dict[str, str] = {}
    wanted = pa.array(values, pa.string())
    for part in table.iterate(["image_id", "uri"]):
        rows = part.filter(pc.is_in(part[column], value_set=wanted))
        result.update(zip(rows[column].to_pylist(), rows[other].to_pylist(), strict=True))
    return result
