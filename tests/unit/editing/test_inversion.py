"""Inversion: shapes, and a refinement that comes closer without leaving."""

import pytest
import torch

from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.inversion import Inverter, InverterConfig, Refinement, invert

CONFIG = GeneratorConfig(resolution=32, z_dim=16, w_dim=16, channel_base=256, channel_max=16)


@pytest.fixture(scope="module")
def pair() -> tuple[Generator, Inverter]:
    torch.manual_seed(5)
    inverter = Inverter(InverterConfig(resolution=32, num_ws=CONFIG.num_ws, w_dim=16, widths=(8, 16, 16), hidden=32))
    return Generator(CONFIG).eval().requires_grad_(False), inverter.eval().requires_grad_(False)


def test_one_pass_gives_w_plus_around_the_centre(pair: tuple[Generator, Inverter]) -> None:
    generator, inverter = pair
    ws = invert(generator, inverter, torch.zeros(3, 3, 32, 32))
    assert ws.shape == (3, CONFIG.num_ws, 16)
    assert torch.equal(ws[:, 0], ws[:, 5])


def test_refining_comes_closer(pair: tuple[Generator, Inverter]) -> None:
    generator, inverter = pair
    truth = generator.mapping(torch.randn(2, 16, generator=torch.Generator().manual_seed(1)))
    image = generator.synthesis(truth)
    once = invert(generator, inverter, image)
    closer = invert(generator, inverter, image, refinement=Refinement(steps=40))
    errors = [(generator.synthesis(ws) - image).abs().mean() for ws in (once, closer)]
    assert errors[1] < 0.6 * errors[0]
    assert not closer.requires_grad
    none = invert(generator, inverter, image, refinement=Refinement(steps=0))
    assert torch.equal(none, once)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 halvings don't divide a resolution of 20"):
        InverterConfig(resolution=20, widths=(8, 8, 8))
