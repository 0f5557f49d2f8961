"""Captions: true of their portraits, varied, and fair in what they are counted true of."""

import random

import pytest
import torch

from beholder.portraits import captions, traits


def row(**values: float) -> torch.Tensor:
    found = torch.full((len(traits.TRAITS),), 0.5)
    for name in traits.YES_NO:
        found[traits.column(name)] = 0
    for name, value in values.items():
        found[traits.column(name)] = value
    return found


def test_words_are_true() -> None:
    rng = random.Random(1)
    assert captions.phrase_for("smile", 0.9, rng) in ("smiling", "looking happy", "with a big smile", "with a very big smile")
    assert captions.phrase_for("glasses", 1.0, rng) in ("wearing glasses", "with round glasses", "in glasses")
    assert captions.phrase_for("glasses", 0.0, rng) in ("without glasses", "with no glasses")
    assert captions.phrase_for("eye_size", 0.5, rng) == ""


def test_a_caption_names_what_it_mentions() -> None:
    said = captions.caption(row(hat=1.0), random.Random(3), mentions=30)
    assert "hat" in said.mentioned
    assert "hat" in said.text
    assert "eye_size" not in said.mentioned
    assert len(captions.caption(row(hat=1.0), random.Random(3), mentions=2).mentioned) == 2


def test_captions_vary_and_repeat_with_their_seed() -> None:
    people = traits.sample(300, seed=5)
    first = captions.describe(people, seed=1)
    assert first == captions.describe(people, seed=1)
    assert len({each.text for each in first}) > 290


def test_fits_is_true_of_its_own_portrait_and_of_those_alike() -> None:
    people = torch.stack([row(hat=1.0, smile=0.9), row(hat=1.0, smile=0.1), row(hat=0.0, smile=0.9)])
    said = [captions.Caption("a person with a hat", ("hat",)), captions.Caption("", ("smile",)), captions.Caption("", ())]
    assert captions.fits(people, said).tolist() == [[True, True, False], [False, True, False], [True, True, True]]


@pytest.mark.parametrize("name", traits.NAMES)
def test_every_trait_has_a_question_and_statements(name: str) -> None:
    low, high = captions.question(name)
    assert low != high
    lows, highs = captions.statements(name)
    assert len(lows) >= 7
    assert not set(lows) & set(highs)
