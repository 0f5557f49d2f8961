"""Alpha 1 is as long as it should be, by a reader and by the latents' own spread."""

import pytest
import torch

from beholder.editing.directions import Direction
from beholder.editing.directions.scaling import calibrate, projection_spread
from beholder.editing.generator import Generator
from beholder.editing.latent import from_seeds
from beholder.errors import EditError


def along(step: torch.Tensor, space: str, layers: tuple[int, int]) -> Direction:
    return Direction.along(step, name="up", space=space, layers=layers)  # type: ignore[arg-type]


def test_alpha_one_raises_what_is_read_by_the_wanted_amount(generator: Generator) -> None:
    latent = from_seeds(generator, range(20))
    affine = generator.synthesis.layers()[4].affine

    def read(styles: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return styles[4][:, 0]  # a straight line in w, whose slope along the direction is the affine's weight

    slope = float(affine(torch.eye(12)[2:3])[0, 0] - affine(torch.zeros(1, 12))[0, 0])
    rough = along(slope * torch.eye(12)[2], "w", (0, 8))  # rises by slope squared
    done = calibrate(generator, rough, latent, read, 0.5 * slope**2, tolerance=1e-4)
    assert done.scale == pytest.approx(0.5 * rough.scale, rel=1e-3)
    with pytest.raises(EditError, match="up raises its trait by"):
        calibrate(generator, along(torch.eye(12)[2], "w", (7, 8)), latent, lambda styles: styles[0][:, 0], 0.5)


def test_one_standard_deviation_in_each_space(generator: Generator) -> None:
    """Against the plain statistics of other latents, within what 4,000 of them leave open."""
    latent = from_seeds(generator, range(3000))
    w = latent.ws[:, 0]
    styles = generator.synthesis.styles(latent.ws)
    rng = torch.Generator().manual_seed(3)
    step, rows, channels = torch.randn(12, generator=rng), torch.randn(3, 12, generator=rng), torch.eye(16)[5]
    assert projection_spread(generator, along(torch.ones(8), "z", (0, 8))) == pytest.approx(1, rel=0.05)
    for direction, wanted in (
        (along(step, "w", (0, 8)), (w @ step / step.norm()).std()),
        (along(step, "w", (2, 3)), (w @ step / step.norm()).std()),
        (along(step.expand(8, 12), "w+", (0, 8)), (w @ step / step.norm()).std() * 8**0.5),
        (along(rows, "w+", (2, 5)), (3 * (w @ rows.T / rows.norm()).var(dim=0).sum()).sqrt()),
        (along(channels, "s", (3, 4)), styles[3][:, 5].std()),
    ):
        assert projection_spread(generator, direction) == pytest.approx(float(wanted), rel=0.06)


def test_rows_that_go_against_each_other_move_as_far_as_those_that_agree(generator: Generator) -> None:
    step = torch.randn(12, generator=torch.Generator().manual_seed(3))
    alike = along(step, "w", (0, 8))
    wanted = alike.with_scale(projection_spread(generator, alike)).step
    signs = torch.tensor([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])
    for factors in (signs.abs(), signs, torch.where(signs < 0, -0.98, 1.0)):
        rows = along(factors[:, None] * step, "w+", (0, 8))
        moved = rows.with_scale(projection_spread(generator, rows)).step
        assert torch.allclose(moved, factors[:, None] * wanted, rtol=0.02, atol=1e-6)


def test_a_way_that_the_latents_do_not_know(generator: Generator) -> None:
    still = Generator(generator.config).eval().requires_grad_(False)
    for parameter in still.mapping.parameters():
        parameter.zero_()
    with pytest.raises(EditError, match="do not vary along it"):
        projection_spread(still, along(torch.ones(12), "w", (0, 2)))
    with pytest.raises(EditError, match="has 512 numbers in w, but this generator has 12"):
        projection_spread(generator, along(torch.ones(512), "w", (0, 8)))
