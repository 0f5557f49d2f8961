"""What a frozen layer keeps of its weight: the pictures are the same to the last bit, and a changed weight is seen."""

import copy

import pytest
import torch

from beholder.editing.generator import Generator, GeneratorConfig

SMALL = GeneratorConfig(resolution=16, z_dim=8, w_dim=8, mapping_layers=1, channel_base=128, channel_max=16)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(2)
    return Generator(SMALL).eval().requires_grad_(False)


def fresh(generator: Generator) -> Generator:
    """The same numbers in a network that has drawn nothing yet."""
    made = Generator(SMALL).eval().requires_grad_(False)
    made.load_state_dict(generator.state_dict())
    return made


def write(generator: Generator) -> None:
    with torch.no_grad():
        weight = generator.synthesis.b16.conv0.weight
        weight.mul_(1 + torch.rand_like(weight))


CHANGES = {
    "written to": write,
    "loaded": lambda generator: generator.load_state_dict(Generator(SMALL).state_dict()),
    "put in its place": lambda generator: generator.load_state_dict(Generator(SMALL).state_dict(), assign=True),
    "rounded": lambda generator: generator.half().float(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_weight_that_changed_is_seen(generator, change):
    z = torch.randn(2, 8)
    before = generator(z)
    assert torch.equal(generator(z), before)
    CHANGES[change](generator)
    generator.requires_grad_(False)
    after = generator(z)
    assert not torch.equal(after, before)
    assert torch.equal(after, fresh(generator)(z))


def test_one_that_learns_keeps_nothing(generator):
    z = torch.randn(2, 8)
    kept = generator(z)
    learning = copy.deepcopy(generator).requires_grad_(True)
    drawn = learning(z)
    assert torch.allclose(drawn, kept, atol=1e-6)
    drawn.sum().backward()
    gradient = learning.synthesis.b16.conv0.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    with torch.no_grad():
        for parameter in learning.parameters():
            parameter.data.add_(0.1)
    assert torch.equal(learning(z), fresh(learning)(z))


def test_a_picture_made_in_inference_is_the_same(generator):
    z = torch.randn(2, 8)
    with torch.inference_mode():
        first = generator(z)
    assert torch.equal(first, generator(z))
    ws = generator.mapping(z).requires_grad_(True)
    generator.synthesis(ws).sum().backward()
    assert ws.grad is not None
