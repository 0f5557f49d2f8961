"""Seeing: a taste of embeddings that is shown pixels answers as it would for their embeddings."""

import pickle

import numpy as np
import pytest
from support.taste_suite import PEOPLE, simulate

from beholder.encoder import Encoder, EncoderConfig
from beholder.taste import taste_factory
from beholder.taste.lora import LoraConfig
from beholder.taste.pixel_taste import FromPixels
from beholder.taste.taste_factory import TasteConfig


@pytest.fixture(scope="module")
def eye(small_clip) -> EncoderConfig:
    return EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu")


def test_pixels_are_embedded_for_it(eye, scene):
    world = simulate(images=40, comparisons=300, ratings=100)
    pixels = np.stack([scene(64, 64, n) for n in range(40)])
    vectors = Encoder.load(eye).images(pixels)
    settings = TasteConfig(kind="population", lora=LoraConfig(encoder=eye))
    how = {"encoder_id": eye.encoder_id(), "seed": 1}
    plain = taste_factory.fit(world.train, world.held_out, vectors, settings, **how)
    found = taste_factory.fit(world.train, world.held_out, pixels, settings, **how)
    assert isinstance(found, FromPixels)
    assert (found.info.takes, plain.info.takes) == ("pixels", "embeddings")
    for taste in (found, pickle.loads(pickle.dumps(found))):
        expected = plain.utilities(vectors[:5], PEOPLE[:2], "smart")
        np.testing.assert_allclose(taste.utilities(pixels[:5], PEOPLE[:2], "smart"), expected, atol=1e-4)
        belief = taste.differences(pixels[[0, 1, 0]], pixels[[2, 2, 2]], PEOPLE[0], "smart")
        np.testing.assert_allclose(belief.mean, expected[0, [0, 1, 0]] - expected[0, 2], atol=1e-4)
    assert taste.utilities(pixels[:0], PEOPLE[:2], "smart").shape == (2, 0)
    assert found.tensors().keys() == plain.tensors().keys()
