"""The look descriptor: numbers that say what they are named for, and encoder=looks."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from beholder import config
from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import linear_of, render
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import EncoderError
from beholder.look_descriptor import NAMES, SIZE, numbers
from beholder.recommending.own_photos.look_service import look_encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(look_encoder(EncoderConfig()))


def numbers_of(picture: np.ndarray) -> dict[str, float]:
    """By name."""
    return dict(zip(NAMES, numbers(linear_of(picture))[0].tolist(), strict=True))


def test_every_number_has_a_name():
    assert numbers(torch.rand(2, 3, SIZE, SIZE)).shape == (2, len(NAMES))
    assert len(set(NAMES)) == len(NAMES)


def test_a_flat_grey_is_nothing_but_light():
    found = numbers_of(np.full((SIZE, SIZE, 3), 119, np.uint8))
    assert found["light_11"] == pytest.approx(0.5693, abs=0.01)
    assert found["below_9"] == 1
    assert found["below_0"] == 0
    for name in ("chroma", "detail_2", "detail_48", "diagonal", "vignette", "a_spread"):
        assert abs(found[name]) < 2e-3


@pytest.mark.parametrize(
    ("look", "name", "sign"),
    [
        ({"exposure": 2.0}, "light_11", 1),
        ({"warmth": 2.0}, "b_11", 1),
        ({"tint": 1.5}, "a_11", 1),
        ({"contrast": 2.0}, "light_spread", 1),
        ({"saturation": -2.0}, "chroma", -1),
        ({"vignette": 2.0}, "vignette", -1),
        ({"split_tone": 2.0}, "b_by_light", 1),
        ({"clarity": 1.5}, "detail_4", 1),
        ({"fade": 1.5}, "light_spread", -1),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_a_direction_moves_the_number_that_sees_it(look, name, sign):
    photo = landscape.draw(8, SIZE, SIZE)
    assert sign * (numbers_of(render(photo, look))[name] - numbers_of(photo)[name]) > 0


def test_embeddings_are_unit_rows_that_do_not_depend_on_the_batch(encoder):
    photos = np.stack([landscape.draw(seed, 90, 120) for seed in range(5)])
    vectors = encoder.images(photos)
    assert vectors.shape == (5, len(NAMES) + 1)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(encoder.images(photos[2:3])[0], vectors[2], atol=1e-6)


def test_the_encoder_has_an_id_and_knows_no_texts(encoder):
    assert encoder.config.encoder_id().startswith("looks-v1-")
    with pytest.raises(EncoderError, match="describes pictures only"):
        encoder.texts(["a photo"])


def test_the_committed_settings_are_the_descriptors():
    @dataclass(frozen=True)
    class Settings:
        encoder: EncoderConfig = config.setting(EncoderConfig(), "the encoder")

    loaded = config.load(Settings, command="embed", overrides=["encoder=looks"]).encoder
    assert replace(loaded.resolved(), device="cpu") == look_encoder(EncoderConfig())
