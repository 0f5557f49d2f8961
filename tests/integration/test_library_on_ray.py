"""The library takes a Ray Dataset where it takes a table, and embeds one where it lies."""

import json

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


def test_a_fit_to_a_ray_dataset_is_a_task_of_that_ray(small_ray, monkeypatch):
    """What this process would compute it can't: the fit runs elsewhere; a mistake is told as it is told here."""
    from beholder.interface import fitting
    from beholder.taste import taste_factory

    def here(*_: object, **__: object) -> None:
        raise AssertionError("fitted in the process that asked")

    monkeypatch.setattr(taste_factory, "fit", here)
    vectors = np.random.default_rng(0).normal(size=(30, 3))
    ratings = pd.DataFrame({"user_id": "ana", "image_id": range(30), "score": vectors[:, 0]})
    taste = fitting.fit(small_ray.data.from_pandas(ratings), embeddings=vectors)
    assert np.corrcoef(taste.predict("ana"), vectors[:, 0])[0, 1] > 0.9
    one = ratings.head(1)
    with pytest.raises(bh.InputError, match="1 image was judged"):
        fitting.fit(small_ray.data.from_pandas(one), embeddings=vectors)


def test_pictures_of_a_ray_dataset_are_looked_at_as_the_same_pictures_are_here(small_ray, pictures):
    from beholder.encoder import EncoderConfig
    from beholder.interface.image_embedding import read_pixels
    from beholder.interface.named_settings import encoder_config

    config: EncoderConfig = encoder_config("portraits")
    rows = [{"image_id": name, "image": pixels} for name, pixels in pictures.items()]
    there, here = read_pixels(small_ray.data.from_items(rows), config), read_pixels(pictures, config)
    assert there.vectors.shape == (12, config.resolved().size, config.resolved().size, 3)
    assert (there.encoder_id, sorted(there.ids)) == (here.encoder_id, sorted(here.ids))
    np.testing.assert_array_equal(there.vectors[there.rows(list(here.ids))], here.vectors)


def test_the_library_says_of_new_people_and_the_crowd_what_the_command_says(small_ray, tmp_path, capsys):
    from beholder.cli import main

    rng = np.random.default_rng(0)
    vectors, likes = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(12, 3))
    scores = likes @ vectors.T + rng.normal(size=40)
    person, image = np.indices(scores.shape).reshape(2, -1)
    columns = {"user_id": [f"p{n}" for n in person], "image_id": [f"i{n:02d}" for n in image], "score": scores.ravel().round(1)}
    ratings = pd.DataFrame(columns).assign(attribute="kind")
    ratings.to_parquet(tmp_path / "ratings.parquet")
    np.savez(tmp_path / "vectors.npz", image_id=[f"i{n:02d}" for n in range(40)], embedding=vectors)
    files = (f"ratings={tmp_path}/ratings.parquet", f"embeddings={tmp_path}/vectors.npz", f"workspace={tmp_path}/w")
    assert main(["evaluate", "split=person", "shots=[0,10]", "crowd=true", "--json", *files]) == 0
    said = json.loads(capsys.readouterr().out)
    known = {f"i{n:02d}": vector for n, vector in enumerate(vectors)}
    found = bh.evaluate(ratings, embeddings=known, split="person", shots=[0, 10], crowd=True)
    for name, result in (("bayes", found), ("bayes, warm", found.crowd)):
        assert result is not None
        assert result.learning is not None
        for row in result.learning.to_dict("records"):
            for key in ("accuracy", "gain", "gain.low", "gain.high"):
                assert said[f"{name}/{row['judgements']}/{key}"] == pytest.approx(row[key], abs=1e-6), (name, row, key)


def test_rows_without_a_picture_are_refused(small_ray):
    with pytest.raises(Exception, match="expected image_id and one of image, bytes, path, uri"):
        bh.embed(small_ray.data.from_items([{"image_id": "a", "colour": "red"}]), encoder="looks").to_pandas()
