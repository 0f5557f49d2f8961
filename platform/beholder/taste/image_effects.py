"""Image effects: what other people's judgements of an image say of it beyond those people's own tastes.

u(person, image) = the person's taste + e(image) + loading(person).f(image): random effects of the image, one that everybody shares,
e ~ N(0, variance), and one that people of similar taste share, f ~ N(0, factor_variance I). A person's loading is a few numbers
that say how their taste differs from the population's (`taste_loadings`). Effects are predicted by shrinkage (Henderson 1975)
from the residuals of judgements after each judge's own taste; variances are found by expectation maximisation (Laird and Ware
1982), apart for the images that the taste was fitted to, which it has taken in already. A rating measures effects with the noise of
its person; a comparison counts as it does near effects of 0, by its gradient and curvature.

What a person says of an image is a contribution of their own, and effects follow from sums of contributions: leaving out a person's
own, or taking out a person for good, is exact. Only variances and slopes, a few numbers for all, were learned from them too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from beholder.statistics import sigmoid
from beholder.taste import rating_scale
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, Groups, JudgementDataset, RatingTable

_OFFSET_COUNT = 3.0  # ratings that a person's usual residual of 0 is worth
_SLOPE_COUNT = 20.0  # ratings, of utilities one logit apart, that a slope of 1 is worth
_NOISE_COUNT = 5.0  # ratings that the usual noise is worth
_LEAST_NOISE = 0.3  # of the usual noise, for the most consistent person
_FEWEST = 10  # judged images from which variances are learned
_MOST = 1000  # judged images from which they are learned, evenly drawn where there are more
_ROWS = 30_000  # judgements of these, likewise
_STEPS = 30  # of EM
_LEAST = 1e-9  # variance
_BLOCK = 2**20  # numbers of the largest array while sums are made


@dataclass(frozen=True)
class GroupScale:
    """How residuals of some images behave. slope: of ratings, in logits, on utilities; noise: the variance of a rating's residual;
    variance and factor_variance: of effects that everybody shares, and of each factor. All in squared logits of utility."""

    slope: float
    noise: float
    variance: float
    factor_variance: float


@dataclass(frozen=True)
class EffectScale:
    """How residuals behave on one attribute: of images that the taste was fitted to, and of others."""

    fitted: GroupScale
    others: GroupScale

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "EffectScale":
        """Read back what `to_dict` returned. Raises KeyError, TypeError or ValueError for anything else."""
        names = tuple(GroupScale.__dataclass_fields__)
        return cls(*(GroupScale(*(float(record[group][name]) for name in names)) for group in ("fitted", "others")))

    def variances(self, fitted: np.ndarray, width: int) -> np.ndarray:
        """Return the variance of each effect of images, float64 [N, width], the shared one first; fitted bool [N]."""
        groups = [np.r_[each.variance, np.full(width - 1, each.factor_variance)] for each in (self.others, self.fitted)]
        return np.array(groups).clip(_LEAST)[fitted.astype(np.int64)]


@dataclass(frozen=True)
class Contributions:
    """What judgements say of effects, a row for each person, image and attribute, int64 [M] each: pull, the precision-weighted sum
    of residuals, and precision, float64 [M]."""

    person: np.ndarray
    image: np.ndarray
    attribute: np.ndarray
    pull: np.ndarray
    precision: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray) -> "Contributions":
        return Contributions(*(column[rows] for column in vars(self).values()))


@dataclass(frozen=True)
class EffectPosterior:
    """Effects of N images: means [N, W] and covariances [N, W, W], the shared effect first, then factors; people: how many judged,
    [N]."""

    means: np.ndarray
    covariances: np.ndarray
    people: np.ndarray

    @classmethod
    def of(cls, own: Contributions, loadings: np.ndarray, variances: np.ndarray) -> "EffectPosterior":
        """Return the posterior by contributions to one attribute. loadings: of people, [P, K]; variances: [N, 1 + K]."""
        images, width = variances.shape
        precision, pull = np.zeros((images, width, width)), np.zeros((images, width))
        at = np.arange(width)
        precision[:, at, at] = 1 / variances
        order = np.argsort(own.image, kind="stable")
        for begin in range(0, len(order), max(1, _BLOCK // width**2)):
            some = own[order[begin : begin + max(1, _BLOCK // width**2)]]
            x = _design(loadings, some.person)
            judged, starts = np.unique(some.image, return_index=True)
            square = (some.precision[:, None] * x)[:, :, None] * x[:, None, :]
            precision[judged] += np.add.reduceat(square, starts, axis=0)
            pull[judged] += np.add.reduceat(some.pull[:, None] * x, starts, axis=0)
        covariances = np.linalg.inv(precision)
        means = (covariances @ pull[:, :, None])[:, :, 0]
        return cls(means, covariances, np.bincount(own.image, minlength=images))

    def estimate(self, loading: np.ndarray) -> "EffectEstimate":
        """Return the effects for somebody with this loading, [K]."""
        x = np.r_[1.0, loading]
        return EffectEstimate(self.means @ x, self.covariances @ x @ x, self.people)


@dataclass(frozen=True)
class EffectEstimate:
    """Predicted effects of N images for one person: mean and variance, in logits of utility, float64 [N], and how many people they
    come from."""

    mean: np.ndarray
    variance: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class ImageEffects:
    """Effects of images on attributes, by number. scales: of each attribute; fitted: whether the taste was fitted to an image, bool
    [N]; loadings: of people, by attribute, float64 [A, P, K]."""

    scales: tuple[EffectScale, ...]
    fitted: np.ndarray
    contributions: Contributions
    loadings: np.ndarray

    def posterior(self, attribute: int) -> EffectPosterior:
        """Return the effects of all images on one attribute."""
        own = self.contributions[np.flatnonzero(self.contributions.attribute == attribute)]
        loadings = self.loadings[attribute]
        return EffectPosterior.of(own, loadings, self.scales[attribute].variances(self.fitted, 1 + loadings.shape[1]))


@dataclass(frozen=True)
class JudgedUtilities:
    """What people's tastes say of the judgements of a dataset: rated [R] of each rating's image, and gaps [C], the difference of
    each comparison; float64."""

    rated: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, taste: Taste, dataset: JudgementDataset, items: np.ndarray) -> "JudgedUtilities":
        """Return what people's own tastes say; items: one for each of dataset.images."""
        rated, gaps = np.zeros(len(dataset.ratings)), np.zeros(len(dataset.comparisons))
        count = len(dataset.attributes)
        for table, values in ((dataset.ratings, rated), (dataset.comparisons, gaps)):
            groups = Groups.of(table.person * count + table.attribute, len(dataset.people) * count)
            for cell in groups.present():
                rows, (person, attribute) = groups[cell], divmod(cell, count)
                who, name = dataset.people[person], dataset.attributes[attribute]
                if isinstance(table, RatingTable):
                    values[rows] = taste.utilities(items[table.image[rows]], [who], name)[0]
                else:
                    values[rows] = taste.differences(items[table.left[rows]], items[table.right[rows]], who, name).mean
        return cls(rated, gaps)

    @classmethod
    def none(cls, dataset: JudgementDataset) -> "JudgedUtilities":
        """Return zeros: effects after these are what people say of an image on average, whatever their tastes."""
        return cls(np.zeros(len(dataset.ratings)), np.zeros(len(dataset.comparisons)))

    def select(self, ratings: np.ndarray, comparisons: np.ndarray) -> "JudgedUtilities":
        """Return those of some judgements, by masks or row numbers."""
        return JudgedUtilities(self.rated[ratings], self.gaps[comparisons])


