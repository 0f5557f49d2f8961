"""The frozen-embedding decoder: it signs the contract with every option, and one network is the same however it is run."""

import numpy as np
import pytest
import torch
from contract_suite import ENCODER, PEOPLE, TasteContract, World, simulate

from beholder import config
from beholder.errors import ConfigError, EmbeddingError, TasteError
from beholder.taste import mlp
from beholder.taste.fit import FitConfig
from beholder.taste.kinds import TasteConfig
from beholder.taste.mlp import BatchNorm, MlpConfig

SMALL = FitConfig(epochs=14, batch=128, learning_rate=0.01, patience=5, device="cpu")


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
