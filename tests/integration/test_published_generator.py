"""A generator of the published 1024-px shape, with random weights, out of each of the three formats."""

from collections.abc import Callable
from pathlib import Path

import torch
from support import published_checkpoints as published
from support import reference_stylegan as reference

from beholder.editing.checkpoints import checkpoint, native
from beholder.editing.checkpoints.rosinality import write
from beholder.editing.generator_store import fingerprint
from beholder.storage import Place


def test_three_formats_draw_the_same_picture(tmp_path: Path) -> None:
    state = reference.random_state(1024, 32768, 512)
    mean, z = torch.randn(512), torch.randn(1, 512)
    expected = reference.draw(state, mean, z, truncation=0.7, dtype=torch.float32)
    path = tmp_path / "file"
    path.write_bytes(published.rosinality(state, mean))
    first = checkpoint.read(Place.at(path)).generator
    assert first.config.num_ws == 18
    assert first.config.mapping_layers == 8
    assert 30.3e6 < sum(value.numel() for value in first.parameters()) < 30.5e6
    formats: dict[str, Callable[[], bytes]] = {
        "rosinality (torch file)": lambda: write(first),
        "NVIDIA (pickle of networks)": lambda: published.nvidia(first.state_dict(), protocol=3, numpy_1=True),
        "NVIDIA (safetensors)": lambda: native.write(first),
    }
    marks = set()
    for name, make in formats.items():
        path.write_bytes(make())
        found = checkpoint.read(Place.at(path))
        assert found.format == name
        with torch.no_grad():
            image = found.generator(z, truncation=0.7)
        assert image.shape == (1, 3, 1024, 1024)
        assert (image - expected).abs().max() < 1e-4
        marks.add(fingerprint(found.generator))
    assert marks == {fingerprint(first)}
