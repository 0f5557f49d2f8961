"""Likelihood: how probable judgements are under utilities, in torch; the same for every network.

A comparison: P(left) = sigma(d - band), P(right) = sigma(-d - band), a tie the rest, with d = u_left - u_right and a band that
is learned, per attribute, where there are ties (Davidson and Rao-Kupper's idea for the Bradley-Terry model). A rating: an ordered
logit (McCullagh 1980) of the same utility, with cuts per attribute that each person shifts and stretches.

A scale of more than MOST_LEVELS points, such as a slider of 0 to 100, has no cut for each: they would be more parameters than many
people give ratings, and most points are used once or never. Its scores count as deviations from the person's own mean in the
person's own standard deviations (`rating_scale`), so that nobody's resolution is lost who uses a part of the scale alone, and these
are put into BINS levels of equally many ratings. Under an ordered logit, levels of shares p_k keep 1 - sum p_k^3 of the information
about utilities that the scores themselves have (Whitehead 1993), which is most for equal shares, 1 - 1 / BINS^2: 0.99. Gaussian
tastes (`rating_scale`) need no levels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.taste import rating_scale
from beholder.taste.dataset import JudgementDataset

MOST_LEVELS = 20  # different scores that are levels as they are
BINS = 10  # levels of a finer scale
_NARROWEST = 1e-3  # the least distance between two cuts, and twice the least band: keeps every probability above 0


@dataclass(frozen=True)
class JudgementBatch:
    """Some judgements as int64 tensors of numbers: R ratings (level: the rank of the score, 0..L-1) and C comparisons (choice
    float32: 1 left, 0 right, 0.5 a tie), and the weights of their log-likelihoods, float32; None: 1."""

    rated_by: Tensor
    image: Tensor
    rated_on: Tensor
    level: Tensor
    compared_by: Tensor
    left: Tensor
    right: Tensor
    compared_on: Tensor
    choice: Tensor
    rated_weight: Tensor | None = None
    compared_weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.level) + len(self.choice)


class JudgementTensors:
    """A JudgementDataset as tensors on a device; `take` gives some of it: rows 0..R-1 are the ratings, the comparisons follow."""

    def __init__(self, dataset: JudgementDataset, *, levels: "RatingLevels", device: str = "cpu"):
        """levels: of the dataset's ratings. Raises ValueError where they are of others."""
        rated, compared = dataset.ratings, dataset.comparisons
        if len(levels.level) != len(rated):
            raise ValueError(f"expected a level for each of {len(rated)} ratings, got {len(levels.level)}")

        def put(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values, device=device)

        self._ratings = tuple(map(put, (rated.person, rated.image, rated.attribute, levels.level)))
        self._comparisons = tuple(
            map(put, (compared.person, compared.left, compared.right, compared.attribute, compared.choice.astype(np.float32)))
        )
        weights = dataset.weights_of(rated), dataset.weights_of(compared)
        self._weights = tuple(None if each is None else put(each.astype(np.float32)) for each in weights)
        self._device = device

    def __len__(self) -> int:
        return len(self._ratings[0]) + len(self._comparisons[0])

    def take(self, rows: np.ndarray) -> JudgementBatch:
        """Return the judgements of these row numbers, int64 [B]."""
        at = torch.as_tensor(rows, device=self._device)
        rated, compared = at[at < len(self._ratings[0])], at[at >= len(self._ratings[0])] - len(self._ratings[0])
        weights = (None if each is None else each[some] for each, some in zip(self._weights, (rated, compared), strict=True))
        columns = (*(column[rated] for column in self._ratings), *(column[compared] for column in self._comparisons))
        return JudgementBatch(*columns, *weights)


@dataclass(frozen=True)
class RatingLevels:
    """The level of each rating in an ordered logit, int64 [R] in 0..count - 1, higher for higher scores of one person."""

    level: np.ndarray
    count: int

    @classmethod
    def of(cls, dataset: JudgementDataset) -> "RatingLevels":
        """Return the levels of a dataset's ratings: its distinct scores in order (1..4, 1..10, halves: whatever was used), and on
        attributes with more than MOST_LEVELS of them, BINS quantiles of each person's standardised scores."""
        rated = dataset.ratings
        scores, level = np.unique(rated.score, return_inverse=True)
        if len(scores) <= MOST_LEVELS:
            return cls(level.astype(np.int64), len(scores))
        level, count = np.zeros(len(rated), np.int64), 0
        deviation = rating_scale.standardise(dataset).of(rated)
        for attribute in np.unique(rated.attribute):
            own = rated.attribute == attribute
            scores, exact = np.unique(rated.score[own], return_inverse=True)
            if len(scores) > MOST_LEVELS:
                edges = np.quantile(deviation[own], np.arange(1, BINS) / BINS)
                _, exact = np.unique(np.searchsorted(edges, deviation[own], side="right"), return_inverse=True)
            level[own] = exact
            count = max(count, int(exact.max()) + 1)
        return cls(level, count)


