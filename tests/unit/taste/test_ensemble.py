"""The ensemble signs the contract; it weighs its parts by what held-out choices say, and learns on through them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.partial_doubles import PartialTaste
from support.taste_suite import ENCODER, PEOPLE, TasteContract, World, simulate

from beholder.errors import ConfigError
from beholder.storage import Place
from beholder.taste import ensemble, taste_factory, taste_registry
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.contract import Normal
from beholder.taste.ensemble import EnsembleConfig
from beholder.taste.mlp import MlpConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig

CONFIG = TasteConfig(
    kind="ensemble",
    bayes=BayesTasteConfig(components=[16], ranks=[4], spreads=[0.06], tempers=[1.0], strength=4.0, iterations=6),
    mlp=MlpConfig(widths=[32], dropout=0.0, person_size=8, fit=TrainingConfig(epochs=15, learning_rate=0.01)),
)


class TestEnsemble(TasteContract):
    def fit(self, world: World, items: np.ndarray, seed: int) -> ensemble.EnsembleTaste:
        found = taste_factory.fit(world.train, world.held_out, items, CONFIG, encoder_id=ENCODER, seed=seed)
        assert isinstance(found, ensemble.EnsembleTaste)
        return found

    def test_it_is_the_weighted_sum_of_its_parts(self, taste, shown):
        sums = sum(w * part.utilities(shown, ["person 1"], "smart") for w, part in zip(taste.weights[1], taste.parts, strict=True))
        assert np.allclose(taste.utilities(shown, ["person 1"], "smart"), sums, atol=1e-5)

    def test_its_doubt_is_that_of_the_part_that_knows_its_own(self, taste, shown):
        whole = taste.differences(shown[:5], shown[5:10], "person 1", "smart").variance
        part = taste.parts[0].differences(shown[:5], shown[5:10], "person 1", "smart").variance
        assert np.allclose(whole, taste.weights[1][0] ** 2 * part, rtol=1e-4)

    def test_a_choice_moves_the_utility_towards_it(self, taste, shown):
        info, tensors, settings = taste.info, taste.tensors(), taste.settings()
        fresh = taste_factory.load(info, tensors, settings)
        assert isinstance(fresh, ensemble.EnsembleTaste)
        before = fresh.differences(shown[:1], shown[1:2], "a stranger", "smart").mean[0]
        fresh.update(shown[0], shown[1], 1.0, "a stranger", "smart")
        assert fresh.differences(shown[:1], shown[1:2], "a stranger", "smart").mean[0] > before

    def test_somebody_new_becomes_known(self, taste, shown, world):
        stranger = world.train.of_people(np.arange(len(world.train.people)) == 0)
        told = ensemble.EnsembleTaste(taste.info, taste.parts, taste.weights).learn(stranger, shown)
        assert "person 0" in told.info.people
        assert len(told.parts) == len(taste.parts)


class Fixed(PartialTaste):
    """A part that says what it was given, [P, N]."""

    def __init__(self, utilities: np.ndarray):
        self.values = utilities

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        mine = self.values[PEOPLE.index(user_id)]
        return Normal(mine[left[:, 0].astype(int)] - mine[right[:, 0].astype(int)], np.zeros(len(left)))


@pytest.fixture(scope="module")
def world():
    return simulate(comparisons=8000, ratings=10)


@pytest.fixture(scope="module")
def truth(world):
    return world.truth[:, 1]


@pytest.fixture(scope="module")
def noise(truth):
    return np.random.default_rng(3).normal(size=truth.shape)


def weigh(world: World, *utilities: np.ndarray) -> np.ndarray:
    """Items are their own numbers, so that a part can look its answer up."""
    numbered = np.arange(len(world.latents), dtype=np.float64)[:, None]
    return ensemble.weigh([Fixed(each) for each in utilities], world.held_out.on_attribute(1), numbered, "smart", seed=0)


def test_a_part_that_knows_gets_the_weight_and_one_that_guesses_gets_none(world, truth, noise):
    knowing, guessing = weigh(world, truth, noise)
    assert 0.8 < knowing < 1.2
    assert guessing < 0.15


def test_two_parts_that_err_apart_are_both_heard(world, truth, noise):
    weights = weigh(world, truth + noise, truth - 0.5 * noise)
    assert weights[1] == pytest.approx(2 * weights[0], rel=0.3)


def test_a_part_that_is_always_wrong_is_left_out_not_turned_round(world, truth, noise):
    knowing, wrong = weigh(world, truth, noise - truth)
    assert knowing > 0.8
    assert wrong == 0


def test_without_held_out_choices_parts_weigh_the_same(world, truth):
    untold = replace(world, held_out=world.held_out.of_people(np.zeros(len(PEOPLE), bool)))
    assert np.allclose(weigh(untold, truth, truth), 0.5)


@pytest.mark.parametrize("parts", [["bayes"], ["bayes", "bayes"], ["bayes", "bays"], ["bayes", "lora"]])
def test_parts_have_to_be_two_known_tastes(parts):
    with pytest.raises(ConfigError):
        EnsembleConfig(parts=parts)


def test_a_card_of_version_0_1_0_can_be_read_and_rid_of_a_person(world, tmp_path):
    """It calls the kind "blend"; what is below is named as it is now."""
    models = Place.at(tmp_path)
    taste = taste_factory.fit(world.train, world.held_out, world.latents.astype(np.float32), CONFIG, encoder_id=ENCODER)
    taste_registry.write(models, "old", taste, figures={}, config={"taste": {"kind": "blend", "blend": {}}}, commit=None)
    card = json.loads((tmp_path / "old" / "card.json").read_text())
    assert list(card["settings"]["parts"][0]) == ["about", "settings"]
    card["about"]["kind"] = "blend"
    (tmp_path / "old" / "card.json").write_text(json.dumps(card))

    read = taste_registry.read(models, "old").taste
    assert read.info.kind == "ensemble"
    items = world.latents[:5].astype(np.float32)
    np.testing.assert_array_equal(read.utilities(items, PEOPLE, "smart"), taste.utilities(items, PEOPLE, "smart"))
    assert taste_registry.forget(models, PEOPLE[0]) == ["old"]
    assert PEOPLE[0] not in taste_registry.read(models, "old").taste.info.people
