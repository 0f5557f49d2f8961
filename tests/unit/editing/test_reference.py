"""The generator against one written a second time from the published formulas, through rosinality's files."""

import published
import pytest
import reference
import torch

from beholder.editing.checkpoints import checkpoint, rosinality
from beholder.storage import Place


@pytest.mark.parametrize(
    ("resolution", "base", "most", "dim", "layers"),
    [(8, 32, 8, 16, 1), (16, 128, 16, 24, 2), (32, 256, 32, 32, 3), (64, 512, 24, 48, 8), (128, 512, 64, 16, 2)],
)
def test_it_draws_what_the_formulas_say(resolution, base, most, dim, layers):
    state = reference.random_state(resolution, base, most, dim=dim, layers=layers, seed=resolution)
    dice = torch.Generator().manual_seed(1)
    mean, z = torch.randn(dim, generator=dice), torch.randn(2, dim, generator=dice)
    _, found = rosinality.read(published.rosinality(state, mean))
    generator = found.generator
    assert (generator.config.resolution, generator.config.mapping_layers, generator.config.w_dim) == (resolution, layers, dim)
    for truncation in (1.0, 0.7, 0.0):
        for noise in ("const", "none"):
            expected = reference.draw(state, mean, z, truncation=truncation, noise=noise)
            image = generator(z, truncation=truncation, noise=noise)
            assert image.shape == expected.shape == (2, 3, resolution, resolution)
            assert expected.std() > 0.3
            assert (image - expected).abs().max() < 1e-4


def test_clamped_convolutions_are_those_of_the_formulas(tmp_path):
    state = reference.random_state(32, 256, 32, dim=16, layers=2)
    mean, z = torch.zeros(16), torch.randn(2, 16)
    plain = rosinality.read(published.rosinality(state, mean))[1].generator
    (tmp_path / "x.pkl").write_bytes(published.nvidia(plain.state_dict(), clamp=0.8))
    generator = checkpoint.read(Place.at(tmp_path / "x.pkl")).generator
    expected = reference.draw(state, mean, z, clamp=0.8)
    assert (expected - reference.draw(state, mean, z)).abs().max() > 0.5
    assert (generator(z) - expected).abs().max() < 1e-4
