"""Beginning: a Bayesian ranker where hardly anybody has chosen anything yet, and one fitted to everybody where they have."""

from collections.abc import Sequence

import numpy as np

from beholder.recommending.options import Event, Options
from beholder.recommending.rankers import bayes
from beholder.recommending.rankers.bayes import Bayes, BayesConfig
from beholder.recommending.rankers.contract import About
from beholder.recommending.rankers.features import Features, Opinion

ENOUGH = 10  # people with several choices each, from which a prior can be learned
_SEVERAL = 5


def learn(events: Sequence[Event], options: Options, config: BayesConfig, *, opinion: Opinion | None = None) -> Bayes:
    """A ranker that knows these choices, each person's in order.

    With choices of enough people the prior is learned from them; else nobody is thought to like anything in particular but what
    their taste (opinion) says. options: the candidates of some image, which tell how large features are.
    """
    counts: dict[str, int] = {}
    for event in events:
        counts[event.user_id] = counts.get(event.user_id, 0) + 1
    if sum(count >= _SEVERAL for count in counts.values()) >= ENOUGH:
        return bayes.fit(events, config, opinion=opinion)
    ranker = begin(options, config, opinion=opinion)
    for event in events:
        ranker.tell(event)
    return ranker


def begin(options: Options, config: BayesConfig, *, opinion: Opinion | None = None) -> Bayes:
    """A ranker that knows nobody: the taste's word counts as it is, everything else is thought to be worth 0, give or take."""
    changes = options.embeddings.astype(np.float64) - options.original
    axes = np.linalg.svd(changes, full_matrices=False)[2][: config.components]
    alphas = options.alphas.astype(np.float64)
    parts = [alphas, alphas**2, changes @ axes.T]
    sizes = [np.sqrt((part**2).mean(axis=0)) for part in parts[:2]]
    sizes.append(np.full(len(axes), np.sqrt((parts[2] ** 2).mean())))
    if opinion is not None:
        sizes.append(np.ones(1))
    whole = np.concatenate(sizes)
    shape = Features(axes, np.where(whole > 1e-9, whole, 1.0))
    about = About("bayes", options.directions, options.embeddings.shape[1])
    return Bayes(about, shape, bayes.untaught(len(options.directions), shape, opinion), {}, config, opinion)
