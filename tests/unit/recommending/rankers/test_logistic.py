"""Logistic regression keeps the contract of every ranker."""

from support.ranker_suite import RankerContract

from beholder.recommending.rankers.ranker_factory import RankerConfig


class TestLogistic(RankerContract):
    config = RankerConfig(kind="logistic")
