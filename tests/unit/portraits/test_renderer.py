"""Drawing: deterministic, and every trait changes the picture where it should."""

import numpy as np
import pytest
import torch

from beholder.portraits import traits
from beholder.portraits.renderer import draw


def plain(**values: float) -> torch.Tensor:
    """One ordinary person, with some traits set."""
    row = torch.full((1, len(traits.TRAITS)), 0.5)
    for name in traits.YES_NO:
        row[0, traits.column(name)] = 0
    for name, value in values.items():
        row[0, traits.column(name)] = value
    return row


def test_shape_dtype_and_determinism() -> None:
    people = traits.sample(5, seed=2)
    first, second = draw(people, 64), draw(people, 64)
    assert first.shape == (5, 64, 64, 3)
    assert first.dtype == np.uint8
    assert (first == second).all()


def test_company_does_not_change_a_portrait() -> None:
    people = traits.sample(7, seed=2)
    assert (draw(people, 64)[5] == draw(people[5:6], 64)[0]).all()


def test_nobody_gives_an_empty_batch() -> None:
    assert draw(torch.zeros(0, len(traits.TRAITS)), 32).shape == (0, 32, 32, 3)


def test_threads_are_left_as_they_were() -> None:
    threads = torch.get_num_threads()
    draw(plain(), 32)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("name", traits.NAMES)
def test_every_trait_can_be_seen(name: str) -> None:
    low, high = draw(plain(**{name: 0.0}))[0].astype(int), draw(plain(**{name: 1.0}))[0].astype(int)
    changed = np.abs(high - low).max(axis=2) > 24
    assert changed.mean() > 0.002


@pytest.mark.parametrize(
    ("name", "top", "bottom"), [("hat", 0, 60), ("glasses", 44, 84), ("lipstick", 70, 100), ("beard", 64, 115)]
)
def test_what_is_worn_is_where_it_belongs(name: str, top: int, bottom: int) -> None:
    without, with_ = draw(plain())[0].astype(int), draw(plain(**{name: 1.0}))[0].astype(int)
    rows = np.flatnonzero(np.abs(with_ - without).max(axis=(1, 2)) > 8)
    assert rows.min() >= top
    assert rows.max() <= bottom


def test_head_turn_mirrors() -> None:
    left, right = draw(plain(head_turn=0.2))[0], draw(plain(head_turn=0.8))[0]
    eye = slice(50, 78)
    dark_left = (left[eye].sum(axis=2) < 150).sum(axis=0)
    dark_right = (right[eye].sum(axis=2) < 150).sum(axis=0)
    columns = np.arange(128)
    middle_left = (columns * dark_left).sum() / dark_left.sum()
    middle_right = (columns * dark_right).sum() / dark_right.sum()
    assert middle_left < 60
    assert middle_right > 67


def test_older_hair_is_greyer_and_darker_skin_is_darker() -> None:
    hair = (slice(26, 34), slice(58, 70))
    young, old = (draw(plain(age=value, hair_hue=0.2))[0][hair].astype(float) for value in (0.3, 1.0))
    assert np.ptp(old.mean(axis=(0, 1))) < 0.6 * np.ptp(young.mean(axis=(0, 1)))
    cheek = (slice(70, 76), slice(60, 68))
    light, dark = (draw(plain(skin=value))[0][cheek].mean() for value in (0.1, 0.9))
    assert dark < 0.7 * light


def test_sizes_agree() -> None:
    people = traits.sample(3, seed=8)
    large = draw(people, 128).reshape(3, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(large - draw(people, 64)).mean() < 4
