"""Overlays: always the same for a seed, laid over any portrait, and of every kind."""

import pytest
import torch

from beholder.portraits import overlays


@pytest.mark.parametrize("kind", [*overlays.KINDS, *overlays.UNSEEN])
def test_every_kind_covers_some_of_a_picture_and_not_all(kind: str) -> None:
    made = overlays.overlay(6, 64, seed=3, kinds=(kind,))
    assert made.cover.shape == (6, 1, 64, 64)
    assert made.colour.shape == (6, 3, 64, 64)
    assert made.cover.min() >= 0
    assert made.cover.max() <= 1
    assert made.colour.min() >= -1
    assert made.colour.max() <= 1
    shares = made.cover.mean(dim=(1, 2, 3))
    assert (shares > 0.001).all()
    assert (shares < 0.35).all()


def test_the_same_seed_gives_the_same_at_every_size() -> None:
    small, again, large = (overlays.overlay(3, size, seed=8) for size in (64, 64, 256))
    assert torch.equal(small.cover, again.cover)
    assert torch.equal(small.colour, again.colour)
    shrunk = torch.nn.functional.avg_pool2d(large.cover, 4)
    assert (shrunk - small.cover).abs().mean() < 0.02
    assert not torch.equal(overlays.overlay(3, 64, seed=9).cover, small.cover)


def test_what_is_not_covered_stays_as_it_is() -> None:
    made = overlays.overlay(4, 64, seed=1, most=3)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    laid = made.over(images)
    free = (made.cover == 0).expand_as(images)
    assert torch.equal(laid[free], images[free])
    whole = (made.cover == 1).expand_as(images)
    assert torch.allclose(laid[whole], made.colour[whole], atol=1e-5)
    assert whole.any()


def test_no_training_sees_what_is_kept_for_measuring() -> None:
    assert overlays.UNSEEN
    assert not set(overlays.UNSEEN) & set(overlays.KINDS)
