"""Simulated visitors choose by the taste that the sample's truth tells of them."""

import numpy as np
import pytest
import torch

from beholder import weights
from beholder.errors import ConfigError
from beholder.portraits import traits
from beholder.portraits.renderer import draw
from beholder.portraits.sample import SimulatedPerson

SAMPLE = weights.folder().parent / "sample"
ANA = "79b64dae036036c0790c453f"


@pytest.fixture(scope="module")
def ana() -> SimulatedPerson:
    return SimulatedPerson.of_sample(SAMPLE, ANA, attribute="attractive")


def test_what_they_like_in_drawings_is_what_their_weights_say(ana: SimulatedPerson) -> None:
    values = traits.sample(200, seed=5)
    pixels = np.stack(list(draw(values, 128)))
    true = ((values.numpy() - ana.mean) / ana.deviation) @ ana.weights
    assert np.corrcoef(ana.utilities(pixels), true)[0, 1] > 0.9
    assert ana.utilities(pixels).std() == pytest.approx(1, abs=0.4)


def test_they_choose_the_one_they_like_better_on_either_side(ana: SimulatedPerson) -> None:
    values = torch.full((2, len(traits.NAMES)), 0.5)
    values[:, traits.column("hat")] = torch.tensor([1.0, 0.0])  # this one likes hats
    hat, bare = draw(values, 128)
    assert (ana.choose(hat, bare), ana.choose(bare, hat)) == ("left", "right")


@pytest.mark.parametrize(("user_id", "attribute"), [("nobody", "attractive"), (ANA, "atractive")])
def test_somebody_unknown_is_said(user_id: str, attribute: str) -> None:
    with pytest.raises(ConfigError, match=r"the sample's people don't include (nobody|atractive)"):
        SimulatedPerson.of_sample(SAMPLE, user_id, attribute=attribute)
