"""Acquisition functions: which two edits to show next, so that the answer is worth most.

`random`: any two. `thompson`: the best of two independent draws of the utilities (Thompson sampling). `eubo`: the two with the
highest expected utility of the best option (Lin et al. 2022, qEUBO of Astudillo et al. 2023). `information`: the two whose answer
has the highest mutual information with the person's weights (BALD, Houlsby et al. 2011). `both`: `information` for a person's
first questions, by which a taste is learned soonest (Birlutiu, Groot and Heskes 2013), then `eubo`, which finds the best edit.
`repeat`: an earlier question again, its sides swapped. `noise`: the two whose answer has the highest mutual information with how
the person answers at all: sharply or not, by a coin, always on one side. Both tell how far the other answers can be believed.

A question that a person can answer differs in few directions, and its pictures can be told apart.
"""

import functools
import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from beholder.config import setting
from beholder.errors import ChoiceError, ConfigError, nearest
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import JointNormal, Ranker
from beholder.statistics import sigmoid

Strategy = Literal["random", "thompson", "eubo", "information", "both"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
PURPOSES = {"learn": "information", "recommend": "eubo", "both": "both"}  # what questions are for -> a strategy
LEARN_FIRST = 10  # questions by information, of those for both
CHAMPION = "champion"
REPEAT, NOISE = "repeat", "noise"
NOTICEABLE = 0.2  # of the usual change under an edit, as `beholder simulate` measures it
_LATEST = 3  # questions that are not repeated yet
_UNDER = 2 / 3  # chance of the side on which the better edit was more rarely: a biased coin (Efron 1971)
_SHARP = 200  # pairs of the surest answers, among which the one that tells most of noise is looked for
_HEADS = 16  # of each list, edits that are compared with all others where few pairs may be asked
_DRAWN, _TRIES = 4096, 16  # pairs drawn at a time, and how often, before all are counted
_POOL = 256  # edits whose pairs are all evaluated; the rest can hardly be in the best pair
_FLAT = 0.02  # logits that an answer has to be worth for pairs to be told apart by the knowledge gradient
_BLOCK = 4096  # pairs whose values are held in memory at once
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)


@dataclass(frozen=True)
class QuestionsConfig:
    """What questions are for, and which of them a person can answer."""

    purpose: str = setting(
        "recommend", "learn: a person's taste, by information; recommend: the best edit, by eubo; both: the first, then the second"
    )
    learn_first: int = setting(LEARN_FIRST, "with purpose or strategy both: a person's first questions that are asked to learn")
    differ: int | None = setting(2, "directions that the two sides may differ in, at most: 1, 2, ...; null: any number")
    noticeable: float = setting(
        NOTICEABLE, "just noticeable difference of two pictures' embeddings, as a share of the usual change; 0: any difference"
    )
    noise_every: int | None = setting(
        2, "one question in so many may be one that tells how noisy the person's choices are; null: none"
    )
    noise_first: int = setting(0, "the first so many questions may be such ones, too")
    noise_bits: float = setting(0.03, "information, in bits, that such a question must have; else the strategy's own is asked")
    repeat_every: int | None = setting(10, "one question in so many is an earlier one with its sides swapped; null: none")

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise ConfigError(
                f"questions.purpose={self.purpose}: expected {', '.join(PURPOSES)}{nearest(self.purpose, list(PURPOSES))}"
            )
        if self.learn_first < 0:
            raise ConfigError(f"questions.learn_first must be at least 0, got {self.learn_first}")
        if self.differ is not None and self.differ < 1:
            raise ConfigError(f"questions.differ must be at least 1, or null for any number, got {self.differ}")
        if not 0 <= self.noticeable < 1:
            raise ConfigError(f"questions.noticeable must be from 0 to below 1, got {self.noticeable}")
        for name, every in (("noise_every", self.noise_every), ("repeat_every", self.repeat_every)):
            if every is not None and every < 2:
                raise ConfigError(f"questions.{name} must be at least 2, or null for none, got {every}")


ANY = QuestionsConfig(differ=None, noticeable=0.0, noise_every=None, noise_first=0, repeat_every=None)  # every pair may be asked


