"""A simulated study and what is found of it, for the tests of quality."""

import pytest

from beholder.jobs.bench.simulated_study import SimulatedStudy
from beholder.quality import measures, verdict
from beholder.quality.measures import MeasuresConfig
from beholder.quality.verdict import VerdictConfig
from beholder.taste.dataset import TimedJudgements, timed_judgements

STUDY = SimulatedStudy(seed=5, steady=10, images=150, comparisons=1300, ratings=900)


@pytest.fixture(scope="session")
def study():
    """Timed judgements of 10 who look and 4 who don't, and the kind of each by user_id."""
    ratings, comparisons, kinds = STUDY.tables()
    return timed_judgements(ratings, comparisons), kinds


@pytest.fixture(scope="session")
def judge_people():
    """The verdicts on timed judgements, in one process: `judge_people(timed, fewest=10)`."""

    def judge(timed: TimedJudgements, **verdicts):
        counts = measures.measure_alone(timed, len(timed.dataset.images), MeasuresConfig(), seed=0)
        return verdict.decide(counts, VerdictConfig(**verdicts))[0]

    return judge
