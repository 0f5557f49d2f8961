"""The Bayesian ranker: a mixture of Gaussians over each person's weights that every choice updates.

u(edit) = regressors(edit).w. The usual person's weights are N(m, S); a person's own are that many times as large as their choices
are sharp, which is one of a few hypotheses of `choice_noise`, and there are people without a taste. m, S and how probable each
hypothesis is are learned from everybody's choices by expectation maximisation (empirical Bayes). A choice then updates the
person's own Gaussians in a fraction of a millisecond. Old choices fade: between two choices a person's weights follow an
Ornstein-Uhlenbeck process whose stationary distribution is the prior, so that evidence halves in `half_life` choices and somebody
who answers nothing stays put.

The chance that the best of many edits is preferred is the posterior's own. Under a prior that people really are drawn from,
selecting the best by the same posterior does not bias it (Dawid 1994, Selection paradoxes of Bayesian inference): what was seen as
the winner's curse is a prior or a noise that is wrong for the person, so both are learned here.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.process import one_blas_thread
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.choice_noise import ChoiceNoise, ChoiceNoiseConfig, NoisyPosterior
from beholder.recommending.rankers.ranker import Gain, JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior, fit_regressors, moves, regressors_of
from beholder.taste import gaussian
from beholder.taste.gaussian import Gaussian

_VARIANCE = 0.3  # of each regressor's weight before anybody is known, in logits
_LENGTH, _SQUARE = -1.0, -0.15  # the means of the weights of a squared length, which deviates as much, and of a squared alpha
ENOUGH = 10  # people with several choices each, from which a prior can be learned
_SEVERAL = 5
_BLOCK = 64  # people whose choices are learned from together


@dataclass(frozen=True)
class BayesRankerConfig:
    """The regressors, how the prior is learned, and how choices fade."""

    components: int = setting(32, "principal components of the embedding's change that are regressors; 0: each of its numbers")
    curved: bool | None = setting(
        None,
        "whether changes are thought to be liked up to a point: how far the embedding changes, squared, is a regressor, too; null: "
        "for looks",
    )
    strength: float = setting(
        100.0, "how many people the diagonal that the prior's covariance is shrunk to is worth; where curved, it is that diagonal"
    )
    iterations: int = setting(15, "steps of expectation maximisation (EM) that learn the prior")
    half_life: float | None = setting(200.0, "choices after which a choice counts half; null: choices never fade")
    noise: ChoiceNoiseConfig = setting(ChoiceNoiseConfig(), "how people turn what they like into choices")

    def __post_init__(self) -> None:
        if self.components < 0 or self.iterations < 1 or self.strength <= 0:
            raise ConfigError("ranker.bayes.components must be at least 0, iterations at least 1, strength above 0")
        if self.half_life is not None and not self.half_life > 0:
            raise ConfigError(f"ranker.bayes.half_life must be above 0 choices, or null, got {self.half_life}")

    @property
    def kept(self) -> float:
        """The share of what is known of somebody's weights that is left one choice later."""
        return 1.0 if self.half_life is None else float(0.5 ** (1 / self.half_life))


