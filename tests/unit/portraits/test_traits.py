"""Traits: the map from latents is smooth, has the wanted spread, and keeps what goes together weak."""

import pytest
import torch

from beholder.portraits import traits


@pytest.fixture(scope="module")
def drawn() -> torch.Tensor:
    return traits.sample(20_000, seed=4)


def test_values_are_in_range_and_graded_traits_have_their_spread(drawn: torch.Tensor) -> None:
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    for name in traits.GRADED:
        values = drawn[:, traits.column(name)]
        assert values.mean() == pytest.approx(0.5, abs=0.01)
        assert values.std() == pytest.approx(0.2, abs=0.01)


def test_yes_no_traits_are_settled_at_their_rate(drawn: torch.Tensor) -> None:
    for trait in traits.TRAITS:
        if trait.kind == "yes/no":
            values = drawn[:, traits.column(trait.name)]
            assert set(values.unique().tolist()) == {0.0, 1.0}
            assert values.mean() == pytest.approx(trait.rate, abs=0.015)


def test_correlations_are_present_and_weak(drawn: torch.Tensor) -> None:
    found = torch.corrcoef(drawn.T) - torch.eye(len(traits.TRAITS))
    assert found.abs().max() < 0.35
    assert found[traits.column("age"), traits.column("receding")] > 0.15
    assert found[traits.column("smile"), traits.column("hat")].abs() < 0.03


def test_length_of_a_latent_means_nothing() -> None:
    z = torch.randn(8, traits.LATENT_SIZE)
    assert torch.allclose(traits.from_latents(z), traits.from_latents(5 * z), atol=1e-4)


def test_map_is_smooth() -> None:
    z = torch.randn(500, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(1))
    step = 0.001 * torch.randn(500, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(2))
    assert (traits.from_latents(z + step) - traits.from_latents(z)).abs().max() < 0.03


def test_a_score_moves_its_own_trait_only_and_never_backwards() -> None:
    scores = torch.zeros(9, len(traits.TRAITS))
    scores[:, 3] = torch.linspace(-4, 4, 9)
    values = traits.from_scores(scores)
    assert (values[:, 3].diff() > 0).all()
    others = [i for i in range(len(traits.TRAITS)) if i != 3]
    assert (values[:, others] == values[0, others]).all()


def test_same_seed_same_people() -> None:
    assert torch.equal(traits.sample(5, seed=9), traits.sample(5, seed=9))
    assert not torch.equal(traits.sample(5, seed=9), traits.sample(5, seed=10))