@dataclass(frozen=True)
class QuestionPair:
    """Two rows of an edit set to show. probability: of this pair being chosen, this way round; None where it is not known.

    strategy: what chose it: the one asked for, or `champion` where a ranker has no uncertainty to reduce.
    """

    left: int
    right: int
    probability: float | None
    strategy: str


def ask(
    strategy: str,
    ranker: Ranker,
    user_id: str,
    edit_set: EditSet,
    unedited: EditSet,
    *,
    seed: int,
    without: Collection[tuple[int, int]] = (),
    config: QuestionsConfig = ANY,
    lean: int = 0,
    number: int = 1,
) -> QuestionPair:
    """Return the next question for a person about C edits of an image; which side each goes to is drawn with the seed.

    unedited: the unedited image. without: pairs of rows that are not to be asked, either way round, such as those still open.
    config: what a question may be; where no such pair is left, any pair. lean: how many more questions had the edit of the higher
    utility on the left than on the right, as `lean` counts; the rarer side is drawn twice as often as the other. number: of the
    person's question, the first is 1.
    With a ranker that has no uncertainty no answer is worth more than another: whatever strategy but `random` is asked for, its
    champion is shown, the edit of the highest utility, beside one drawn at random. Raises ChoiceError for an unknown strategy, and
    where no pair is left.
    """
    if strategy not in STRATEGIES:
        raise ChoiceError(f"{strategy!r} is no strategy{nearest(strategy, list(STRATEGIES))}")
    if len(edit_set) < 2:
        raise ChoiceError(f"a question needs two edits to choose between, got {len(edit_set)}")
    if strategy == "both":
        strategy = "information" if number <= config.learn_first else "eubo"
    pairs = _Pairs(edit_set, without, config)
    rng = np.random.default_rng(seed)
    if strategy == "random":
        one, other, chance = pairs.draw(rng)
        utilities = ranker.utilities(user_id, edit_set) if lean else np.zeros(len(edit_set))
        return _sides(one, other, chance, strategy, utilities, lean, rng)
    joint = ranker.joint(user_id, edit_set)
    if not joint.factor.shape[1]:
        one, other, chance = _champion(joint, pairs, rng)
        strategy = CHAMPION
    elif strategy == "thompson":
        one, other = _thompson(joint, pairs, rng)
        return _sides(one, other, None, strategy, joint.mean, lean, rng)
    else:
        chance = 1.0
        noise = number <= config.noise_first or (config.noise_every is not None and number % config.noise_every == 0)
        telling = _noise_pair(ranker, user_id, edit_set, joint, pairs, config.noise_bits) if noise else None
        if telling is None:
            one, other = _best_pair(strategy, joint, ranker.joint(user_id, unedited), pairs)
        else:
            (one, other), strategy = telling, NOISE
    return _sides(one, other, chance, strategy, joint.mean, lean, rng)