def learn(dataset: JudgementDataset, utilities: JudgedUtilities, fitted: np.ndarray, loadings: np.ndarray) -> ImageEffects:
    """Return the effects that judgements tell of after people's own tastes. fitted: the images that the taste was fitted to, bool
    [N]; loadings: of people, [A, P, K]."""
    scales = learn_scales(dataset, utilities, fitted, loadings)
    return ImageEffects(scales, fitted, contributions(dataset, utilities, fitted, scales), loadings)


def learn_scales(
    dataset: JudgementDataset, utilities: JudgedUtilities, fitted: np.ndarray, loadings: np.ndarray
) -> tuple[EffectScale, ...]:
    """Return how residuals behave on each attribute; a group of images with few judgements behaves as the other one does."""
    residuals = _Residuals.by_attribute(dataset, utilities)
    return tuple(each.scale(fitted, own) for each, own in zip(residuals, loadings, strict=True))


def contributions(
    dataset: JudgementDataset, utilities: JudgedUtilities, fitted: np.ndarray, scales: Sequence[EffectScale]
) -> Contributions:
    """Return what each person's judgements say of effects, where scales are known: nobody's depends on anybody else's."""
    residuals = _Residuals.by_attribute(dataset, utilities)
    parts = [each.contributions(scale, fitted, row) for row, (each, scale) in enumerate(zip(residuals, scales, strict=True))]
    return Contributions(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))


