"""Rankers: models of who would choose which edit, under one contract.

ranker           the contract: joint utilities, updates, the gain over the unedited image
ranker_factory   every kind by name: fit, load, start a service
ranker_features  edits as regressors: alphas, squares, the change of the embedding, a taste's utility
bayes_ranker     a mixture of Gaussians per person, updated on each choice
choice_noise     how people turn what they like into choices: sharply, in lapses, drifting, by a coin, always on one side
logistic         logistic regression, population weights and the person's own
boosted_trees    LightGBM on pairs
ranknet          PreferenceRankNet, a small network on pairs
rank_network     its network and training
history          choices as arrays, for kinds that fit a person anew
"""