def noise_information(weights: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return the mutual information of an answer and the hypothesis that holds, in bits, [P].

    weights [H]: probabilities of the hypotheses; chances [P, H]: P(left) under each.
    """
    return np.asarray(np.maximum(_entropy(chances @ weights) - _entropy(chances) @ weights, 0) / np.log(2))


def is_repeat(number: int, config: QuestionsConfig) -> bool:
    """Return whether a person's question of this number, the first is 1, is an earlier one again."""
    return config.repeat_every is not None and number % config.repeat_every == 0


def repeated(ranker: Ranker, user_id: str, sides: Sequence[tuple[EditSet, EditSet]]) -> int:
    """Return which of these questions, left and right, to ask again: the one whose answer tells most of how the person answers, or
    the first where that is not known."""
    left, right = (functools.reduce(operator.add, [pair[side] for pair in sides]) for side in (0, 1))
    hypotheses = ranker.hypotheses(user_id, right, left)
    return 0 if hypotheses is None else int(np.argmax(noise_information(*hypotheses)))


def repeatable(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return which of a person's answered questions, in order, may be asked again with their sides swapped: those that were asked
    once, and not just now. pairs: of rows, or of whatever names an edit."""
    counts: dict[frozenset[int], int] = {}
    for pair in pairs:
        counts[frozenset(pair)] = counts.get(frozenset(pair), 0) + 1
    return [number for number, pair in enumerate(pairs[:-_LATEST]) if counts[frozenset(pair)] == 1]


def lean(pairs: Sequence[tuple[int, int]], utilities: np.ndarray) -> int:
    """Return how many more of these pairs of rows, left and right, had the edit of the higher utility on the left."""
    return int(sum(np.sign(utilities[left] - utilities[right]) for left, right in pairs))


def _sides(
    one: int, other: int, chance: float | None, strategy: str, utilities: np.ndarray, lean: int, rng: np.random.Generator
) -> QuestionPair:
    """Draw which edit goes to the left. chance: of this pair, whichever way round."""
    better, worse = (one, other) if utilities[one] >= utilities[other] else (other, one)
    on_left = 0.5 if lean == 0 or utilities[one] == utilities[other] else _UNDER if lean < 0 else 1 - _UNDER
    kept = bool(rng.random() < on_left)
    share = on_left if kept else 1 - on_left
    left, right = (better, worse) if kept else (worse, better)
    return QuestionPair(left, right, None if chance is None else chance * share, strategy)


def eubo(left: np.ndarray, right: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return E[max(u_left, u_right)] of Gaussian utilities (Clark 1961).

    left, right: their means; deviation: the standard deviation of u_left - u_right, which may be 0.
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]

    gap = left - right
    sure = deviation < 1e-12
    z = gap / np.where(sure, 1.0, deviation)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    uncertain = left * ndtr(z) + right * ndtr(-z) + deviation * density
    return np.asarray(np.where(sure, np.maximum(left, right), uncertain))


def information(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the mutual information of an answer and the weights, in bits.

    It is H(E[p]) - E[H(p)] with p = sigma(x), x ~ N(mean, deviation^2).
    The answer depends on the weights through x alone, so the expectations are in one dimension (Gauss-Hermite, 16 nodes). It is 0
    where the answer is certain, or its probability is; at most 1.
    """
    weights = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)
    expected, within = np.zeros(mean.shape, np.float32), np.zeros(mean.shape, np.float32)
    for node, weight in zip(_NODES.astype(np.float32), weights, strict=True):
        x = (mean + node * deviation).astype(np.float32)
        tail = np.exp(-np.abs(x))  # everything of x from one exponential
        less = tail / (1 + tail)
        expected += weight * np.where(x >= 0, 1 - less, less)
        within += weight * (np.log1p(tail) + np.abs(x) * less)
    return np.asarray(np.clip((_entropy(expected) - within) / np.log(2), 0, 1))


def knowledge_gradient(joint: JointNormal, unedited: JointNormal, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the expected utility of the best option by what is known after the answer to each pair of rows, float64 [P].

    joint: of C edits; unedited: of the image without edits, which is an option too. Where any pair may be asked, the best option
    is one of the two that are shown, and this is `eubo` (Lin et al. 2022; Astudillo et al. 2023). Where few may, it need not be:
    the value is the knowledge gradient (Frazier et al. 2009) over the edits that can become the best, and the unedited image.
    """
    draws = joint.draws(64, seed=0)
    tops = [np.argsort(-joint.mean, kind="stable")[: 2 * _HEADS], np.unique(draws.argmax(axis=1))]
    tops += [np.argsort(-(joint.mean + np.sqrt((joint.factor**2).sum(axis=1))), kind="stable")[: 2 * _HEADS]]
    options = np.unique(np.concatenate(tops))
    means = np.concatenate([unedited.mean[:1], joint.mean[options]])
    factors = np.concatenate([unedited.factor[:1], joint.factor[options]])
    values = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        some = slice(start, start + _BLOCK)
        gap = joint.factor[rows[some]] - joint.factor[columns[some]]
        mean, variance = joint.mean[rows[some]] - joint.mean[columns[some]], np.einsum("pr,pr->p", gap, gap)
        # The moments of x ~ N(mean, variance) after an answer that is logistic in it, by MacKay's approximation (1992).
        shrink = 1 / np.sqrt(1 + np.pi / 8 * variance)
        left = sigmoid(shrink * mean)
        moved = gap @ factors.T * shrink[:, None]
        values[some] = left * (means + moved * (1 - left)[:, None]).max(axis=1)
        values[some] += (1 - left) * (means - moved * left[:, None]).max(axis=1)
    return values


class _Pairs:
    """Which pairs of C edits may be asked. without: pairs that may not, either way round."""

    def __init__(self, edit_set: EditSet, without: Collection[tuple[int, int]], config: QuestionsConfig) -> None:
        self.alphas, self.embeddings, self.count = edit_set.alphas, edit_set.embeddings, len(edit_set)
        self.without = {(min(pair), max(pair)) for pair in without}
        changes = self.embeddings - edit_set.original
        self.differ, self.noticeable = config.differ, config.noticeable * float(np.sqrt((changes**2).sum(axis=1).mean()))
        self.left_over = self.count * (self.count - 1) // 2 - len(self.without)
        if self.left_over < 1:
            raise ChoiceError(f"all {len(self.without)} pairs of {self.count} edits are to be left out: answer one of them first")
        if self.restricted and not any(self.partners(row).any() for row in range(self.count)):
            self.differ, self.noticeable = None, 0.0

    @property
    def restricted(self) -> bool:
        """Whether more is asked of a pair than that it is not excluded."""
        return self.differ is not None or self.noticeable > 0

    def partners(self, row: int) -> np.ndarray:
        """Return which rows may be shown beside this one, bool [C]."""
        free = self.allowed(np.full(self.count, row), np.arange(self.count))
        free[[row, *(one + other - row for one, other in self.without if row in (one, other))]] = False
        return free

    def allowed(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return which of these pairs differ in few directions and noticeably, bool [P]; those excluded are not looked for."""
        free = np.ones(len(rows), bool)
        if self.differ is not None:
            free = np.count_nonzero(self.alphas[rows] != self.alphas[columns], axis=1) <= self.differ
        if self.noticeable > 0:
            at = np.flatnonzero(free)
            gaps = self.embeddings[rows[at]] - self.embeddings[columns[at]]
            free[at] = np.einsum("pe,pe->p", gaps, gaps) >= self.noticeable**2
        return free

    def draw(self, rng: np.random.Generator) -> tuple[int, int, float | None]:
        """Draw a pair that may be asked, uniformly, and return its probability; None where too many pairs had to be counted."""
        if not self.restricted and 2 * self.left_over > len(self.without):
            while True:
                one, other = (int(row) for row in rng.choice(self.count, 2, replace=False))
                if (min(one, other), max(one, other)) not in self.without:
                    return one, other, 1 / self.left_over
        for _ in range(_TRIES if self.count > _POOL else 0):
            rows, columns = rng.integers(self.count, size=(2, _DRAWN))
            free = np.flatnonzero(~self.out(rows, columns))
            if len(free):
                return int(rows[free[0]]), int(columns[free[0]]), None
        rows, columns = np.triu_indices(self.count, 1)
        free = np.flatnonzero(~self.out(rows, columns))
        chosen = free[int(rng.integers(len(free)))]
        return int(rows[chosen]), int(columns[chosen]), 1 / len(free)

    def out(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return which of these pairs may not be asked, bool [P]."""
        known = np.array([one * self.count + other for one, other in self.without], np.int64)
        excluded = np.isin(np.minimum(rows, columns) * self.count + np.maximum(rows, columns), known) | (rows == columns)
        return np.asarray(excluded | ~self.allowed(rows, columns))


def _champion(joint: JointNormal, pairs: _Pairs, rng: np.random.Generator) -> tuple[int, int, float]:
    """Return the edit of the highest utility, another one drawn at random, and the probability of that one."""
    for best in np.argsort(-joint.mean, kind="stable"):
        free = np.flatnonzero(pairs.partners(int(best)))
        if len(free):
            return int(best), int(rng.choice(free)), 1 / len(free)
    raise AssertionError("some pair is left over")


def _thompson(joint: JointNormal, pairs: _Pairs, rng: np.random.Generator) -> tuple[int, int]:
    """Return the best of one draw and the best of another; where that is the same edit, the second's next best."""
    one, other = joint.draws(2, seed=int(rng.integers(2**63)))
    for left in np.argsort(-one, kind="stable"):
        free = pairs.partners(int(left))
        if free.any():
            return int(left), int(np.argmax(np.where(free, other, -np.inf)))
    raise AssertionError("some pair is left over")


def _best_pair(strategy: str, joint: JointNormal, unedited: JointNormal, pairs: _Pairs) -> tuple[int, int]:
    """Return the pair of the highest value by the acquisition function, the lower row first."""
    rows, columns = _evaluated(joint, unedited, pairs.restricted)
    out = pairs.out(rows, columns)
    if out.all():  # only where nearly every pair is open
        left, right, _ = pairs.draw(np.random.default_rng(0))
        return min(left, right), max(left, right)
    rows, columns = rows[~out], columns[~out]
    values = knowledge_gradient(joint, unedited, rows, columns) if strategy == "eubo" and pairs.restricted else None
    if values is None or values.max() < max(float(joint.mean.max()), float(unedited.mean[0])) + _FLAT:
        # Where no single answer can change what is best, the gradient is flat and tells nothing.
        mean, deviation = _gaps(joint, rows, columns)
        values = eubo(joint.mean[rows], joint.mean[columns], deviation) if strategy == "eubo" else information(mean, deviation)
    best = int(np.argmax(values))
    left, right = int(rows[best]), int(columns[best])
    return min(left, right), max(left, right)


def _noise_pair(
    ranker: Ranker, user_id: str, edit_set: EditSet, joint: JointNormal, pairs: _Pairs, least: float
) -> tuple[int, int] | None:
    """Return the pair whose answer tells most of how the person answers, among those whose answer is surest; None where that is
    less than so many bits, or the ranker has no hypotheses."""
    order = np.argsort(-joint.mean, kind="stable")
    heads = np.concatenate([order[:_HEADS], order[-_HEADS:]])
    rows, columns = np.repeat(heads, pairs.count), np.tile(np.arange(pairs.count), len(heads))
    mean, deviation = _gaps(joint, rows, columns)
    sure = np.argsort(-np.abs(mean) / np.sqrt(1 + deviation**2), kind="stable")
    kept: list[int] = []
    for start in range(0, len(sure), 10 * _SHARP):
        some = sure[start : start + 10 * _SHARP]
        kept += some[~pairs.out(rows[some], columns[some])].tolist()
        if len(kept) >= _SHARP:
            break
    at = np.array(kept[:_SHARP], np.int64)
    hypotheses = ranker.hypotheses(user_id, edit_set[rows[at]], edit_set[columns[at]]) if len(at) else None
    if hypotheses is None:
        return None
    values = noise_information(*hypotheses)
    best = int(np.argmax(values))
    if values[best] < least:
        return None
    one, other = int(rows[at[best]]), int(columns[at[best]])
    return min(one, other), max(one, other)


def _evaluated(joint: JointNormal, unedited: JointNormal, restricted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows to evaluate, always the same ones: of rows that are best on average, best in some draw, or most
    uncertain. Restricted: fewer of these, each beside every row."""
    count = len(joint.mean)
    if count <= _POOL:
        rows, columns = np.triu_indices(count, 1)
        return rows, columns
    variance = ((joint.factor - unedited.factor) ** 2).sum(axis=1)
    draws = joint.draws(64, seed=0)
    bounds = -(joint.mean + 2 * np.sqrt(variance))  # upper confidence bounds, negated
    if restricted:
        lists = [np.argsort(-joint.mean), np.argsort(bounds), np.argsort(-variance)]
        tops = np.unique(draws.argmax(axis=1))
        heads = np.unique(np.concatenate([tops[:_HEADS], *(each[:_HEADS] for each in lists)]))
        return np.repeat(heads, count), np.tile(np.arange(count), len(heads))
    tops = np.argpartition(-draws, 4, axis=1)[:, :4].ravel()
    lists = [np.argsort(-joint.mean)[: _POOL // 4], np.unique(tops), np.argsort(bounds)[: _POOL // 4], np.argsort(-variance)]
    pool = np.sort(np.array(list(dict.fromkeys(np.concatenate(lists).tolist()))[:_POOL]))
    rows, columns = np.triu_indices(len(pool), 1)
    return pool[rows], pool[columns]


def _gaps(joint: JointNormal, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of u_row - u_column."""
    named, at = np.unique(rows, return_inverse=True)
    products = (joint.factor[named] @ joint.factor.T)[at, columns]
    variance = np.einsum("cr,cr->c", joint.factor, joint.factor)
    spread = variance[rows] + variance[columns] - 2 * products
    return joint.mean[rows] - joint.mean[columns], np.sqrt(np.maximum(spread, 0))


def _entropy(p: np.ndarray) -> np.ndarray:
    """Return the entropy of Bernoulli variables, in nats."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.asarray(-p * np.log(p) - (1 - p) * np.log1p(-p))
