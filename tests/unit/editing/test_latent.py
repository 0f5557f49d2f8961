"""Latents: rows can be chosen, and a seed is the same picture whatever stands beside it."""

import numpy as np
import pytest
import torch

from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.latent import Latent, from_seeds, z_from_seeds
from beholder.errors import EditError


def test_rows_are_chosen() -> None:
    latent = Latent(torch.arange(24.0).reshape(4, 2, 3), torch.arange(8.0).reshape(4, 2))
    assert len(latent) == 4
    for rows, wanted in ((2, [2]), (slice(1, 3), [1, 2]), ([3, 0], [3, 0]), ((1, 1), [1, 1]), (torch.tensor([0]), [0])):
        some = latent[rows]
        assert torch.equal(some.ws, latent.ws[wanted])
        assert some.z is not None
        assert torch.equal(some.z, latent.z[wanted])  # type: ignore[index]
    assert Latent(latent.ws)[1].z is None


def test_joining() -> None:
    one, two = Latent(torch.zeros(2, 2, 3), torch.ones(2, 2)), Latent(torch.ones(1, 2, 3))
    assert len(Latent.join([one, one])) == 4
    assert Latent.join([one, one]).z is not None
    assert Latent.join([one, two]).z is None
    with pytest.raises(EditError, match="got none"):
        Latent.join([])


def test_wrong_shapes() -> None:
    with pytest.raises(EditError, match=r"\[N, num_ws, w_dim\], got \[2, 3\]"):
        Latent(torch.zeros(2, 3))
    with pytest.raises(EditError, match=r"\[2, z_dim\] beside w\+, got \[1, 4\]"):
        Latent(torch.zeros(2, 3, 4), torch.zeros(1, 4))


def test_seeds_are_numpys() -> None:
    z = z_from_seeds([7, 0], 5)
    assert z.dtype == torch.float32
    assert np.array_equal(z[0].numpy(), np.random.RandomState(7).randn(5).astype(np.float32))
    assert torch.equal(z[1:], z_from_seeds([0], 5))
    assert z_from_seeds([], 5).shape == (0, 5)
    for seed in (-1, 2**32):
        with pytest.raises(EditError, match="expected a seed between 0 and"):
            z_from_seeds([seed], 5)


def test_truncation_pulls_to_the_mean() -> None:
    generator = Generator(GeneratorConfig(resolution=8, z_dim=4, w_dim=6, channel_base=64, channel_max=8)).eval()
    whole, half = from_seeds(generator, [1, 2]), from_seeds(generator, [1, 2], truncation=0.5)
    assert torch.allclose(half.ws, whole.ws / 2)  # its mean w is zero
    assert torch.equal(from_seeds(generator, [2]).ws, whole.ws[1:])
