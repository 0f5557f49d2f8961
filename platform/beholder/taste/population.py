"""The population's taste: one linear utility per attribute that everybody shares. All others are measured by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array  # type: ignore[import-untyped]  # scipy ships no types

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.statistics import log_likelihood, sigmoid
from beholder.taste import rating_scale
from beholder.taste.contract import Normal, Progress, TasteInfo, TasteSettings, finite_embeddings, no_progress
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.rating_scale import RatingScale
from beholder.taste.validation import pairs, scaled_log_loss


@dataclass(frozen=True)
class PopulationConfig:
    """Ridge regression on ratings and logistic regression on comparisons at once."""

    penalties: list[float] = setting(
        [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0], "strengths of the ridge; held-out judgements choose"
    )

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"taste.population.penalties must be positive numbers, got {self.penalties}")


class Population:
    """A taste that is the same for everybody. weights: float32 [A, D], centre: float32 [D]."""

    def __init__(self, info: TasteInfo, weights: np.ndarray, centre: np.ndarray, penalties: Sequence[float]):
        self.info = info
        self.weights = weights
        self.centre = centre
        self.penalties = list(penalties)

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return the same for everybody, float32 [P, N]."""
        row = self.info.attribute(attribute)
        shared = (finite_embeddings(items, len(self.centre)) - self.centre) @ self.weights[row]
        return np.broadcast_to(shared.astype(np.float32), (len(user_ids), len(items)))

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return u(left) - u(right), with a variance of 0."""
        row = self.info.attribute(attribute)
        mean = (finite_embeddings(left, len(self.centre)) - finite_embeddings(right, len(self.centre))) @ self.weights[row]
        return Normal(mean.astype(np.float32), np.zeros(len(mean), np.float32))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return weights and centre."""
        return {"weights": self.weights, "centre": self.centre}

    def settings(self) -> TasteSettings:
        """Return the penalty chosen for each attribute."""
        return {"penalties": self.penalties}


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: PopulationConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Population:
    """Fit one utility per attribute to everybody's judgements; `held_out` chooses the penalty and sets the scale."""
    vectors = finite_embeddings(items, None).astype(np.float64)
    judged = vectors[train.judged_images()]
    centre = judged.mean(axis=0)
    size = np.sqrt(((judged - centre) ** 2).mean())
    design = (vectors - centre) / size  # so that a penalty means the same for every encoder
    scale = rating_scale.standardise(train)
    weights, chosen = [], []
    for attribute in range(len(train.attributes)):
        progress(attribute, len(train.attributes), {})
        judgements = ImageSums.of(train.on_attribute(attribute), scale)
        test = pairs(held_out.on_attribute(attribute), seed=seed)
        solutions = ridge(judgements, design, sorted(config.penalties))
        weight = held_out.weights_of(test)
        losses = {penalty: _loss(design, solution, test, weight) for penalty, solution in solutions.items()}
        # without held-out judgements, the middle one
        middle = sorted(config.penalties)[len(config.penalties) // 2]
        best = min(losses, key=lambda penalty: (losses[penalty][0], penalty != middle))
        weights.append(solutions[best] * losses[best][1] / size)
        chosen.append(best)
    progress(len(train.attributes), len(train.attributes), {})
    info = TasteInfo("population", encoder_id, train.attributes, train.people)
    return Population(info, np.array(weights, np.float32), centre.astype(np.float32), chosen)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Population:
    """Rebuild what `tensors()` and `settings()` gave."""
    return Population(info, tensors["weights"], tensors["centre"], settings["penalties"])


def without_person(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[dict[str, np.ndarray], TasteSettings]:
    """Return tensors and settings as they are: nothing in them is one person's."""
    return dict(tensors), dict(settings)


@dataclass(frozen=True)
class ImageSums:
    """Everybody's judgements on one attribute, summed by image: however many there are, the fit is over images.

    images: the numbers of those judged, int64 [N]; count and total: of their ratings, in logits, weighted, float64 [N]. left and
    right number into `images`, int64 [C]; choice and weight float64 [C].
    """

    images: np.ndarray
    count: np.ndarray
    total: np.ndarray
    left: np.ndarray
    right: np.ndarray
    choice: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, dataset: JudgementDataset, scale: RatingScale) -> "ImageSums":
        """Return the sums of judgements on one attribute, made comparable by `scale`."""
        images, rated, compared = dataset.judged_images(), dataset.ratings, dataset.comparisons
        at = np.searchsorted(images, rated.image)
        each, worth = (
            np.ones(len(table)) if dataset.weights is None else dataset.weights[table.person] for table in (rated, compared)
        )
        return cls(
            images,
            np.bincount(at, each, minlength=len(images)),
            np.bincount(at, each * rating_scale.LOGITS * scale.of(rated), minlength=len(images)),
            np.searchsorted(images, compared.left),
            np.searchsorted(images, compared.right),
            compared.choice.astype(np.float64),
            worth,
        )


def ridge(judgements: ImageSums, design: np.ndarray, penalties: Sequence[float]) -> dict[float, np.ndarray]:
    """Return by penalty the weights [D] on a design [N, D] under which judgements are most probable.

    The ratings' Gram matrix is made once for all penalties. Comparisons are fitted by Newton's method, and their Hessian
    is X' L X, with L the Laplacian of the graph whose edges are the comparisons: no comparison has a row of its own.
    """
    rows = design[judgements.images]
    precision = 1 / (rating_scale.LOGITS**2 * rating_scale.NOISE)
    gram = precision * (rows.T * judgements.count) @ rows
    pull = precision * (rows.T @ judgements.total)
    solutions, start = {}, np.zeros(design.shape[1])
    for penalty in penalties:
        fixed = gram + penalty * np.eye(len(gram))
        solutions[penalty] = start = _mode(judgements, rows, fixed, pull, start)
    return solutions


def _mode(judgements: ImageSums, rows: np.ndarray, fixed: np.ndarray, pull: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the mode [D] of exp(pull.w - w'fixed w / 2) times the likelihood of the comparisons."""
    left, right, choice, worth = judgements.left, judgements.right, judgements.choice, judgements.weight
    if not len(choice):
        return np.asarray(np.linalg.solve(fixed, pull))

    def log_posterior(at: np.ndarray) -> float:
        """Return it up to a constant."""
        utility = rows @ at
        return float((worth * log_likelihood(utility[left] - utility[right], choice)).sum() + pull @ at - at @ fixed @ at / 2)

    count, mean, now = len(rows), start, log_posterior(start)
    for _ in range(50):
        utility = rows @ mean
        p = sigmoid(utility[left] - utility[right])
        curvature = worth * p * (1 - p)
        ends = np.r_[left, right, left, right], np.r_[left, right, right, left]
        edges = np.r_[curvature, curvature, -curvature, -curvature], ends
        hessian = fixed + rows.T @ (coo_array(edges, shape=(count, count)).tocsr() @ rows)
        rest = worth * (choice - p)
        slope = np.bincount(left, rest, minlength=count) - np.bincount(right, rest, minlength=count)
        step = np.linalg.solve(hessian, pull - fixed @ mean + rows.T @ slope)
        for _ in range(30):  # far from the mode a full step may overshoot, because the logistic flattens out
            then = log_posterior(mean + step)
            if then >= now - 1e-12 * abs(now):
                break
            step = step / 2
        mean, now = mean + step, then
        if np.abs(step).max() < 1e-7:
            break
    return mean


def _loss(design: np.ndarray, weights: np.ndarray, test: ComparisonTable, weight: np.ndarray | None) -> tuple[float, float]:
    """Return held-out log-loss at the best scale, and that scale."""
    utility = design @ weights
    return scaled_log_loss(utility[test.left] - utility[test.right], test.choice, weight)
