"""Four portraits whose edits do exactly what their names say, and people who are asked about two of them."""

import numpy as np
import pytest

from beholder.portraits import traits
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.simulation import simulated_people
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig

NAMES = ("smile", "older", "bigger_eyes")
RAISED = [traits.column(name) for name in ("smile", "age", "eye_size")]


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Their embeddings are the traits, rotated."""
    edits = candidates(dict.fromkeys(NAMES, (-3.0, 3.0)), CandidatesConfig(count=60))
    unedited = traits.sample(4, seed=1).numpy()
    edited = np.repeat(unedited[:, None], len(edits), axis=1)
    edited[:, :, RAISED] += 0.2 * edits.alphas
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(19, 19)))[0].astype(np.float32)
    return GroundTruth(edits, (10, 11, 12, 13), None, unedited @ rotation, unedited, edited @ rotation, edited)


@pytest.fixture(scope="module")
def people(truth: GroundTruth) -> list[SimulatedChooser]:
    return simulated_people.people(SimulatedPeopleConfig(steady=9, noisy=2, drifting=1), truth, [2, 3], seed=5)
