"""Varied seeds of contact sheets and the page: no two alike, nobody half dressed, and those that the page shows first."""

import re
from pathlib import Path

import pytest
import torch

from beholder.editing import pretrained
from beholder.editing.generator import Generator
from beholder.editing.latent import from_seeds
from beholder.portraits import traits
from beholder.portraits.contact_sheets import in_words, varied_seeds

PAGE = Path(__file__).parents[3] / "serve" / "page" / "portraits.js"


@pytest.fixture(scope="module")
def generator() -> Generator:
    return pretrained.generator()


def of_seeds(generator: Generator, seeds: list[int]) -> torch.Tensor:
    latent = from_seeds(generator, seeds)
    assert latent.z is not None
    return traits.from_latents(latent.z)


def test_they_are_more_varied_than_the_first_seeds_and_settled(generator: Generator) -> None:
    seeds = varied_seeds(generator, 12)
    assert len(set(seeds)) == 12
    assert varied_seeds(generator, 20)[:12] == seeds
    chosen, first = of_seeds(generator, seeds), of_seeds(generator, list(range(1, 13)))
    columns = [traits.column(name) for name in ("skin", "hair_hue", "hair_lightness", "background")]
    apart, before = (torch.pdist(values[:, columns]).min() for values in (chosen, first))
    assert apart > 1.3 * before
    yes_no = chosen[:, [traits.column(name) for name in traits.YES_NO]]
    assert torch.minimum(yes_no, 1 - yes_no).max() < 0.05
    assert not ((chosen[:, traits.column("beard")] > 0.5) & (chosen[:, traits.column("lipstick")] > 0.5)).any()


def test_too_many_are_refused(generator: Generator) -> None:
    with pytest.raises(ValueError, match="expected at least 20 presentable portraits among 20 seeds"):
        varied_seeds(generator, 20, among=20)


def test_the_page_shows_them_first_and_in_words(generator: Generator) -> None:
    shown = re.findall(r'^  \[(\d+), "([^"]+)"\],$', PAGE.read_text(), re.MULTILINE)
    seeds = varied_seeds(generator, 36)
    assert [int(seed) for seed, _ in shown] == seeds
    assert [words for _, words in shown] == in_words(of_seeds(generator, seeds))
    assert len({words for _, words in shown}) == 36


def test_a_portrait_in_words() -> None:
    plain = dict.fromkeys(traits.NAMES, 0.5) | dict.fromkeys(traits.YES_NO, 0.0)
    striking = plain | {
        "hair_length": 0.9,
        "curls": 0.8,
        "hair_hue": 0.1,
        "hair_lightness": 0.2,
        "hat": 1.0,
        "age": 0.9,
        "smile": 0.8,
    }
    rows = torch.tensor([[row[name] for name in traits.NAMES] for row in (plain, striking)])
    assert in_words(rows) == ["chin-length, wavy, brown hair", "long, curly, dark red hair, a hat, old, smiling"]
