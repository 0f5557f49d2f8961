"""A generator small enough for every test, and files of directions read for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from beholder.editing.directions.formats import detect
from beholder.editing.directions.formats.source import SourceDirection, SourceHints
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.storage import Place


@pytest.fixture(scope="session")
def generator() -> Generator:
    """z of 8, w of 12, 8 rows of w+, 11 styles; 32 px; random weights, always the same."""
    torch.manual_seed(5)
    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    return Generator(config).eval().requires_grad_(False)


@pytest.fixture
def read(tmp_path: Path, generator: Generator) -> Callable[..., SourceDirection]:
    """read(name, bytes, format, **hints): the direction in a file of that name."""

    def _read(name: str, data: bytes, format: str | None = None, **hints: Any) -> SourceDirection:
        (tmp_path / name).write_bytes(data)
        return detect.read(Place.at(tmp_path / name), format, generator.config, SourceHints(**hints))

    return _read
