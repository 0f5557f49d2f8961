"""Inversion: shapes, and a refinement that comes closer without leaving."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.inversion import InversionStep, Inverter, InverterConfig, Refinement, invert
from beholder.errors import ConfigError, EditError

CONFIG = GeneratorConfig(resolution=32, z_dim=16, w_dim=16, channel_base=256, channel_max=16)


@pytest.fixture(scope="module")
def pair() -> tuple[Generator, Inverter]:
    torch.manual_seed(5)
    inverter = Inverter(InverterConfig(resolution=32, num_ws=CONFIG.num_ws, w_dim=16, widths=(8, 16, 16), hidden=32))
    return Generator(CONFIG).eval().requires_grad_(False), inverter.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def picture(pair: tuple[Generator, Inverter]) -> Tensor:
    generator, _ = pair
    return generator(torch.randn(2, 16, generator=torch.Generator().manual_seed(1)))


def test_one_pass_gives_w_plus_around_the_centre(pair: tuple[Generator, Inverter]) -> None:
    found = invert(*pair, torch.zeros(3, 3, 32, 32))
    assert found.ws.shape == (3, CONFIG.num_ws, 16)
    assert torch.equal(found.ws[:, 0], found.ws[:, 5])
    assert found.steps == 0
    assert found.before is found.after


def test_the_loss_is_that_of_pixels_and_of_their_neighbours(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    found = invert(*pair, picture, refinement=Refinement(steps=0, edges=0.25))
    error = pair[0].synthesis(found.ws) - picture
    for row in range(2):
        down, across = (
            (error[row][:, 1:] - error[row][:, :-1]).abs().mean(),
            (error[row][..., 1:] - error[row][..., :-1]).abs().mean(),
        )
        assert found.before[row] == pytest.approx(float(error[row].abs().mean() + 0.25 * (down + across)), rel=1e-5)


def test_refining_comes_closer(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    closer = invert(*pair, picture, refinement=Refinement(steps=40))
    assert (closer.after < 0.6 * closer.before).all()
    assert torch.equal(closer.before, invert(*pair, picture, refinement=Refinement(steps=0)).before)
    assert not closer.ws.requires_grad
    assert closer.steps == 40


def test_without_an_inverter_it_begins_at_the_mean(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    generator, _ = pair
    once = invert(generator, None, picture)
    assert torch.equal(once.ws, generator.mapping.w_avg.expand(2, CONFIG.num_ws, 16))
    closer = invert(generator, None, picture, refinement=Refinement(steps=40))
    assert (closer.after < 0.8 * closer.before).all()


def test_without_a_guess_its_rows_are_held_near_each_other(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    held, free = (invert(pair[0], None, picture, refinement=Refinement(30, stay=stay)) for stay in (10.0, 0.0))
    assert held.ws.std(dim=1).mean() < 0.5 * free.ws.std(dim=1).mean()
    assert (held.after < 0.9 * held.before).all()


class Knowing(Inverter):
    """Gives w+ of the picture, a little off, to those that are dark at the corner; of others it knows nothing."""

    truth: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return torch.where((images[:, :, 0, 0].mean(dim=1) < 0.9)[:, None, None], self.truth, self.truth + 3)


def test_it_begins_at_the_guess_where_that_is_good_and_at_the_mean_where_it_is_not(pair: tuple[Generator, Inverter]) -> None:
    generator, plain = pair
    ws = generator.mapping(torch.randn(1, 16, generator=torch.Generator().manual_seed(1)))
    image = generator.synthesis(ws).clamp(-1, 0.8)
    stained = image.clone()
    stained[:, :, 0, 0] = 1
    inverter = Knowing(plain.config)
    inverter.truth = ws + 0.02 * torch.randn(ws.shape, generator=torch.Generator().manual_seed(2))
    known, unknown = (invert(generator, inverter, each, refinement=Refinement(10, stay=1e4)) for each in (image, stained))
    assert (known.ws - inverter.truth).abs().max() < 0.1  # held where the guess was
    from_mean = invert(generator, None, stained, refinement=Refinement(10, stay=1e4))
    assert (unknown.before != from_mean.before).all()
    assert torch.allclose(unknown.after, from_mean.after, rtol=0.1)
    assert unknown.ws.std(dim=1).mean() < 0.05  # the rows of w+, held near each other
    assert torch.equal(invert(generator, inverter, stained).ws, inverter.truth + 3)


def test_a_picture_is_found_as_if_it_were_alone(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    both, one = (invert(*pair, each, refinement=Refinement(steps=5)).ws for each in (picture, picture[1:]))
    assert torch.allclose(both[1:], one, atol=1e-3)


def test_what_is_found_is_never_worse_than_the_start(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    wild = invert(*pair, picture, refinement=Refinement(steps=1, learning_rate=1e4, stay=0))
    assert torch.equal(wild.ws, invert(*pair, picture).ws)
    assert torch.equal(wild.after, wild.before)


def test_seconds_end_it_and_progress_is_told(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    ticks = iter(range(100))
    told: list[InversionStep] = []
    budget = Refinement(50, seconds=4.5)
    found = invert(pair[0], None, picture, refinement=budget, progress=told.append, clock=lambda: float(next(ticks)))
    assert [each.number for each in told] == [1, 2, 3, 4, 5]
    assert (found.steps, found.seconds) == (5, 6)
    hurried = invert(*pair, picture, refinement=Refinement(50, seconds=1e-9))
    assert hurried.steps == 1
    assert [each.spent for each in told] == sorted(each.spent for each in told)
    assert told[-1].spent <= 1
    assert told[0].loss == pytest.approx(float(found.before.mean()))


def test_what_does_not_fit_is_refused(pair: tuple[Generator, Inverter], picture: Tensor) -> None:
    generator, inverter = pair
    with pytest.raises(EditError, match=r"expected images \[N, 3, 32, 32\], got \[2, 3, 16, 16\]"):
        invert(generator, inverter, picture[..., ::2, ::2])
    other = Inverter(InverterConfig(resolution=32, num_ws=6, w_dim=16, widths=(8, 16, 16)))
    with pytest.raises(EditError, match="w\\+ of 6 x 16, the generator makes 32 px of 8 x 16"):
        invert(generator, other, picture)
    for wrong in ({"steps": -1}, {"seconds": 0.0}, {"learning_rate": 0.0}, {"stay": -1.0}):
        with pytest.raises(ConfigError):
            Refinement(**wrong)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 halvings don't divide a resolution of 20"):
        InverterConfig(resolution=20, widths=(8, 8, 8))


def test_an_inverter_of_small_images_finds_w_plus_of_a_larger_generator(pair: tuple[Generator, Inverter]) -> None:
    torch.manual_seed(5)
    larger = Generator(replace(CONFIG, resolution=64)).eval().requires_grad_(False)
    image = larger.synthesis(larger.mapping(torch.randn(1, 16)), until=32)
    found = invert(larger, pair[1], image, refinement=Refinement(steps=6))
    assert found.ws.shape == (1, larger.config.num_ws, 16)
    assert (found.after < found.before).all()
    once = invert(larger, pair[1], image).ws
    assert torch.equal(once[:, -1], once[:, CONFIG.num_ws - 1])
    assert torch.equal(once[:, : CONFIG.num_ws], pair[1](image))