class Likelihood(nn.Module):
    """The parameters that turn utilities into probabilities: a band per attribute, cuts per attribute, a shift and a stretch of the
    cuts per person and attribute."""

    def __init__(self, dataset: JudgementDataset, levels: RatingLevels):
        """dataset: the training judgements; levels: of its ratings. Cuts begin where a constant utility would put them."""
        super().__init__()
        people, attributes = len(dataset.people), len(dataset.attributes)
        has_ties = bool(np.any(dataset.comparisons.choice == 0.5))
        self.band = nn.Parameter(torch.full((attributes,), -1.0)) if has_ties else None
        self.levels = levels.count
        if self.levels < 2:  # no ratings, or all of them the same: they say nothing
            return
        cuts = torch.as_tensor(_marginal_cuts(dataset, levels), dtype=torch.float32)
        self.first = nn.Parameter(cuts[:, :1].clone())
        self.gaps = nn.Parameter(_unsoftplus(cuts.diff(dim=1) - _NARROWEST))
        self.shift = nn.Parameter(torch.zeros(people, attributes))
        self.stretch = nn.Parameter(torch.zeros(people, attributes))

    def comparison(self, difference: Tensor, attribute: Tensor, choice: Tensor) -> Tensor:
        """Return -log P(choice), [C], of differences u_left - u_right [C]."""
        if self.band is None:
            return functional.softplus(torch.where(choice > 0.5, -difference, difference))
        band = functional.softplus(self.band)[attribute] + _NARROWEST / 2
        left = functional.logsigmoid(difference - band)
        right = functional.logsigmoid(-difference - band)
        tie = _between(-band - difference, band - difference)
        return -torch.where(choice == 0.5, tie, torch.where(choice > 0.5, left, right))

    def rating(self, utility: Tensor, person: Tensor, attribute: Tensor, level: Tensor) -> Tensor:
        """Return -log P(level), [R], of utilities [R]; a person of number -1 has the population's cuts."""
        if self.levels < 2:
            return utility * 0
        cuts = self.cuts(person, attribute)
        last = self.levels - 1
        below = cuts.gather(1, (level - 1).clamp(0, last - 1)[:, None])[:, 0] - utility
        above = cuts.gather(1, level.clamp(0, last - 1)[:, None])[:, 0] - utility
        lowest, highest = functional.logsigmoid(above), functional.logsigmoid(-below)
        ends = (level == 0) | (level == last)
        middle = _between(below, torch.where(ends, below + 1, above))
        return -torch.where(level == 0, lowest, torch.where(level == last, highest, middle))

    def cuts(self, person: Tensor, attribute: Tensor) -> Tensor:
        """Return where each person's scores change, [N, L - 1], increasing."""
        gaps = functional.softplus(self.gaps) + _NARROWEST
        shared = torch.cat([self.first, gaps], dim=1).cumsum(dim=1)[attribute]
        known = (person >= 0)[:, None]
        row = person.clamp(min=0)
        own = torch.exp(self.stretch[row, attribute][:, None].clamp(-3, 3)) * shared + self.shift[row, attribute][:, None]
        return torch.where(known, own, shared)


class Objective(nn.Module):
    """A network and a likelihood: forward(batch) is the mean -log P of the batch's judgements, each times its weight, a scalar.

    network(image, person, attribute), int64 [N] each, gives utilities [N]; person -1 is nobody in particular. In training a person
    becomes nobody with probability `person_dropout`, for both images of a comparison alike.
    """

    def __init__(self, network: nn.Module, likelihood: Likelihood, *, person_dropout: float = 0.0):
        super().__init__()
        self.network, self.likelihood, self.person_dropout = network, likelihood, person_dropout

    def forward(self, batch: JudgementBatch) -> Tensor:
        rated_by, compared_by = self._drop(batch.rated_by), self._drop(batch.compared_by)
        utility = self.network(
            torch.cat([batch.image, batch.left, batch.right]),
            torch.cat([rated_by, compared_by, compared_by]),
            torch.cat([batch.rated_on, batch.compared_on, batch.compared_on]),
        ).float()
        compared = len(batch.left)
        rated, left, right = utility.split([len(batch.image), compared, compared])
        ratings = self.likelihood.rating(rated, batch.rated_by, batch.rated_on, batch.level)
        comparisons = self.likelihood.comparison(left - right, batch.compared_on, batch.choice)
        if batch.rated_weight is not None:
            ratings = ratings * batch.rated_weight
        if batch.compared_weight is not None:
            comparisons = comparisons * batch.compared_weight
        return (ratings.sum() + comparisons.sum()) / max(len(batch), 1)

    def _drop(self, person: Tensor) -> Tensor:
        if not self.training or not self.person_dropout:
            return person
        return torch.where(torch.rand(person.shape, device=person.device) < self.person_dropout, -1, person)


def _between(low: Tensor, high: Tensor) -> Tensor:
    """Return log(sigma(high) - sigma(low)) for low < high, without taking a difference of near numbers."""
    return functional.logsigmoid(high) + functional.logsigmoid(-low) + torch.log(-torch.expm1(low - high))


def _marginal_cuts(dataset: JudgementDataset, levels: RatingLevels) -> np.ndarray:
    """Return logits of the share of each attribute's ratings below each level but the first, float64 [A, L - 1], increasing."""
    counts = np.full((len(dataset.attributes), levels.count), 0.5)
    np.add.at(counts, (dataset.ratings.attribute, levels.level), 1)
    below = np.cumsum(counts, axis=1)[:, :-1] / counts.sum(axis=1, keepdims=True)
    return np.asarray(np.log(below) - np.log1p(-below))


def _unsoftplus(x: Tensor) -> Tensor:
    return torch.log(torch.expm1(x.clamp(min=1e-3)))
