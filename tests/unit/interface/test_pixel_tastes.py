"""A taste that looks at pictures: fitted, asked, kept and judged as any other, with images in the place of embeddings."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from support.tiny_clip import TINY_CLIP

import beholder as bh
from beholder.encoder import EncoderConfig
from beholder.errors import TasteError
from beholder.taste.lora import LoraConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TasteConfig:
    path = tmp_path_factory.mktemp("eye") / "beholder-test-eye.json"
    path.write_text(json.dumps(TINY_CLIP))
    eye = EncoderConfig(name="eye", model=str(path), weights="random", size=16, device="cpu")
    fit = TrainingConfig(epochs=4, batch=64, learning_rate=0.01, device="cpu")
    return TasteConfig(kind="lora", lora=LoraConfig(encoder=eye, templates=["{}"], fit=fit))


@pytest.fixture(scope="module")
def shades() -> dict[str, np.ndarray]:
    """48 pictures of one grey each, the dark first."""
    return {f"{n:02d}.png": np.full((16, 16, 3), 5 * n + 10, np.uint8) for n in range(48)}


@pytest.fixture(scope="module")
def likes_light(shades) -> pd.DataFrame:
    """ana and ben choose the lighter of two pictures."""
    rng, names = np.random.default_rng(0), list(shades)
    left, right = rng.integers(0, 48, (2, 800))
    rows = [
        {"user_id": who, "left_id": names[a], "right_id": names[b], "choice": "left" if a > b else "right"}
        for a, b, who in zip(left, right, rng.choice(["ana", "ben"], 800), strict=True)
        if a != b
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def taste(config, shades, likes_light) -> bh.FittedTaste:
    return bh.fit(likes_light, images=shades, taste=config)


def test_it_learns_from_pictures_and_is_asked_of_known_and_new_ones(taste, shades):
    known = taste.predict("ana")
    assert list(known.index) == list(shades)
    assert np.corrcoef(known, np.arange(48))[0, 1] > 0.8
    assert taste.predict("ana", "03.png") == pytest.approx(known["03.png"], abs=1e-5)
    assert taste.probability("ana", "45.png", "02.png") > 0.5
    new = taste.predict("ana", {"dark": shades["00.png"], "light": shades["47.png"]})
    assert new.to_dict() == pytest.approx({"dark": known["00.png"], "light": known["47.png"]}, abs=1e-5)
    assert "lora: 2 people, 48 images" in repr(taste)


def test_it_is_kept_without_its_pictures(taste, shades, tmp_path):
    path = taste.save(tmp_path / "lora")
    assert sum(each.stat().st_size for each in path.iterdir()) < 200_000
    back = bh.load(path)
    with pytest.raises(TasteError, match="loaded without its images"):
        back.predict("ana")
    again = bh.load(path, images=shades).predict("ana")
    np.testing.assert_allclose(again, taste.predict("ana"), atol=1e-5)
    np.testing.assert_allclose(back.predict("ana", {"a": shades["07.png"]}), again["07.png"], atol=1e-5)
    with pytest.raises(bh.InputError, match="give images=, pictures, and no embeddings"):
        bh.load(path, embeddings=np.eye(3))


def test_what_it_has_not_is_said(taste):
    with pytest.raises(TasteError, match="looks at pixels and has no embeddings"):
        _ = taste.embeddings
    with pytest.raises(TasteError, match="does not say how sure it is"):
        taste.uncertainty("ana")


def test_it_is_judged_on_pictures_that_it_did_not_see(config, shades, likes_light, taste):
    result = bh.evaluate(likes_light, images=shades, taste=config, split="pair")
    assert result.accuracy > 0.7
    assert result.population > 0.7
    assert bh.evaluate(likes_light, taste=taste).accuracy > 0.8


def test_embeddings_are_no_pictures(config, likes_light):
    with pytest.raises(bh.InputError, match="looks at pictures: give images="):
        bh.fit(likes_light, embeddings=np.eye(48), taste=config)