@dataclass(frozen=True)
class _Residuals:
    """The judgements on one attribute beside what tastes say of them. value: of ratings, standardised, in logits, [R]; weights: of
    people, [P]."""

    ratings: RatingTable
    value: np.ndarray
    utility: np.ndarray
    comparisons: ComparisonTable
    gap: np.ndarray
    weights: np.ndarray

    @classmethod
    def by_attribute(cls, dataset: JudgementDataset, utilities: JudgedUtilities) -> list["_Residuals"]:
        """Return the judgements on each attribute."""
        value = rating_scale.LOGITS * rating_scale.standardise(dataset).of(dataset.ratings)
        weights = np.ones(len(dataset.people)) if dataset.weights is None else dataset.weights
        found = []
        for attribute in range(len(dataset.attributes)):
            rated, compared = (np.flatnonzero(table.attribute == attribute) for table in (dataset.ratings, dataset.comparisons))
            ratings, comparisons = dataset.ratings[rated], dataset.comparisons[compared]
            found.append(cls(ratings, value[rated], utilities.rated[rated], comparisons, utilities.gaps[compared], weights))
        return found

    def scale(self, fitted: np.ndarray, loadings: np.ndarray) -> EffectScale:
        """Return how residuals behave, of each group of images."""
        judged = np.zeros(len(fitted), bool)
        judged[np.concatenate([self.ratings.image, self.comparisons.left, self.comparisons.right])] = True
        groups = {known: np.flatnonzero(judged & (fitted == known)) for known in (True, False)}
        usable = [known for known in (False, True) if len(groups[known]) >= _FEWEST] or [False]
        slopes = {known: self._slope(fitted == known) if known in usable else self._slope(judged) for known in (True, False)}
        learned = {}
        for known in usable:
            images = groups[known][np.linspace(0, len(groups[known]) - 1, min(len(groups[known]), _MOST)).astype(np.int64)]
            start = GroupScale(slopes[known], 2.0, 0.1, 0.1 if loadings.any() else 0.0)
            learned[known] = self._maximise(start, slopes, fitted, images, loadings)
        usual = learned[usable[0]]
        both = (learned.get(known, replace(usual, slope=slopes[known])) for known in (True, False))
        return EffectScale(*both)

    def contributions(self, scale: EffectScale, fitted: np.ndarray, attribute: int) -> Contributions:
        """Return what each person's judgements say of effects."""
        rated, compared = self.ratings, self.comparisons
        residual = self._residuals({True: scale.fitted.slope, False: scale.others.slope}, fitted)
        noise = np.zeros(len(rated))
        for known, group in ((True, scale.fitted), (False, scale.others)):
            rows = np.flatnonzero(fitted[rated.image] == known)
            noise[rows] = self._noise(rated.person[rows], residual[rows], group)
        precision = self.weights[rated.person] / noise
        pull, curvature = self._choices()
        person = np.concatenate([rated.person, compared.person, compared.person])
        image = np.concatenate([rated.image, compared.left, compared.right])
        key, row = np.unique(person * len(fitted) + image, return_inverse=True)
        each = np.concatenate([precision * residual, pull, -pull]), np.concatenate([precision, curvature, curvature])
        sums = (np.bincount(row, values, minlength=len(key)) for values in each)
        return Contributions(key // len(fitted), key % len(fitted), np.full(len(key), attribute), *sums)

    def _choices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and curvature of each comparison's log-likelihood by the left image's effect, at effects of 0."""
        chance, weight = sigmoid(self.gap), self.weights[self.comparisons.person]
        return weight * (self.comparisons.choice - chance), weight * chance * (1 - chance)

    def _slope(self, images: np.ndarray) -> float:
        """Return the slope of ratings on utilities, of images in a mask, around each person's own means."""
        rows = np.flatnonzero(images[self.ratings.image])
        person, weight = self.ratings.person[rows], self.weights[self.ratings.person[rows]]
        total = np.maximum(np.bincount(person, weight, minlength=len(self.weights)), 1e-12)
        value, utility = (
            each[rows] - (np.bincount(person, weight * each[rows], minlength=len(self.weights)) / total)[person]
            for each in (self.value, self.utility)
        )
        product, square = (weight * value * utility).sum() + _SLOPE_COUNT, (weight * utility**2).sum() + _SLOPE_COUNT
        return float(max(product / square, 0.1))

    def _residuals(self, slopes: Mapping[bool, float], fitted: np.ndarray) -> np.ndarray:
        """Return what is left of each rating after the person's taste and their usual residual, in logits of utility, [R].

        How much utility a score is worth is what other images say, which the taste was not fitted to.
        """
        slope = np.where(fitted[self.ratings.image], slopes[True], slopes[False])
        rest = (self.value - slope * self.utility) / slopes[False]
        person = self.ratings.person
        count, total = (np.bincount(person, each, minlength=len(self.weights)) for each in (None, rest))
        return np.asarray(rest - (total / (count + _OFFSET_COUNT))[person])

    def _noise(self, person: np.ndarray, residual: np.ndarray, group: GroupScale) -> np.ndarray:
        """Return the noise of each of some ratings: of its person, shrunk to everybody's, by that person's ratings alone."""
        effects = group.variance + group.factor_variance
        count, square = (np.bincount(person, each, minlength=len(self.weights)) for each in (None, residual**2))
        own = (square + _NOISE_COUNT * (group.noise + effects)) / (count + _NOISE_COUNT) - effects
        return np.asarray(np.maximum(own, _LEAST_NOISE * group.noise)[person])

    def _maximise(
        self, start: GroupScale, slopes: Mapping[bool, float], fitted: np.ndarray, images: np.ndarray, loadings: np.ndarray
    ) -> GroupScale:
        """Return noise and variances under which the judgements of some images are likeliest (EM)."""
        inside = np.zeros(len(fitted), bool)
        inside[images] = True
        rows = _some(np.flatnonzero(inside[self.ratings.image]))
        place = np.full(len(fitted), -1)
        place[images] = np.arange(len(images))
        person, image, residual = self.ratings.person[rows], place[self.ratings.image[rows]], self._residuals(slopes, fitted)[rows]
        pull, curvature = self._choices()
        sides = place[np.concatenate([self.comparisons.left, self.comparisons.right])]
        made = _some(np.flatnonzero(sides >= 0))
        choosers = np.concatenate([self.comparisons.person, self.comparisons.person])[made]
        gradients, curvatures = np.concatenate([pull, -pull])[made], np.concatenate([curvature, curvature])[made]
        who, where = np.concatenate([person, choosers]), np.concatenate([image, sides[made]])
        weight = self.weights[person]
        x = _design(loadings, person)
        scale = start
        width = x.shape[1]
        for _ in range(_STEPS):
            precision = weight / self._noise(person, residual, scale)
            both = np.concatenate([precision * residual, gradients]), np.concatenate([precision, curvatures])
            own = Contributions(who, where, np.zeros(len(who), np.int64), *both)
            variances = np.tile(np.r_[scale.variance, np.full(width - 1, scale.factor_variance)].clip(_LEAST), (len(images), 1))
            found = EffectPosterior.of(own, loadings, variances)
            moments = (found.means**2 + np.diagonal(found.covariances, axis1=1, axis2=2)).sum(axis=0) / (len(images) + 2)
            noise = scale.noise
            if len(rows):
                errors = (residual - (x * found.means[image]).sum(axis=1)) ** 2
                errors += ((x[:, None, :] @ found.covariances[image])[:, 0] * x).sum(axis=1)
                noise = float(np.average(errors, weights=weight) if weight.any() else errors.mean())
            factors = float(moments[1:].mean()) if scale.factor_variance else 0.0
            scale = replace(scale, noise=max(noise, _LEAST), variance=float(moments[0]), factor_variance=factors)
        return scale


def _some(rows: np.ndarray) -> np.ndarray:
    """Return at most _ROWS of some rows, drawn where there are more, in their order."""
    if len(rows) <= _ROWS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _ROWS, replace=False))


def _design(loadings: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return what each person's judgements multiply effects by, [M, 1 + K]."""
    return np.column_stack([np.ones(len(person)), loadings[person]])
