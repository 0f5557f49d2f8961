"""Trials: a setting fitted for everybody, marked on pairs that it was chosen by and pairs that it never saw."""

from dataclasses import replace

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.mlp import MlpConfig
from beholder.taste.population import PopulationConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig
from beholder.tuning import selection
from beholder.tuning.trial import Trial, TrialResult

PEOPLE, IMAGES, DIMS = 4, 60, 6
CONFIG = TasteConfig(
    kind="mlp", mlp=MlpConfig(widths=[], fit=TrainingConfig(epochs=25, batch=64, learning_rate=0.15, device="cpu"))
)


@pytest.fixture(scope="module")
def world() -> tuple[list[JudgementDataset], np.ndarray]:
    """Three parts of dataset on different images; persons 0 and 1 want the opposite of 2 and 3."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(IMAGES, DIMS)).astype(np.float32)
    taste = 3 * rng.normal(size=DIMS)
    parts = []
    for images in np.split(np.arange(IMAGES), 3):
        left, right = (rng.choice(images, 400) for _ in range(2))
        person = rng.integers(PEOPLE, size=400)
        gap = np.where(person < 2, 1, -1) * ((items[left] - items[right]) @ taste)
        keep = left != right
        made = ComparisonTable(person, left, right, 0 * person, (gap > 0).astype(np.float32))[keep]
        nothing = np.zeros(0, np.int64)
        rated = RatingTable(nothing, nothing, nothing, np.zeros(0, np.float32))
        parts.append(JudgementDataset(tuple("abcd"), tuple(map(str, range(IMAGES))), ("kind",), rated, made))
    return parts, items


def accuracies(trial: Trial, result: TrialResult) -> np.ndarray:
    return selection.accuracies(result.reporting[None], trial.reported, len(trial.train.people))[0]


def test_networks_of_ones_own_find_opposite_tastes(world):
    parts, items = world
    trial = Trial.of(parts, least=10, encoder_id="e", apart=True)
    seen: list[TrialResult] = []
    result = trial.run(items, CONFIG, rungs=(2, 4), after=seen.append)
    assert [one.epoch for one in seen] == [2, 4]
    assert result.objective() <= seen[1].objective() <= seen[0].objective()
    assert accuracies(trial, result).min() > 0.85
    assert result.accuracy(trial.chosen_by, PEOPLE) > 0.85


def test_a_model_that_all_share_can_be_nobodys(world):
    """The population of two camps is of no camp: any other kind is tried through kinds.fit."""
    parts, items = world
    trial = Trial.of(parts, least=10, encoder_id="e", apart=False)
    config = replace(CONFIG, kind="population", population=PopulationConfig())
    result = trial.run(items, config, rungs=(), after=lambda _: None)
    camps = accuracies(trial, result)
    np.testing.assert_allclose(camps[:2].mean() + camps[2:].mean(), 1, atol=0.1)
    assert np.isfinite(result.objective())


def test_a_shared_network_tells_its_rungs(world):
    parts, items = world
    trial = Trial.of(parts, least=10, encoder_id="e", apart=False)
    seen: list[TrialResult] = []
    network = replace(
        CONFIG.mlp, widths=[16], person="one_hot", person_dropout=0.0, fit=replace(CONFIG.mlp.fit, epochs=20, learning_rate=0.02)
    )
    result = trial.run(items, replace(CONFIG, mlp=network), rungs=(3,), after=seen.append)
    assert [(one.epoch, len(one.choosing)) for one in seen] == [(3, 0)]
    assert accuracies(trial, result).mean() > 0.7


def test_results_travel_as_bytes(world):
    parts, items = world
    result = Trial.of(parts, least=10, encoder_id="e").run(items, CONFIG, rungs=(), after=lambda _: None)
    back = TrialResult.from_bytes(result.to_bytes())
    assert back.epoch == result.epoch
    for name in ("loss", "choosing", "reporting"):
        np.testing.assert_array_equal(getattr(back, name), getattr(result, name))


def test_who_judged_too_little_is_left_out(world):
    parts, _ = world
    few = parts[0].select(np.zeros(0, np.int64), np.flatnonzero(parts[0].comparisons.person != 1)[:200])
    trial = Trial.of([few, *parts[1:]], least=10, encoder_id="e")
    assert trial.train.people == ("a", "c", "d")
    assert set(trial.chosen_by.person) == {0, 1, 2}
    with pytest.raises(ConfigError, match=r"nobody has 1000 judgements"):
        Trial.of(parts, least=1000, encoder_id="e")
