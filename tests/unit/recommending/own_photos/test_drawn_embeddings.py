"""Embeddings of looks by a CLIP joined to the descriptor: each part as it is alone, and how often the CLIP is asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from beholder import images
from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import ASKED
from beholder.encoder import Encoder, EncoderConfig
from beholder.recommending.candidates import Candidates, CandidatesConfig
from beholder.recommending.own_photos.drawn_embeddings import DrawnEmbeddings, editable, look_grid
from beholder.recommending.own_photos.look_service import look_candidates, look_encoder

PHOTO = landscape.draw(5, 80, 120)
CANDIDATES = look_candidates(CandidatesConfig(count=60))
CLIP = 32  # numbers of the small CLIP


@pytest.fixture
def config(small_clip: str) -> EncoderConfig:
    return EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu", looks=True, looks_weight=0.75)


def predicted(config: EncoderConfig, candidates: Candidates = CANDIDATES) -> np.ndarray:
    """Embeddings of the photo under candidates, without the weights of both parts."""
    predictor = DrawnEmbeddings(Encoder.load(config))
    found = predictor.predict(predictor.latent(PHOTO), candidates.alphas, directions=candidates.directions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    if not config.looks:
        return found
    return np.concatenate([found[:, :CLIP] / config.clip_share, found[:, CLIP:] / np.float32(config.looks_weight**0.5)], axis=1)


def test_the_descriptors_part_is_that_of_looks_alone(config):
    alone = predicted(look_encoder(EncoderConfig()))
    for by in ("grid", "each", "photo"):
        np.testing.assert_allclose(predicted(replace(config, looks_by=by))[:, CLIP:], alone, atol=1e-6)


def test_the_clips_part_of_each_candidate_is_that_of_the_clip_alone(config):
    """Of the photo as the CLIP sees it, drawn under some looks and encoded."""
    found = predicted(replace(config, looks_by="each"))[[0, 20, 59], :CLIP]
    shown = images.fit_pixels(PHOTO, config.fit)
    drawn = np.stack([render(shown, CANDIDATES.edit(row)) for row in (0, 20, 59)])
    np.testing.assert_allclose(found, Encoder.load(replace(config, looks=False)).images(drawn), atol=5e-3)


def test_a_grid_is_exact_for_single_steps_and_halfway_between_two_in_the_middle(config):
    grid = look_grid()
    exact = predicted(replace(config, looks_by="each"), grid)[:, :CLIP]
    found = predicted(replace(config, looks_by="grid"), grid)[:, :CLIP]
    np.testing.assert_allclose(found, exact, atol=1e-5)
    rows = np.array([grid.row_of({"warmth": alpha}) for alpha in (1.0, 2.0)], int)
    between = Candidates(grid.directions, grid.alphas[rows].mean(axis=0, keepdims=True))
    middle = exact[rows].mean(axis=0)
    np.testing.assert_allclose(predicted(config, between)[0, :CLIP], middle / np.linalg.norm(middle), atol=1e-5)


def test_a_grid_tells_which_way_candidates_move_the_clips_part(config):
    exact, found = (predicted(replace(config, looks_by=by))[:, :CLIP] for by in ("each", "grid"))
    original = predicted(replace(config, looks_by="photo"))[0, :CLIP]
    one, other = exact - original, found - original
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert np.median(cosines) > 0.95


def test_of_the_photo_alone_the_clips_part_is_that_of_the_photo(config):
    found = predicted(replace(config, looks_by="photo"))[:, :CLIP]
    own = Encoder.load(replace(config, looks=False, resize="squash")).images([PHOTO])
    np.testing.assert_allclose(found, np.repeat(own, len(found), axis=0), atol=1e-5)


class Counted:
    """A model in front of another one, that counts the pictures it is shown."""

    def __init__(self, model: Any) -> None:
        self.model, self.visual, self.count = model, model.visual, 0

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        self.count += len(x)
        return self.model.encode_image(x)


@pytest.mark.parametrize(("by", "once", "then"), [("grid", 71, 0), ("photo", 1, 0), ("each", 1, 60)])
def test_a_clip_sees_a_photo_once_and_candidates_only_if_told_to(config, by, once, then):
    """Making a photo editable, which is remembered, is what costs; scoring its candidates costs no more than with looks alone."""
    encoder = Encoder.load(replace(config, looks_by=by))
    encoder.model = model = Counted(encoder.model)
    predictor = DrawnEmbeddings(encoder)
    image = editable("photo", PHOTO, predictor)
    assert model.count == once
    for _ in range(2):
        predictor.predict(image.latent, CANDIDATES.alphas, directions=CANDIDATES.directions)
    assert model.count == once + 2 * then


def test_a_photo_as_it_is_is_the_candidate_of_nothing_and_what_embed_says_of_it(config):
    predictor = DrawnEmbeddings(Encoder.load(config))
    image = editable("photo", PHOTO, predictor)
    nothing = np.zeros((1, len(ASKED)), np.float32)
    np.testing.assert_array_equal(predictor.predict(image.latent, nothing)[0], image.original)
    np.testing.assert_allclose(predictor.encoder.images([PHOTO])[0], image.original, atol=5e-3)
