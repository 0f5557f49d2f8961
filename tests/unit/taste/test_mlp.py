"""The frozen-embedding decoder: it signs the contract with every option, and what its settings say is what it does."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from support.taste_suite import ENCODER, PEOPLE, TasteContract, World, simulate
from torch import nn

from beholder import config
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, EmbeddingError, TasteError
from beholder.taste import mlp
from beholder.taste.mlp import BatchNorm, MlpConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig, TrainingHooks

SMALL = TrainingConfig(epochs=14, batch=128, learning_rate=0.01, patience=5, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestVector(TasteContract):
    settings = MlpConfig(widths=[48], person_size=16, dropout=0.0, fit=SMALL)

    def fit(self, world: World, items: np.ndarray, seed: int) -> mlp.Mlp:
        return mlp.fit(world.train, world.held_out, items, self.settings, encoder_id=ENCODER, seed=seed)


class TestOneHotPairs(TestVector):
    settings = MlpConfig(
        widths=[64, 32], person="one_hot", batchnorm=False, dropout=0.0, ratings_as="pairs", pairs=100, ensemble=2, fit=SMALL
    )


class TestNobody(TestVector):
    personal = False
    settings = MlpConfig(widths=[], person="none", fit=SMALL)


QUICK = MlpConfig(widths=[8], person_size=4, fit=replace(SMALL, epochs=3))


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(comparisons=600, ratings=300)


@pytest.fixture(scope="module")
def items(world) -> np.ndarray:
    return TasteContract().items(world)


def fitted(world: World, items: np.ndarray, settings: MlpConfig, **options) -> mlp.Mlp:
    return mlp.fit(world.train, world.held_out, items, settings, encoder_id=ENCODER, **options)


def test_batch_statistics_are_torchs():
    ours, theirs = BatchNorm(5), nn.BatchNorm1d(5)
    torch.manual_seed(0)
    for _ in range(3):
        x = 3 + 2 * torch.randn(7, 5)
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_statistics_far_from_zero_keep_their_precision():
    ours = BatchNorm(1)
    x = torch.tensor([[999.0], [1001.0]])
    torch.testing.assert_close(ours(x), torch.tensor([[-1.0], [1.0]]), atol=0.1, rtol=0)


def test_utilities_of_an_ensemble_are_the_mean_of_its_networks(world, items):
    two = fitted(world, items, replace(QUICK, ensemble=2), seed=5)
    tensors = two.tensors()
    single = []
    for number in range(2):
        own = {f"0.{k[2:]}": v for k, v in tensors.items() if k.startswith(f"{number}.")}
        shared = {k: v for k, v in tensors.items() if k in ("mean", "spread", "slope")}
        single.append(mlp.load(two.info, own | shared, two.settings() | {"ensemble": 1}))
    mean = sum(taste.utilities(items, PEOPLE, "smart") for taste in single) / 2
    np.testing.assert_allclose(two.utilities(items, PEOPLE, "smart"), mean, atol=1e-5)
    one, other = (taste.utilities(items, PEOPLE, "smart") for taste in single)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.99


def test_an_interrupted_ensemble_goes_on_where_it_was(world, items):
    settings = replace(QUICK, ensemble=3)
    expected = fitted(world, items, settings, seed=1).tensors()

    class Interrupt(Exception):
        pass

    def stop(driver: TrainingHooks, figures: dict[str, float]) -> None:
        if "network 1" in driver.states and figures["epoch"] == 2:
            raise Interrupt

    driver = TrainingHooks(after=stop)
    with pytest.raises(Interrupt):
        fitted(world, items, settings, seed=1, hooks=driver)
    found = fitted(world, items, settings, seed=1, hooks=TrainingHooks(states=driver.states)).tensors()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_progress_runs_through_the_whole_ensemble(world, items):
    steps = []
    fitted(world, items, replace(QUICK, ensemble=2), progress=lambda step, total, figures: steps.append((step, total)))
    assert steps == [(n, 6) for n in range(1, 7)]


def test_one_attribute_compared_and_the_other_rated_train_one_network(items):
    """Ratings of the first attribute and comparisons of the second are left out; both are found."""
    world = simulate()
    train = world.train.select(world.train.ratings.attribute == 1, world.train.comparisons.attribute == 0)
    held_out = world.held_out.select(world.held_out.ratings.attribute == 1, world.held_out.comparisons.attribute == 0)
    settings = MlpConfig(widths=[], person="none", fit=SMALL)
    taste = mlp.fit(train, held_out, items, settings, encoder_id=ENCODER)
    for number, name in enumerate(world.train.attributes):
        found = taste.utilities(items, ["anybody"], name)[0]
        assert np.corrcoef(found, world.truth[:-1, number].mean(axis=0))[0, 1] > 0.8


def test_what_does_not_fit_is_refused(world, items):
    with pytest.raises(EmbeddingError, match="240 images, got 239"):
        fitted(world, items[:-1], QUICK)
    with pytest.raises(TasteError, match="none"):
        mlp.fit(world.train.on_images(np.zeros(240, bool)), world.held_out, items, QUICK, encoder_id=ENCODER)
    taste = fitted(world, items, QUICK)
    with pytest.raises(TasteError, match="don't fit"):
        mlp.load(taste.info, taste.tensors(), taste.settings() | {"widths": [9]})
    with pytest.raises(TasteError, match="don't fit"):
        mlp.load(taste.info, {}, taste.settings())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"widths": [4, 0]}, "widths"),
        ({"activation": "rleu"}, "relu"),
        ({"person": "vecotr"}, "vector"),
        ({"ratings_as": "pair"}, "pairs"),
        ({"dropout": 1.0}, "dropout"),
        ({"person_dropout": -0.1}, "person_dropout"),
        ({"ensemble": 0}, "ensemble"),
        ({"person_decay": -1.0}, "person_decay"),
    ],
)
def test_settings_out_of_range_are_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        MlpConfig(**values)


@dataclass(frozen=True)
class Settings:
    taste: TasteConfig = config.setting(TasteConfig(), "a taste")
    encoder: EncoderConfig = config.setting(EncoderConfig(), "an encoder")


def test_the_published_one_is_as_it_was_published():
    found = config.load(Settings, command="train", overrides=["taste=mlp_published"]).taste
    assert found.kind == "mlp"
    published = found.mlp
    assert published.widths == [384, 256, 128, 64, 32]
    assert (published.activation, published.batchnorm, published.dropout) == ("relu", True, 0.1)
    assert (published.person, published.person_size, published.ensemble) == ("vector", 32, 1)
    assert (published.fit.learning_rate, published.fit.patience) == (0.003, 10)
