"""Directions: what they take, what they refuse, and whom they belong to."""

import math

import pytest
import torch

from beholder.editing.directions import Direction
from beholder.editing.generator import Generator
from beholder.errors import EditError


def along(step: torch.Tensor, space: str = "w", layers: tuple[int, int] = (0, 8), **about: object) -> Direction:
    return Direction.along(step, name="up", space=space, layers=layers, **about)  # type: ignore[arg-type]


def test_a_step_comes_back_bit_for_bit() -> None:
    for seed in range(50):
        step = torch.randn(512, generator=torch.Generator().manual_seed(seed)) * 10 ** (seed / 10 - 3)
        made = along(step)
        assert torch.equal(made.step, step)
        assert float(made.vector.norm()) == pytest.approx(1, abs=1e-12)
        assert made.scale == pytest.approx(float(step.double().norm()))


def test_twice_the_scale_is_twice_the_step() -> None:
    made = along(torch.tensor([3.0, 4.0]))
    assert made.scale == 5
    assert torch.equal(made.with_scale(10).step, torch.tensor([6.0, 8.0]))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (torch.zeros(4), "zeros only"),
        (torch.tensor([1.0, math.nan]), "not finite"),
        (torch.tensor([1.0, math.inf]), "not finite"),
        (torch.ones(2, 4), "expected a float64 vector of 1 dimension in w"),
        (torch.ones(0), "zeros only"),
    ],
)
def test_what_is_no_step(step: torch.Tensor, says: str) -> None:
    with pytest.raises(EditError, match=says):
        along(step)


def test_what_is_no_direction() -> None:
    good = along(torch.ones(4))
    for changed, says in (
        ({"name": "a=b"}, "expected a direction's name"),
        ({"name": "../up"}, "expected a direction's name"),
        ({"space": "y"}, "space must be z, w, w\\+ or s"),
        ({"vector": torch.ones(4, dtype=torch.float64)}, "length 1, got 2"),
        ({"scale": 0.0}, "scale must be"),
        ({"layers": (3, 3)}, "layers 3..3"),
        ({"range": (1.0, 2.0)}, "range must reach"),
    ):
        with pytest.raises(EditError, match=says):
            Direction(**{**vars(good), **changed})


def test_the_shape_must_be_the_generators(generator: Generator) -> None:
    config = generator.config
    widths = config.style_widths
    for fits in (
        along(torch.ones(8), "z"),
        along(torch.ones(12)),
        along(torch.ones(2, 12), "w+", (6, 8)),
        along(torch.ones(widths[10]), "s", (10, 11)),
        along(torch.ones(sum(widths)), "s", (0, 11)),
    ):
        fits.check(config)
    for wrong, says in (
        (along(torch.ones(12), layers=(0, 18)), "touches layers 0..18, but this generator has 8"),
        (along(torch.ones(512)), "has 512 numbers in w, but this generator has 12"),
        (along(torch.ones(12), "z"), "has 12 numbers in z, but this generator has 8"),
        (along(torch.ones(7), "s", (10, 11)), "has 7 numbers in s"),
        (along(torch.ones(7), "s", (25, 26)), "touches layers 25..26, but this generator has 11"),
    ):
        with pytest.raises(EditError, match=says):
            wrong.check(config)


def test_a_stranger_is_refused_by_the_fingerprint() -> None:
    made = along(torch.ones(4), fingerprint="abc", generator="ffhq")
    made.check_maker("abc", "whatever it is called here")
    with pytest.raises(EditError, match=r"made for ffhq \(abc\), not for portraits \(def\).*force=true"):
        made.check_maker("def", "portraits")


def test_a_generator_trained_on_from_another_takes_its_directions() -> None:
    made = along(torch.ones(4), fingerprint="abc", generator="portraits")
    made.check_maker("def", "portraits", ["abc"])
    with pytest.raises(EditError, match="made for portraits"):
        made.check_maker("def", "portraits", ["abcd"])
