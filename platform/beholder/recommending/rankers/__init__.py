"""Rankers: who would like which edit, under one contract.

contract (what a ranker does), kinds (fit and load by name), registry (rankers in a workspace), features (options as numbers);
logistic, trees (LightGBM), ranknet, and bayes, which learns on with each choice and knows how sure it is.
"""
