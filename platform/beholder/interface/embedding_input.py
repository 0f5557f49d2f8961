"""Vectors of any library -> embeddings by image: DataFrames, arrays, tensors, dicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beholder.errors import EmbeddingError, InputError
from beholder.interface.labels import Labels, text_of, texts_of, unknown
from beholder.interface.table_input import Columns, frame, is_ray_dataset, need, renamed
from beholder.storage import Place

ENCODER_ID = "encoder_id"  # in the attrs of a DataFrame of embeddings: what made them
UNKNOWN_ENCODER = "given"  # where nobody said
_FILES = (".npz", ".pkl", ".pickle")


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """Embeddings by image. ids: of the images, each once; vectors: float32 [N, D], finite, a row for each."""

    ids: tuple[str, ...]
    vectors: np.ndarray
    labels: Labels = field(default_factory=Labels)
    encoder_id: str = UNKNOWN_ENCODER

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Return the rows of images, int64. Raises InputError for one that has none."""
        at = {image_id: row for row, image_id in enumerate(self.ids)}
        for image_id in ids:
            if image_id not in at:
                raise InputError(unknown(image_id, self.ids, what="image", whom="the embeddings"))
        return np.array([at[image_id] for image_id in ids], np.int64)

    def frame(self) -> pd.DataFrame:
        """Return them as a DataFrame, a row for each image."""
        return embedding_frame(self.labels.all(self.ids), self.vectors, self.encoder_id)


def embedding_frame(labels: Sequence[Any], vectors: np.ndarray, encoder_id: str) -> pd.DataFrame:
    """Return embeddings as a DataFrame: index image_id, a column for each dimension, and what made them in attrs["encoder_id"]."""
    table = pd.DataFrame(vectors, index=pd.Index(list(labels), name="image_id"))
    table.attrs[ENCODER_ID] = encoder_id
    return table


def read_embeddings(
    embeddings: Any, images: Any = None, *, columns: Columns | None = None, encoder_id: str | None = None
) -> EmbeddedImages:
    """Return embeddings by image, checked.

    embeddings: a DataFrame with the image ids as its index or in a column image_id, and a column for each dimension or one column
    `embedding` of vectors; the same of polars or pyarrow; a dict image_id -> vector; an array or tensor [N, D], whose ids are
    `images`, or 0, 1, 2, ... where they are not given; the path of a .parquet, .npz or .pkl file. Raises InputError for ids that
    come twice, rows of unequal length, and numbers that are not finite.
    """
    if isinstance(embeddings, EmbeddedImages):
        return embeddings
    if isinstance(embeddings, (str, Path)) and Path(embeddings).suffix.lower() in _FILES:
        from beholder.importing import embedding_files

        known = embedding_files.read(Place.at(str(embeddings)))
        return _checked(list(known.image_ids), known.vectors, encoder_id or UNKNOWN_ENCODER)
    if embeddings is None:
        raise InputError("expected embeddings of the judged images: embeddings=bh.embed(images), or images=FOLDER to make them")
    array = _array(embeddings)
    if array is not None:
        if array.ndim != 2:
            raise InputError(f"embeddings: expected an array [N images, D numbers], got shape {list(array.shape)}")
        ids = range(len(array)) if images is None else list(images)
        if len(ids) != len(array):
            raise InputError(f"embeddings have {len(array):,} rows, images {len(ids):,}: expected an id for each row")
        return _checked(ids, array, encoder_id or UNKNOWN_ENCODER)
    if isinstance(embeddings, Mapping) and "image_id" not in embeddings:
        vectors = [np.asarray(_array(each) if _array(each) is not None else each) for each in embeddings.values()]
        return _checked(list(embeddings), _stacked(list(embeddings), vectors), encoder_id or UNKNOWN_ENCODER)
    return _of_table(embeddings, columns, encoder_id)


