"""Registry of generators: what is written comes back, and a name that nobody knows is said."""

import pytest
import torch

from beholder.editing import generator_store
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.generator_store import fingerprint
from beholder.errors import WeightsError
from beholder.workspace import Workspace

SMALL = GeneratorConfig(resolution=16, z_dim=8, w_dim=12, mapping_layers=2, channel_base=64, channel_max=8, conv_clamp=256.0)


def small(seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    return Generator(SMALL).eval().requires_grad_(False)


def test_a_generator_comes_back(tmp_path):
    workspace = Workspace(str(tmp_path))
    made = small()
    assert generator_store.names(workspace) == ["portraits"]
    generator_store.write(workspace, "faces", made, card={"source": "somewhere"})
    assert generator_store.names(workspace) == ["portraits", "faces"]
    found = generator_store.read("faces", workspace)
    assert found.config == SMALL
    assert not any(parameter.requires_grad for parameter in found.parameters())
    z = torch.randn(2, 8)
    assert torch.equal(found(z), made(z))
    card = generator_store.card("faces", workspace)
    assert card["source"] == "somewhere"
    assert card["fingerprint"] == fingerprint(made) == fingerprint(found)


def test_the_shipped_one_needs_no_workspace():
    found = generator_store.read("portraits")
    assert found.config.resolution == 512
    assert generator_store.card("portraits")["name"] == "portraits-generator"


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "portraits"])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(WeightsError, match="name"):
        generator_store.write(Workspace(str(tmp_path)), name, small(), card={})
    assert not list(tmp_path.iterdir())


def test_who_is_not_there_is_said(tmp_path):
    workspace = Workspace(str(tmp_path))
    generator_store.write(workspace, "faces", small(), card={})
    with pytest.raises(WeightsError, match=r"no generator 'face' .*did you mean faces"):
        generator_store.read("face", workspace)
    with pytest.raises(WeightsError, match="no generator 'faces' ships"):
        generator_store.read("faces")


def test_fingerprints_are_of_the_numbers_that_matter():
    made = small()
    first = fingerprint(made)
    assert len(first) == 16
    assert fingerprint(small()) == first != fingerprint(small(1))
    made.mapping.w_avg += 1
    made.synthesis.get_buffer("b8.conv0.noise_const").zero_()
    assert fingerprint(made.to(memory_format=torch.channels_last)) == first
    made.synthesis.get_parameter("b8.conv0.noise_strength").data += 1e-6
    assert fingerprint(made) != first
