"""Embeddings of any library are one table of vectors by image."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from beholder.errors import EmbeddingError, InputError
from beholder.interface.embedding_input import read_embeddings, read_items

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
IDS = ["a", "b", "c"]


def kinds():
    table = pd.DataFrame(VECTORS, index=IDS)
    return {
        "index": table,
        "column": table.rename_axis("image_id").reset_index(),
        "vectors in a column": pd.DataFrame({"image_id": IDS, "embedding": list(VECTORS)}),
        "arrow": pa.table({"image_id": IDS, "embedding": VECTORS.tolist()}),
        "dict": dict(zip(IDS, VECTORS, strict=True)),
        "dict of tensors": dict(zip(IDS, torch.from_numpy(VECTORS), strict=True)),
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_kind_gives_the_same_vectors(kind):
    found = read_embeddings(kinds()[kind])
    assert found.ids == tuple(IDS)
    np.testing.assert_array_equal(found.vectors, VECTORS)


@pytest.mark.parametrize("array", [VECTORS, torch.from_numpy(VECTORS), VECTORS.tolist(), VECTORS.astype(np.int64)])
def test_an_array_has_the_ids_that_are_given_or_numbers(array):
    assert read_embeddings(array, IDS).ids == tuple(IDS)
    numbered = read_embeddings(array)
    assert numbered.labels.all(numbered.ids) == [0, 1, 2]
    np.testing.assert_array_equal(numbered.vectors, VECTORS)


def test_what_bh_embed_knew_of_the_encoder_is_kept():
    table = pd.DataFrame(VECTORS, index=IDS)
    table.attrs["encoder_id"] = "some-clip"
    assert read_embeddings(table).encoder_id == "some-clip"
    assert read_embeddings(table).frame().attrs["encoder_id"] == "some-clip"


@pytest.mark.parametrize(
    ("embeddings", "says"),
    [
        (None, "expected embeddings of the judged images"),
        (np.zeros((2, 3, 4)), r"\[N images, D numbers\], got shape \[2, 3, 4\]"),
        (np.zeros((0, 4)), "embeddings are empty"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "1 of 2 have numbers that are not finite .* image '0'"),
        (pd.DataFrame(VECTORS, index=["a", "a", "b"]), r"come more than once, such as 'a' \(2 times\)"),
        (pd.DataFrame({"image_id": IDS, "x": [1.0, 2.0, 3.0], "name": IDS}), "column 'name' holds no numbers"),
        ({"a": [1.0, 2.0], "b": [1.0]}, r"expected 2 numbers for each image, got float64 \[1\] for image 'b'"),
        (np.array([["x", "y"]]), "expected numbers"),
        (pa.table({"x": [1.0]}), "embeddings has no column 'image_id'"),
    ],
)
def test_what_is_wrong_is_said(embeddings, says):
    with pytest.raises(InputError, match=says):
        read_embeddings(embeddings)


def test_as_many_ids_as_rows_are_needed():
    with pytest.raises(InputError, match="embeddings have 3 rows, images 2"):
        read_embeddings(VECTORS, ["a", "b"])


def test_vectors_in_the_place_of_ids_are_told_from_ids():
    assert read_items(["a", "b"], 2) is None
    assert read_items(np.array([1, 2]), 2) is None
    found = read_items(VECTORS, 2)
    assert found is not None
    assert found[0].shape == (3, 2)
    with pytest.raises(EmbeddingError, match="expected embeddings of 5 numbers"):
        read_items(VECTORS, 5)
