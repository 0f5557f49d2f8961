"""RankNet keeps the contract of every ranker, and is no other network's weights."""

import numpy as np
import pytest
import torch
from support.ranker_suite import RankerContract

from beholder.errors import ChoiceError
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.rank_network import RankNetwork
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.rankers.ranknet import RankNetConfig


class TestRankNet(RankerContract):
    config = RankerConfig(kind="ranknet", ranknet=RankNetConfig(steps=150))

    def test_weights_of_another_network_are_refused(self, fitted):
        tensors = dict(fitted.tensors())
        tensors["network.second.weight"] = np.zeros((3, 3), np.float32)
        with pytest.raises(ChoiceError, match=r"no weights of this RankNet: .*second\.weight"):
            ranker_factory.load(fitted.info, tensors, fitted.settings())

    def test_fitting_leaves_torch_s_random_numbers_alone(self, fitted):
        before = torch.random.get_rng_state()
        ranker_factory.load(fitted.info, dict(fitted.tensors()), fitted.settings())
        assert torch.equal(torch.random.get_rng_state(), before)


def test_scores_are_those_of_the_formula():
    """last(silu(second(silu(first(edit) + person(vector)))))."""
    config = RankNetConfig(hidden=3, person_size=2)
    network = RankNetwork.empty(4, config)
    network.draw_weights(torch.Generator().manual_seed(1))
    rng = np.random.default_rng(0)
    rows, vectors = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}

    def silu(x):
        return x / (1 + np.exp(-x))

    hidden = silu(rows @ weights["first.weight"].T + weights["first.bias"] + vectors @ weights["person.weight"].T)
    hidden = silu(hidden @ weights["second.weight"].T + weights["second.bias"])
    with torch.no_grad():
        scores = network(torch.tensor(rows, dtype=torch.float32), torch.tensor(vectors, dtype=torch.float32))
    np.testing.assert_allclose(scores.numpy(), (hidden @ weights["last.weight"].T)[:, 0], atol=1e-5)
