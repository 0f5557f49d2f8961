"""A simulated study and what is found of it, for the tests of quality."""

import pytest

from beholder.jobs.bench.simulated_study import SimulatedStudy
from beholder.quality import measures, verdict
from beholder.quality.measures import MeasuresConfig, Reference
from beholder.quality.verdict import VerdictConfig
from beholder.taste.dataset import NO_TIME, TimedJudgements, from_tables

STUDY = SimulatedStudy(seed=5, steady=10, images=150, comparisons=1300, ratings=900)


@pytest.fixture(scope="session")
def study():
    """Timed judgements of 10 who look and 4 who don't, and the kind of each by user_id."""
    ratings, comparisons, kinds = STUDY.tables()
    ids = sorted({*ratings["image_id"].to_pylist(), *comparisons["left_id"].to_pylist(), *comparisons["right_id"].to_pylist()})
    dataset, _ = from_tables(ratings, comparisons, ids)
    at = [table["at"].cast("int64").fill_null(NO_TIME).to_numpy() for table in (ratings, comparisons)]
    return TimedJudgements(dataset, *at), kinds


@pytest.fixture(scope="session")
def judge_people():
    """The verdicts on timed judgements, in one process: `judge_people(timed, fewest=10)`."""

    def judge(timed: TimedJudgements, **verdicts):
        config = MeasuresConfig()
        images = len(timed.dataset.images)
        folds = range(config.predictability.folds)
        models = tuple(measures.fit_fold(timed, fold, images, config, seed=0) for fold in folds)
        reference = Reference(models, measures.usual_seconds(timed, config), measures.score_levels(timed))
        return verdict.decide(measures.measure(timed, reference, images, config, seed=0).table, VerdictConfig(**verdicts))[0]

    return judge
