"""Generator: the architecture against formulas written another way."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import published_checkpoints as published
from support import reference_stylegan as reference
from torch.nn import functional

from beholder.editing.checkpoints import checkpoint
from beholder.editing.generator import Generator, GeneratorConfig, Noise, StyledConv, blur, to_pixels, to_rgb, upsample
from beholder.storage import Place

SMALL = GeneratorConfig(resolution=32, z_dim=16, w_dim=24, mapping_layers=3, channel_base=256, channel_max=16)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(3)
    made = Generator(SMALL)
    for name, parameter in made.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("noise", ["const", "none"])
@pytest.mark.parametrize("count", [1, 3])
@torch.no_grad()
def test_modulated_convolution_is_the_grouped_one(count: int, noise: Noise, up: bool) -> None:
    torch.manual_seed(1)
    layer = StyledConv(6, 5, 16, replace(SMALL, conv_clamp=2.5), up=up)
    layer.bias.data.normal_()
    layer.noise_strength.data.fill_(0.3)
    x, w = torch.randn(count, 6, 8 if up else 16, 8 if up else 16), torch.randn(count, 24)
    style = w @ layer.affine.weight.T / math.sqrt(24) + layer.affine.bias
    laid = layer.noise_const * 0.3 if noise == "const" else 0
    for i in range(count):
        kernel = layer.weight * style[i][None, :, None, None]
        kernel = kernel / kernel.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        if up:
            y = blur(functional.conv_transpose2d(x[i : i + 1], kernel.transpose(0, 1), stride=2))
        else:
            y = functional.conv2d(x[i : i + 1], kernel, padding=1)
        y = functional.leaky_relu(y + laid + layer.bias[None, :, None, None], 0.2) * math.sqrt(2)
        assert (y.abs() > 2.5).any()
        assert torch.allclose(layer(x, layer.affine(w), noise)[i], y[0].clamp(-2.5, 2.5), atol=1e-4)


@pytest.mark.parametrize("noise", ["const", "none"])
def test_a_picture_alone_is_the_one_of_a_batch_and_of_a_step_of_optimisation(generator: Generator, noise: Noise) -> None:
    ws = generator.mapping(torch.randn(3, 16))
    together = generator.synthesis(ws, noise=noise)
    for row in range(3):
        alone = generator.synthesis(ws[row : row + 1], noise=noise)
        assert (alone - together[row]).abs().max() < 1e-4
        followed = generator.synthesis(ws[row : row + 1].clone().requires_grad_(True), noise=noise)
        assert (alone - followed).abs().max() < 1e-4


def test_a_picture_alone_in_half_precision(generator: Generator) -> None:
    ws = generator.mapping(torch.randn(1, 16))
    exact, half = generator.synthesis(ws), copy.deepcopy(generator).half().synthesis(ws.half())
    assert half.dtype == torch.float16
    assert (half.float() - exact).abs().max() < 0.02 * exact.abs().max()


def test_blur_is_the_filter_1_3_3_1() -> None:
    x = torch.zeros(1, 2, 9, 9)
    x[0, 1, 4, 4] = 1
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    y = blur(x)
    assert y.shape == (1, 2, 8, 8)
    assert (y[0, 0] == 0).all()
    assert torch.allclose(y[0, 1, 2:6, 2:6], torch.outer(row, row) / 16)


def test_upsampling_is_bilinear_away_from_the_border() -> None:
    image = torch.randn(2, 3, 8, 8)
    expected = functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(upsample(image)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-6)


def test_names_are_those_of_published_networks(generator: Generator) -> None:
    names = set(generator.state_dict())
    for name in ("mapping.fc2.bias", "mapping.w_avg", "synthesis.b4.const", "synthesis.b4.conv1.affine.weight",
                 "synthesis.b8.conv0.noise_const", "synthesis.b32.conv1.noise_strength", "synthesis.b16.torgb.bias"):  # fmt: skip
        assert name in names
    assert not any(name.startswith("synthesis.b4.conv0") for name in names)


def test_parameter_count_of_a_known_size() -> None:
    big = GeneratorConfig(resolution=64, z_dim=512, w_dim=512, mapping_layers=8, channel_base=4096, channel_max=128)
    assert sum(p.numel() for p in Generator(big).parameters()) == pytest.approx(4.1e6, rel=0.02)


def test_sizes_are_read_off_the_tensors(generator: Generator) -> None:
    assert GeneratorConfig.of(generator.state_dict()) == SMALL
    wide = replace(SMALL, resolution=64, channel_max=32, channel_min=8)
    assert [wide.channels(size) for size in wide.resolutions] == [32, 32, 16, 8, 8]
    assert GeneratorConfig.of(Generator(wide).state_dict()) == wide


def test_rows_of_w_reach_their_layers(generator: Generator) -> None:
    assert SMALL.num_ws == 8
    ws = generator.mapping(torch.randn(1, 16))
    base = generator.synthesis(ws)
    previews = {size: generator.synthesis(ws, until=size) for size in (8, 16)}
    for row in range(8):
        moved = ws.clone()
        moved[:, row] += 1
        assert not torch.equal(generator.synthesis(moved), base)
        assert torch.equal(generator.synthesis(moved, until=8), previews[8]) == (row > 3)
        assert torch.equal(generator.synthesis(moved, until=16), previews[16]) == (row > 5)


def test_styles_are_what_each_layer_takes(generator: Generator) -> None:
    ws = generator.mapping(torch.randn(2, 16)) + torch.arange(8.0)[:, None]
    synthesis = generator.synthesis
    styles = synthesis.styles(ws)
    assert tuple(style.shape[1] for style in styles) == SMALL.style_widths == (16, 16, 16, 16, 16, 16, 16, 16, 16, 8, 8)
    rows = {
        0: ("b4.conv1", 0),
        1: ("b4.torgb", 1),
        2: ("b8.conv0", 1),
        7: ("b16.torgb", 5),
        8: ("b32.conv0", 5),
        10: ("b32.torgb", 7),
    }
    for index, (name, row) in rows.items():
        weight, bias = (synthesis.get_parameter(f"{name}.affine.{part}") for part in ("weight", "bias"))
        assert torch.allclose(styles[index], ws[:, row] @ weight.T / math.sqrt(24) + bias, atol=1e-5)
    assert torch.equal(synthesis.draw(styles), synthesis(ws))
    assert torch.equal(synthesis.draw(styles, until=16), synthesis(ws, until=16))
    with pytest.raises(ValueError, match="a style for each of 11 layers, got 10"):
        synthesis.draw(styles[:-1])


def test_the_published_style_space_has_9088_channels() -> None:
    published = GeneratorConfig(1024, 512, 512, 8, 32768, 512)
    assert (len(published.style_widths), sum(published.style_widths)) == (26, 9088)
    assert published.style_widths[14:] == (512, 256, 256, 256, 128, 128, 128, 64, 64, 64, 32, 32)


def test_length_of_z_means_nothing_and_truncation_ends_at_the_mean(generator: Generator) -> None:
    z = torch.randn(2, 16)
    assert torch.allclose(generator.mapping(z), generator.mapping(3 * z), atol=1e-5)
    assert torch.equal(generator.mapping(z, truncation=0.0), generator.mapping.w_avg.expand(2, 8, 24))


def test_noise(generator: Generator) -> None:
    z = torch.randn(1, 16)
    assert torch.equal(generator(z), generator(z))
    assert not torch.equal(generator(z, noise="random"), generator(z, noise="random"))
    assert not torch.equal(generator(z), generator(z, noise="none"))


@pytest.mark.parametrize("resolution", [4, 48])
def test_impossible_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=str(resolution)):
        GeneratorConfig(resolution=resolution)


TINY = GeneratorConfig(resolution=16, z_dim=8, w_dim=8, mapping_layers=1, channel_base=128, channel_max=16)


@pytest.fixture
def frozen() -> Generator:
    torch.manual_seed(2)
    return Generator(TINY).eval().requires_grad_(False)


def fresh(frozen: Generator) -> Generator:
    """The same numbers in a network that has drawn nothing yet."""
    made = Generator(TINY).eval().requires_grad_(False)
    made.load_state_dict(frozen.state_dict())
    return made


def write(frozen: Generator) -> None:
    with torch.no_grad():
        weight = frozen.synthesis.get_parameter("b16.conv0.weight")
        weight.mul_(1 + torch.rand_like(weight))


CHANGES = {
    "written to": write,
    "loaded": lambda frozen: frozen.load_state_dict(Generator(TINY).state_dict()),
    "put in its place": lambda frozen: frozen.load_state_dict(Generator(TINY).state_dict(), assign=True),
    "rounded": lambda frozen: frozen.half().float(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_weight_that_changed_is_seen(frozen, change):
    z = torch.randn(2, 8)
    before = frozen(z)
    assert torch.equal(frozen(z), before)
    CHANGES[change](frozen)
    frozen.requires_grad_(False)
    after = frozen(z)
    assert not torch.equal(after, before)
    assert torch.equal(after, fresh(frozen)(z))


def test_one_that_learns_keeps_nothing(frozen):
    z = torch.randn(2, 8)
    kept = frozen(z)
    learning = copy.deepcopy(frozen).requires_grad_(True)
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


def test_a_picture_made_in_inference_is_the_same(frozen):
    z = torch.randn(2, 8)
    with torch.inference_mode():
        first = frozen(z)
    assert torch.equal(first, frozen(z))
    ws = frozen.mapping(z).requires_grad_(True)
    frozen.synthesis(ws).sum().backward()
    assert ws.grad is not None


@pytest.mark.parametrize(
    ("resolution", "base", "most", "dim", "layers"),
    [(8, 32, 8, 16, 1), (16, 128, 16, 24, 2), (32, 256, 32, 32, 3), (64, 512, 24, 48, 8), (128, 512, 64, 16, 2)],
)
def test_it_draws_what_the_formulas_say(resolution, base, most, dim, layers):
    state = reference.random_state(resolution, base, most, dim=dim, layers=layers, seed=resolution)
    rng = torch.Generator().manual_seed(1)
    mean, z = torch.randn(dim, generator=rng), torch.randn(2, dim, generator=rng)
    _, found = checkpoint.parse(published.rosinality(state, mean))
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
    plain = checkpoint.parse(published.rosinality(state, mean))[1].generator
    (tmp_path / "x.pkl").write_bytes(published.nvidia(plain.state_dict(), clamp=0.8))
    generator = checkpoint.read(Place.at(tmp_path / "x.pkl")).generator
    expected = reference.draw(state, mean, z, clamp=0.8)
    assert (expected - reference.draw(state, mean, z)).abs().max() > 0.5
    assert (generator(z) - expected).abs().max() < 1e-4


def test_pixels_go_there_and_back() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    rgb = to_rgb(pixels)
    assert rgb.shape == (2, 3, 4, 5)
    assert (to_pixels(rgb) == pixels).all()


def test_the_ends_and_what_lies_beyond() -> None:
    assert to_rgb(np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3))[0, 0].tolist() == [[-1, 1]]
    assert to_pixels(torch.tensor([-7.0, -0.999, 0.0, 0.999, 7.0]).expand(1, 3, 1, 5))[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]
