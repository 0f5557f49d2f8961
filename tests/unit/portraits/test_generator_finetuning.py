"""Finishing: the latents it learns from, and that a generator comes closer to the drawings without being changed itself."""

import torch

from beholder.editing.generator import GeneratorConfig
from beholder.portraits import traits
from beholder.portraits.generator_finetuning import Finish, finish_generator, latents
from beholder.portraits.generator_training import new_generator, settle, unsettle
from beholder.portraits.renderer import draw

NETWORK = GeneratorConfig(resolution=16, w_dim=32, mapping_layers=1, channel_base=256, channel_max=16)


def test_half_of_the_latents_are_pushed_along_what_is_small() -> None:
    config = Finish(batch=4000)
    z = latents(config, 3)
    assert torch.equal(z, latents(config, 3))
    assert not torch.equal(z, latents(config, 4))
    scores = z @ traits.axes().T
    spread = dict(zip(traits.NAMES, scores.std(dim=0).tolist(), strict=True))
    assert min(spread[name] for name in config.favours) > 1.2
    assert max(value for name, value in spread.items() if name not in config.favours) < 1.15
    assert scores[:, traits.column("earrings")].abs().max() > 4


def test_to_unsettle_is_the_way_back() -> None:
    generator = settle(new_generator(NETWORK, seed=1))
    again = settle(unsettle(generator))
    for (name, one), (_, other) in zip(generator.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_a_finish_comes_closer_and_leaves_the_first_as_it_was() -> None:
    generator = settle(new_generator(NETWORK, seed=1))
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    better = finish_generator(generator, Finish(steps=60, batch=4, learning_rate=0.08, ema=0.8, bfloat16=False))
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    z = torch.randn(32, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    drawn = torch.from_numpy(draw(traits.from_latents(z), 16)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        errors = [float((network(z) - drawn).abs().mean()) for network in (generator, better)]
    assert errors[1] < 0.8 * errors[0]