def read_items(images: Any, width: int) -> tuple[np.ndarray, Any] | None:
    """Return vectors that were given in the place of image ids, float32 [M, width], and their index; None where ids were given."""
    if isinstance(images, pd.DataFrame):
        found = read_embeddings(images)
        vectors, index = found.vectors, pd.Index(found.labels.all(found.ids), name="image_id")
    else:
        array = _array(images)
        if array is None or array.dtype.kind != "f" or array.ndim not in (1, 2) or (array.ndim == 1 and len(array) != width):
            return None
        vectors = array.reshape(-1, array.shape[-1])
        index = pd.RangeIndex(len(vectors))
    if vectors.shape[1] != width:
        raise EmbeddingError(f"expected embeddings of {width} numbers, as the taste was fitted to, got {list(vectors.shape)}")
    if not np.isfinite(vectors).all():
        raise InputError(f"embedding {int(np.argmin(np.isfinite(vectors).all(axis=1)))} has numbers that are not finite")
    return np.asarray(vectors, np.float32), index


def _array(value: Any) -> np.ndarray | None:
    """Return an array or tensor as numpy; None for what is neither."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        return np.asarray(value.float().numpy() if value.is_floating_point() else value.numpy())
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and value and all(isinstance(row, (list, tuple, np.ndarray)) for row in value):
        return _stacked(list(range(len(value))), [np.asarray(row) for row in value])
    return None


def _of_table(embeddings: Any, columns: Columns | None, encoder_id: str | None) -> EmbeddedImages:
    """Return the embeddings of a table."""
    given = embeddings if isinstance(embeddings, pd.DataFrame) else None
    table = renamed(frame(embeddings, name="embeddings"), columns, name="embeddings")
    encoder_id = encoder_id or str(getattr(embeddings, "attrs", {}).get(ENCODER_ID, UNKNOWN_ENCODER))
    if "image_id" in table.columns:
        ids: Sequence[Any] = table["image_id"].to_list()
        table = table.drop(columns="image_id")
    elif given is not None and not is_ray_dataset(embeddings):
        ids = given.index.to_list()
    else:
        need(table, ["image_id"], columns, name="embeddings")
        ids = []
    if "embedding" in table.columns:
        vectors = [np.asarray(each) for each in table["embedding"]]
        return _checked(ids, _stacked(ids, vectors), encoder_id)
    words = [str(column) for column in table.columns if not pd.api.types.is_numeric_dtype(table[column])]
    if words:
        raise InputError(
            f"embeddings: column {words[0]!r} holds no numbers; expected image_id and a column of numbers for "
            "each dimension, or one "
            "column `embedding` of vectors: embeddings[['image_id', ...]]"
        )
    return _checked(ids, table.to_numpy(np.float32, na_value=np.nan), encoder_id)


def _stacked(ids: Sequence[Any], vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Return vectors as rows. Raises InputError where one has another length than the first."""
    for image_id, vector in zip(ids, vectors, strict=True):
        if vector.ndim != 1 or len(vector) != len(vectors[0]) or vector.dtype.kind not in "fiu":
            raise InputError(
                f"embeddings: expected {len(vectors[0]) if vectors[0].ndim == 1 else 'D'} numbers for each image, got "
                f"{vector.dtype} {list(vector.shape)} for image {image_id!r}"
            )
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def _checked(labels: Sequence[Any], vectors: np.ndarray, encoder_id: str) -> EmbeddedImages:
    ids = texts_of(labels, what="embeddings, image_id")
    if not ids or not vectors.shape[1]:
        raise InputError(f"embeddings are empty: expected [N images, D numbers], got {list(vectors.shape)}")
    if vectors.dtype.kind not in "fiu":
        raise InputError(f"embeddings: expected numbers, got {vectors.dtype}")
    if len(set(ids)) < len(ids):
        counts = pd.Series(ids).value_counts()
        twice = counts[counts > 1]
        raise InputError(
            f"embeddings: {len(twice):,} images come more than once, such as {twice.index[0]!r} ({int(twice.iloc[0])} times); "
            "keep one row of each: embeddings[~embeddings.index.duplicated()]"
        )
    vectors = np.ascontiguousarray(vectors, np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputError(
            f"embeddings: {int((~finite).sum()):,} of {len(ids):,} have numbers that are not finite (NaN or "
            "infinite), such as that of "
            f"image {ids[row]!r}; leave those images out, or embed them again"
        )
    return EmbeddedImages(tuple(ids), vectors, Labels.of(labels, ids), encoder_id)


def image_text(label: Any) -> str:
    """Return the text of one image's id."""
    return text_of(label, what="image")
