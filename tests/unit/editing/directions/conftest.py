"""A generator small enough for every test."""

import pytest
import torch

from beholder.editing.generator import Generator, GeneratorConfig


@pytest.fixture(scope="session")
def generator() -> Generator:
    """z of 8, w of 12, 8 rows of w+, 11 styles; 32 px; random weights, always the same."""
    torch.manual_seed(5)
    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    return Generator(config).eval().requires_grad_(False)
