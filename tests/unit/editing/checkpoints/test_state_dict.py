"""Assembly: what is expected of the tensors is what the generator has."""

import pytest
import torch

from beholder.editing.checkpoints import state_dict
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.safe_pickle.interpreter import RefusedError
from beholder.safe_pickle.lazy_tensor import LazyTensor

SMALL = GeneratorConfig(resolution=16, z_dim=6, w_dim=10, mapping_layers=2, channel_base=64, channel_max=8)


@pytest.fixture
def tensors() -> dict[str, LazyTensor]:
    return {name: LazyTensor.of(value) for name, value in Generator(SMALL).state_dict().items()}


@pytest.mark.parametrize("config", [SMALL, GeneratorConfig(), GeneratorConfig(resolution=8, mapping_layers=8)])
def test_the_shapes_are_those_of_the_network(config):
    assert state_dict.shapes(config) == {name: tuple(value.shape) for name, value in Generator(config).state_dict().items()}


def test_nothing_that_is_drawn_elsewhere_depends_on_it(tensors):
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    del tensors["mapping.w_avg"], tensors["synthesis.b8.conv0.noise_const"]
    assert len(state_dict.assemble(tensors, size=10**6).notes) == 2
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("mapping.fc0.weight", (10,), r"mapping\.fc0\.weight has shape \[10\], expected 2 sides"),
        ("mapping.fc1.weight", (10, 9), r"mapping\.fc1\.weight has shape \[10, 9\], expected \[10, 10\]"),
        ("synthesis.b8.torgb.weight", (3, 7, 1, 1), r"b8\.conv1\.affine\.weight has shape \[8, 10\], expected \[7, 10\]"),
        ("synthesis.b4.torgb.weight", (4, 8, 1, 1), "its images have 4 channels; only RGB"),
        ("synthesis.b16.conv1.noise_const", (8, 8), r"expected \[16, 16\]"),
        ("synthesis.b64.torgb.weight", (3, 1, 1, 1), r"its layers to RGB are at 4, 8, 16, 64 px"),
        ("synthesis.b8.skip.weight", (4, 4), r"it holds synthesis\.b8\.skip\.weight, which no"),
        ("mapping.embed.weight", (4, 4), "class-conditional"),
        ("mapping.fc0.weight", (10, 8193), "its z or w has 8,193 numbers, more than 8,192"),
    ],
)
def test_what_does_not_fit_is_said(tensors, name, shape, says):
    tensors[name] = LazyTensor.of(torch.ones(shape))
    with pytest.raises(RefusedError, match=says):
        state_dict.assemble(tensors, size=10**6)


@pytest.mark.parametrize("name", ["mapping.fc0.bias", "synthesis.b4.const", "synthesis.b16.conv0.affine.weight"])
def test_what_is_missing_is_said(tensors, name):
    del tensors[name]
    with pytest.raises(RefusedError, match=rf"{name} .* is missing"):
        state_dict.assemble(tensors, size=10**6)


def test_numbers_have_to_be_finite(tensors):
    for bad in (float("nan"), float("inf")):
        tensors["mapping.fc0.bias"] = LazyTensor.of(torch.full((10,), bad))
        with pytest.raises(RefusedError, match="not finite"):
            state_dict.assemble(tensors, size=10**6)


def test_what_lies_in_the_same_place_is_said(tensors):
    count = sum(value.numel() for value in Generator(SMALL).state_dict().values())
    state_dict.assemble(tensors, size=count)
    with pytest.raises(RefusedError, match=f"{count:,} numbers in {count - 1:,} bytes"):
        state_dict.assemble(tensors, size=count - 1)


def test_a_missing_mean_is_measured(tensors):
    del tensors["mapping.w_avg"]
    generator = state_dict.assemble(tensors, size=10**6).generator
    w = generator.mapping(torch.randn(4000, 6, generator=torch.Generator().manual_seed(7)))[:, 0]
    assert torch.allclose(generator.mapping.w_avg, w.mean(dim=0), atol=0.1 * float(w.std()))
    assert generator.mapping.w_avg.std() > 0
