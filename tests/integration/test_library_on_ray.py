"""The library takes a Ray Dataset where it takes a table, and embeds one where it lies."""

import numpy as np
import pandas as pd
import pytest

import beholder as bh


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return {f"image-{number}": rng.integers(0, 255, (16, 16, 3), np.uint8) for number in range(12)}


def test_a_ray_dataset_is_embedded_as_the_same_pictures_are_here(small_ray, pictures):
    rows = [{"image_id": name, "image": pixels} for name, pixels in pictures.items()]
    embedded = bh.embed(small_ray.data.from_items(rows), encoder="looks", ray_options={"batch_size": 5})
    assert type(embedded).__module__.startswith("ray.data")
    there = embedded.to_pandas().set_index("image_id")["embedding"]
    here = bh.embed(pictures, encoder="looks")
    for name in pictures:
        np.testing.assert_allclose(np.asarray(there[name]), here.loc[name], atol=1e-6)


def test_a_taste_is_fitted_to_ray_datasets(small_ray):
    vectors = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    ratings = pd.DataFrame({"user_id": "ana", "image_id": range(30), "score": vectors[:, 0]})
    rows = [{"image_id": number, "embedding": vector} for number, vector in enumerate(vectors)]
    taste = bh.fit(small_ray.data.from_pandas(ratings), embeddings=small_ray.data.from_items(rows))
    assert np.corrcoef(taste.predict("ana").sort_index(), vectors[:, 0])[0, 1] > 0.9


def test_rows_without_a_picture_are_refused(small_ray):
    with pytest.raises(Exception, match="expected image_id and one of image, bytes, path, uri"):
        bh.embed(small_ray.data.from_items([{"image_id": "a", "colour": "red"}]), encoder="looks").to_pandas()
