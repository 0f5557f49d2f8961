"""Embeddings in the files of other programs, a shard of the table at a time.

npy    clip-retrieval's folders: img_emb/img_emb_0.npy (float32 [N, D]) and metadata/metadata_0.parquet (image_path, image_id), row
       by row, one pair for each shard; `clip-retrieval index` and autofaiss read them
faiss  one FAISS index of inner products, embeddings.index, and image_ids.parquet, whose row i has the image of vector i
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa

from beholder import tables
from beholder.embedding import embeddings
from beholder.errors import ConfigError, EmbeddingError
from beholder.storage import Place
from beholder.workspace import Workspace


def write_npy(workspace: Workspace, encoder_id: str, out: Place) -> int:
    """Write the embeddings as clip-retrieval does; return how many. Raises EmbeddingError where there are none."""
    total = 0
    images = workspace.read("images")
    uris = dict(zip(images["image_id"].to_pylist(), images["uri"].to_pylist(), strict=True))
    for number, (ids, vectors) in enumerate(_shards(workspace, encoder_id)):
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        (out / "img_emb" / f"img_emb_{number}.npy").write_bytes(buffer.getvalue())
        paths = [uris.get(image_id, image_id) for image_id in ids]
        metadata = pa.table({"image_path": pa.array(paths, pa.string()), "image_id": pa.array(ids, pa.string())})
        tables.write(out / "metadata" / f"metadata_{number}.parquet", metadata)
        total += len(ids)
    return total


def write_faiss(workspace: Workspace, encoder_id: str, out: Place) -> int:
    """Write the embeddings as a FAISS index; return how many.

    Raises ConfigError where FAISS is not installed, EmbeddingError where there are no embeddings.
    """
    if find_spec("faiss") is None:
        raise ConfigError('format=faiss needs FAISS: pip install "beholder[faiss]"')
    import faiss

    index, ids = None, []
    for shard_ids, vectors in _shards(workspace, encoder_id):
        index = faiss.IndexFlatIP(vectors.shape[1]) if index is None else index
        index.add(vectors)
        ids += shard_ids
    with tempfile.TemporaryDirectory(prefix="beholder-") as scratch:
        path = Path(scratch) / "embeddings.index"
        faiss.write_index(index, str(path))  # type: ignore[arg-type]  # _shards yields one or raises
        (out / path.name).write_bytes(path.read_bytes())
    tables.write(out / "image_ids.parquet", pa.table({"image_id": pa.array(ids, pa.string())}))
    return len(ids)


WRITERS: dict[str, Callable[[Workspace, str, Place], int]] = {"npy": write_npy, "faiss": write_faiss}


def _shards(workspace: Workspace, encoder_id: str) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield image_ids and vectors (float32 [N, D]) of each shard, an image that a killed job left twice only once."""
    folder = workspace.embeddings(encoder_id)
    seen: set[bytes] = set()
    for shard in embeddings.shards(folder):
        ids, vectors = embeddings.read_shard(shard)
        fresh = [row for row, image_id in enumerate(ids) if image_id.encode() not in seen]
        seen.update(image_id.encode() for image_id in ids)
        if fresh:
            yield [ids[row] for row in fresh], np.ascontiguousarray(vectors[fresh])
    if not seen:
        raise EmbeddingError(f"no embeddings in {folder.uri}; make them with beholder embed or beholder import embeddings=")
