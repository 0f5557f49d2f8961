"""Colour spaces against known values, and CIEDE2000 against the pairs of its authors."""

import numpy as np
import pytest
import torch

from beholder import colour

# Sharma, Wu and Dalal (2005), table 1: L*, a*, b* of two colours, and their difference
PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def pixel(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(("one", "other", "difference"), PAIRS)
def test_ciede2000_is_that_of_its_authors(one, other, difference):
    assert float(colour.ciede2000(pixel(one), pixel(other))) == pytest.approx(difference, abs=1e-3)
    assert float(colour.ciede2000(pixel(other), pixel(one))) == pytest.approx(difference, abs=1e-3)


def test_known_colours():
    assert float(colour.to_linear(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-5)
    red = pixel([1, 0, 0]).float()
    np.testing.assert_allclose(colour.to_cielab(red).flatten(), [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(colour.to_oklab(red).flatten(), [0.62796, 0.22486, 0.12585], atol=2e-4)
    white = pixel([1, 1, 1]).float()
    np.testing.assert_allclose(colour.to_oklab(white).flatten(), [1, 0, 0], atol=2e-4)
    np.testing.assert_allclose(colour.to_cielab(white).flatten(), [100, 0, 0], atol=2e-3)


def test_every_level_comes_back():
    levels = torch.arange(256).float() / 255
    np.testing.assert_allclose(colour.to_srgb(colour.to_linear(levels)), levels, atol=1e-5)
    light = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(colour.from_oklab(colour.to_oklab(light)), light, atol=2e-5)


def test_gradients_are_finite_at_black_and_white():
    ends = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)]).requires_grad_()
    colour.to_srgb(colour.from_oklab(colour.to_oklab(colour.to_linear(ends)))).sum().backward()
    assert ends.grad is not None
    assert torch.isfinite(ends.grad).all()
