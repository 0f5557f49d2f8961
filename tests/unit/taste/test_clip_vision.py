"""Tower: without a person and adapters it is open_clip's own, wherever it is divided."""

import numpy as np
import pytest
import torch

from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import TasteError
from beholder.taste.clip_vision import VisionTransformer


@pytest.fixture(scope="module")
def encoder(small_clip) -> Encoder:
    return Encoder.load(EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu"))


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_it_sees_what_clip_sees(encoder, scene, blocks):
    pixels = np.stack([scene(64, 64, n) for n in range(3)])
    tower = VisionTransformer(encoder.model.visual, blocks=blocks, name="small")
    with torch.no_grad():
        tokens = tower.embed(encoder.prepared(pixels))
        found = tower(tokens, None).numpy()
    assert tokens.shape == (3, 17, 64)
    np.testing.assert_allclose(found, encoder.images(pixels), atol=1e-5)


def test_vit_b_32_is_taken_as_it_is(scene):
    encoder = Encoder.load(EncoderConfig(name="vit_b_32", model="ViT-B-32", weights="random", size=224, device="cpu"))
    pixels = scene(224, 224)[None]
    tower = VisionTransformer(encoder.model.visual, blocks=2, name="vit_b_32")
    with torch.no_grad():
        found = tower(tower.embed(encoder.prepared(pixels)), None).numpy()
    np.testing.assert_allclose(found, encoder.images(pixels), atol=1e-5)


def test_a_person_is_attended_to_like_any_token(encoder, scene):
    """In the last block CLS gathers from all tokens: a person's token that copies a patch weighs as that patch twice."""
    x = encoder.prepared(np.stack([scene(64, 64, 5)]))
    tower = VisionTransformer(encoder.model.visual, blocks=1, name="small")
    with torch.no_grad():
        tokens = tower.embed(x)
        twice = torch.cat([tokens, tokens[:, 4:5]], dim=1)
        np.testing.assert_allclose(tower(tokens, tokens[:, 4]).numpy(), tower(twice, None).numpy(), atol=1e-6)
        other = tower(tokens, 3 * torch.ones(1, tower.width)).numpy()
    assert np.abs(other - tower(tokens, None).detach().numpy()).max() > 1e-3


def test_what_is_frozen_is_not_part_of_it(encoder):
    tower = VisionTransformer(encoder.model.visual, blocks=1, name="small")
    assert not any(name.startswith(("conv1", "blocks.1")) for name, _ in tower.named_parameters())
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_a_tower_that_is_no_transformer():
    with pytest.raises(TasteError, match=r"it is a Linear without transformer.*taste=mlp or taste=bayes"):
        VisionTransformer(torch.nn.Linear(2, 2), blocks=0, name="siglip2_b_16")