class BayesRanker(Ranker):
    """Implements Ranker. prior: of the usual person's weights [F]; posteriors: of each person. taste_prior: a taste whose utility
    is one more regressor."""

    def __init__(
        self,
        info: RankerInfo,
        regressors: EditRegressors,
        prior: Gaussian,
        noise: ChoiceNoise,
        posteriors: Mapping[str, NoisyPosterior],
        config: BayesRankerConfig,
        taste_prior: TastePrior | None = None,
    ) -> None:
        self.info, self.regressors, self.prior, self.config, self.taste_prior = info, regressors, prior, config, taste_prior
        self.noise, self.start = noise, NoisyPosterior.before(noise, prior)
        self.posteriors = dict(posteriors)

    def posterior(self, user_id: str) -> Gaussian:
        """Return the posterior of a person's weights as one Gaussian; of somebody unknown, the prior."""
        return self.posteriors.get(user_id, self.start).matched(self.noise)

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        before = self.posteriors.get(comparison.user_id)
        self.posteriors[comparison.user_id] = (before or self.start).update(
            self.noise,
            self.start,
            _gaps(self.regressors, comparison, self.taste_prior),
            np.asarray(comparison.outcome),
            first=before is None,
        )

    def remove_person(self, user_id: str) -> bool:
        return self.posteriors.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "BayesRanker":
        own = {name: posterior for name, posterior in self.posteriors.items() if name == user_id}
        return BayesRanker(self.info, self.regressors, self.prior, self.noise, own, self.config, self.taste_prior)

    def with_noise(self, noise: ChoiceNoise) -> "BayesRanker":
        """Return this ranker with other probabilities of the same hypotheses of how people choose."""
        own = {name: NoisyPosterior(each.means, each.covariances, each.evidence) for name, each in self.posteriors.items()}
        return BayesRanker(self.info, self.regressors, self.prior, noise, own, self.config, self.taste_prior)

    def utilities(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        return np.asarray((self._rows(user_id, edit_set) @ self.posterior(user_id).mean).astype(np.float32))

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        rows, posterior = self._rows(user_id, edit_set), self.posterior(user_id)
        return JointNormal(rows @ posterior.mean, rows @ _factor(posterior.covariance))

    def gain_over(self, user_id: str, edit_set: EditSet, original: EditSet) -> Gain:
        rows = self._rows(user_id, original + edit_set)
        rows = rows[1:] - rows[0]
        state = self.posteriors.get(user_id, self.start)
        mean, variance = state.matched(self.noise).project(rows)
        return Gain(mean, np.maximum(variance, 0), state.chances(self.noise, rows))

    def hypotheses(self, user_id: str, left: EditSet, right: EditSet) -> tuple[np.ndarray, np.ndarray] | None:
        rows = self._rows(user_id, left) - self._rows(user_id, right)
        state = self.posteriors.get(user_id, self.start)
        return state.weights(self.noise), state.answers(self.noise, rows)

    def _rows(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        """Return the regressors of edits, [C, F]."""
        self.info.check(edit_set)
        return self.regressors.of(edit_set, self.taste_prior.of(user_id, edit_set) if self.taste_prior else None)

    def tensors(self) -> Mapping[str, np.ndarray]:
        width, size, known = self.regressors.width, len(self.noise), list(self.posteriors.values())
        means = np.array([each.means for each in known]).reshape(-1, size, width)
        covariances = [own for each in known for own in each.covariances]
        return self.regressors.tensors() | {
            "prior.mean": self.prior.mean,
            "prior.covariance": gaussian.lower_triangle([self.prior.covariance], width)[0],
            "prior.noise": self.noise.prior,
            "means": means,
            "covariances": gaussian.lower_triangle(covariances, width).reshape(len(known), size, width * (width + 1) // 2),
            "evidence": np.array([each.evidence for each in known]).reshape(-1, len(self.noise.prior)),
        }

    def settings(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "people": list(self.posteriors),
            "opinion": self.taste_prior is not None,
        }  # as stored


@one_blas_thread
def fit(
    comparisons: Sequence[Comparison], config: BayesRankerConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> BayesRanker:
    """Learn the prior from everybody's choices, and the posterior of each person. Nothing is random: seed is not used."""
    regressors = fit_regressors(comparisons, components=config.components, curved=bool(config.curved), taste_prior=taste_prior)
    directions = comparisons[0].left.directions
    blocks = _blocks(len(directions), regressors, taste_prior)
    people: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        people.setdefault(comparison.user_id, []).append(comparison)
    histories = [_history(mine, regressors, taste_prior) for mine in people.values()]
    prior, lasting = weak_prior(len(directions), regressors, taste_prior), ChoiceNoise.of(replace(config.noise, drifting=None), 1.0)
    for _ in range(config.iterations):
        state = _filtered(lasting, prior, histories)
        prior = _likeliest_prior(state, lasting, blocks, config.strength, curved=bool(config.curved))
        lasting = lasting.learned(state.evidence, config.noise.people)
    noise = ChoiceNoise.of(config.noise, config.kept)
    state = _filtered(noise, prior, histories)
    noise = noise.learned(state.evidence, config.noise.people)
    posteriors = {
        user_id: NoisyPosterior(state.means[row], state.covariances[row], state.evidence[row]) for row, user_id in enumerate(people)
    }
    info = RankerInfo("bayes", directions, comparisons[0].left.embeddings.shape[1])
    return BayesRanker(info, regressors, prior, noise, posteriors, config, taste_prior)


def weak_prior(count: int, regressors: EditRegressors, taste_prior: TastePrior | None) -> Gaussian:
    """Return the prior before a single choice is known, of the weights of regressors over `count` directions.

    The taste's utility has the weight 1, every other regressor 0, with a variance. That of squares is smaller: that somebody
    likes a strength in the middle best is rarer than that they like more of it, or less. Where regressors are curved, the farther a
    change goes, the less it is liked.
    """
    blocks = _blocks(count, regressors, taste_prior)
    mean, variances = np.zeros(regressors.width), np.full(regressors.width, _VARIANCE)
    variances[blocks[1]] = _VARIANCE / 10
    if regressors.curved:
        mean[blocks[3]], variances[blocks[3]] = _LENGTH, _LENGTH**2
        mean[blocks[1]] = _SQUARE
    if taste_prior is not None:
        mean[blocks[-1]] = 1.0
    return Gaussian(mean, np.diag(variances))


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> BayesRanker:
    """Rebuild a ranker from what `tensors()` and `settings()` gave."""
    regressors = EditRegressors.of_tensors(tensors)
    stored = dict(settings["config"])
    config = BayesRankerConfig(**{**stored, "noise": ChoiceNoiseConfig(**stored["noise"])})
    width = regressors.width
    prior = Gaussian(tensors["prior.mean"], gaussian.symmetric(tensors["prior.covariance"], width))
    grid = ChoiceNoise.of(config.noise, config.kept)
    noise = ChoiceNoise(grid.sharpness, grid.lapse, grid.kept, tensors["prior.noise"])
    rows = zip(settings["people"], tensors["means"], tensors["covariances"], tensors["evidence"], strict=True)
    posteriors = {
        user_id: NoisyPosterior(means, np.stack([gaussian.symmetric(lower, width) for lower in triangles]), evidence)
        for user_id, means, triangles, evidence in rows
    }
    return BayesRanker(info, regressors, prior, noise, posteriors, config, taste_prior)


def _filtered(noise: ChoiceNoise, prior: Gaussian, histories: Sequence[tuple[np.ndarray, np.ndarray]]) -> NoisyPosterior:
    """Return what is known of P people after their choices: differences [N, F] and outcomes [N] of each."""
    start = NoisyPosterior.before(noise, prior)
    parts = [_filtered_block(noise, start, histories[first : first + _BLOCK]) for first in range(0, len(histories), _BLOCK)]
    means, covariances, evidence = (
        np.concatenate([getattr(each, name) for each in parts]) for name in ("means", "covariances", "evidence")
    )
    return NoisyPosterior(means, covariances, evidence)


def _filtered_block(
    noise: ChoiceNoise, start: NoisyPosterior, histories: Sequence[tuple[np.ndarray, np.ndarray]]
) -> NoisyPosterior:
    means, covariances, evidence = (
        np.repeat(each[None], len(histories), axis=0) for each in (start.means, start.covariances, start.evidence)
    )
    counts = np.array([len(outcomes) for _, outcomes in histories])
    for turn in range(counts.max(initial=0)):
        rows = np.flatnonzero(counts > turn).tolist()
        differences, outcomes = (np.array([histories[row][part][turn] for row in rows]) for part in (0, 1))
        state = NoisyPosterior(means[rows], covariances[rows], evidence[rows])
        state = state.update(noise, start, differences, outcomes, first=turn == 0)
        means[rows], covariances[rows], evidence[rows] = state.means, state.covariances, state.evidence
    return NoisyPosterior(means, covariances, evidence)


def _likeliest_prior(
    state: NoisyPosterior, noise: ChoiceNoise, blocks: Sequence[slice], strength: float, *, curved: bool
) -> Gaussian:
    """Return the prior of the usual person that makes these posteriors likeliest, its covariance shrunk to a diagonal that is even
    in each block. Each person counts by the probability of a taste, each hypothesis at the scale of its sharpness.

    curved: the covariance is that diagonal, as there are more regressors than a few dozen people tell of.
    """
    scale = noise.sharpness[:, None]
    weights = state.weights(noise)[:, : len(noise)]
    total = max(float(weights.sum()), 1e-9)
    means = state.means / scale
    mean = np.einsum("pj,pjd->d", weights, means) / total
    deviations = (means - mean) * np.sqrt(weights)[..., None]
    deviations = deviations.reshape(-1, len(mean))
    within = np.einsum("pj,pjde->de", weights / scale[:, 0] ** 2, state.covariances)
    moment = (deviations.T @ deviations + within) / total
    usual = np.diag(moment)
    even = np.concatenate([np.full(len(usual[block]), usual[block].mean()) for block in blocks])
    if curved:
        told = np.diag(deviations.T @ deviations) / total
        return Gaussian(_shrunk(mean, even, told, blocks[:3], total), np.diag(even))
    return Gaussian(mean, gaussian.shrink(moment, total, target=np.diag(even), strength=strength))


def _shrunk(mean: np.ndarray, spread: np.ndarray, told: np.ndarray, blocks: Sequence[slice], people: float) -> np.ndarray:
    """Return what all share, with these blocks shrunk to 0 by how well it is known: the positive-part estimator of James and Stein
    (1961). spread: variances of people's weights; told: the part of these that people's choices tell of, as of so many fewer
    people."""
    result = mean.copy()
    for block in blocks:
        known = people * float(told[block].sum() / max(spread[block].sum(), 1e-12))
        size = float((mean[block] ** 2 / spread[block]).sum()) * known
        result[block] *= max(0.0, 1 - max(len(mean[block]) - 2, 0) / max(size, 1e-9))
    return result


def _blocks(count: int, regressors: EditRegressors, taste_prior: TastePrior | None) -> list[slice]:
    """Return the columns of each kind: alphas of `count` directions, squares, changes of the embedding, their squared length where
    that is a regressor, the taste's utility."""
    edges = [0, count, 2 * count, 2 * count + len(regressors.axes)]
    edges += [edges[-1] + 1] * regressors.curved + [regressors.width] * (taste_prior is not None)
    return [slice(first, last) for first, last in itertools.pairwise(edges)]


def _history(
    comparisons: Sequence[Comparison], regressors: EditRegressors, taste_prior: TastePrior | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return one person's choices as differences of regressors [N, F] and outcomes [N]."""
    gaps = np.array([_gaps(regressors, comparison, taste_prior) for comparison in comparisons])
    return gaps, np.array([comparison.outcome for comparison in comparisons], np.float64)


def _gaps(regressors: EditRegressors, comparison: Comparison, taste_prior: TastePrior | None) -> np.ndarray:
    """Return the regressors of the left side minus those of the right one, [F]."""
    if taste_prior is None:
        return np.asarray((regressors.of(comparison.left) - regressors.of(comparison.right))[0])
    left, right = (regressors.of(side, taste_prior.of(comparison.user_id, side)) for side in (comparison.left, comparison.right))
    return np.asarray((left - right)[0])


def _factor(covariance: np.ndarray) -> np.ndarray:
    """Return R with R R' = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # rounding after very many choices
        values, axes = np.linalg.eigh(covariance)
        return np.asarray(axes * np.sqrt(np.maximum(values, 0)))


def start(
    comparisons: Sequence[Comparison], edit_set: EditSet, config: BayesRankerConfig, *, taste_prior: TastePrior | None = None
) -> BayesRanker:
    """Return a ranker that has learned from these choices, each person's in order.

    With choices of enough people the prior is learned from them; else it is the weak one of `begin`. edit_set: the candidates of
    some image, which tell how large the regressors are.
    """
    counts: dict[str, int] = {}
    for comparison in comparisons:
        counts[comparison.user_id] = counts.get(comparison.user_id, 0) + 1
    if sum(count >= _SEVERAL for count in counts.values()) >= ENOUGH:
        return fit(comparisons, config, taste_prior=taste_prior)
    ranker = begin(edit_set, config, taste_prior=taste_prior)
    for comparison in comparisons:
        ranker.update(comparison)
    return ranker


def begin(edit_set: EditSet, config: BayesRankerConfig, *, taste_prior: TastePrior | None = None) -> BayesRanker:
    """Return a ranker that knows nobody, with `weak_prior`. edit_set: as in `start`."""
    changes = edit_set.embeddings.astype(np.float64) - edit_set.original
    axes = np.linalg.svd(changes, full_matrices=False)[2][: config.components] if config.components else np.eye(changes.shape[1])
    rows = moves(edit_set, axes)
    if taste_prior is not None:
        rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    regressors = regressors_of(rows, axes, len(edit_set.directions), curved=bool(config.curved))
    info = RankerInfo("bayes", edit_set.directions, edit_set.embeddings.shape[1])
    prior = weak_prior(len(edit_set.directions), regressors, taste_prior)
    return BayesRanker(info, regressors, prior, ChoiceNoise.of(config.noise, config.kept), {}, config, taste_prior)
