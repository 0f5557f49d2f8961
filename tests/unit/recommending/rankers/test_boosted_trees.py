"""LightGBM keeps the contract of every ranker."""

from support.ranker_suite import RankerContract

from beholder.recommending.rankers.boosted_trees import BoostedTreesConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig


class TestBoostedTrees(RankerContract):
    config = RankerConfig(kind="lightgbm", lightgbm=BoostedTreesConfig(trees=60))
