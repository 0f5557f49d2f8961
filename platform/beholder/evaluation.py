"""Evaluation: agreement with judgements that a taste never saw, per person, beside the population's on the same pairs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, pairs_within
from beholder.taste.shrinkage import log_likelihood


@dataclass(frozen=True)
class Interval:
    """A mean over people and its bootstrap interval of 95 %."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def bootstrap(values: np.ndarray, *, seed: int = 0, draws: int = 4000) -> Interval:
    """The mean of one value per person [P], and where it would lie for other people of the same kind (Efron 1979)."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"))
    dice = np.random.default_rng(seed)
    means = np.concatenate([dice.choice(known, (part, len(known))).mean(axis=1) for part in np.full(-(-draws // 500), 500)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(known.mean()), float(low), float(high))


def questions(test: JudgementDataset, *, at_most: int = 200, seed: int = 0) -> ComparisonTable:
    """What is asked: the comparisons made, ties left out, and the pairs that ratings imply, `at_most` a person and attribute."""
    made, implied = test.comparisons, pairs_within(test, at_most=at_most, seed=seed)
    made = made[made.choice != 0.5]
    names = ("person", "left", "right", "attribute", "choice")
    return ComparisonTable(*(np.concatenate([getattr(made, name), getattr(implied, name)]) for name in names))


def agree(personal: Taste, everybody: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray) -> pd.DataFrame:
    """A row for each person and attribute with test pairs: accuracy and log-loss of both tastes on the same pairs, their gain
    with an interval over the person's pairs, and the rank correlation with the person's ratings of the test images.

    A tie of utilities counts as half right.
    """
    rows = []
    for attribute, name in enumerate(test.attributes):
        told = test.on(attribute)
        for person in np.unique(pairs.person[pairs.attribute == attribute]):
            mine = pairs[(pairs.attribute == attribute) & (pairs.person == person)]
            user_id = test.people[person]
            pair = items[mine.left], items[mine.right]
            own, shared = (taste.differences(*pair, user_id, name) for taste in (personal, everybody))
            right, base = right_or_not(own.mean, mine.choice), right_or_not(shared.mean, mine.choice)
            gain = bootstrap(right - base, seed=int(person), draws=1000)
            rated = told.ratings[told.ratings.person == person]
            rows.append(
                {
                    "user_id": user_id,
                    "attribute": name,
                    "pairs": len(mine),
                    "accuracy.personal": right.mean(),
                    "accuracy.population": base.mean(),
                    "gain": gain.mean,
                    "gain.low": gain.low,
                    "gain.high": gain.high,
                    "logloss.personal": -log_likelihood(own.probability(), mine.choice).mean(),
                    "logloss.population": -log_likelihood(shared.probability(), mine.choice).mean(),
                    "srcc.personal": _rank_correlation(personal, items, rated.image, rated.score, user_id, name),
                    "srcc.population": _rank_correlation(everybody, items, rated.image, rated.score, user_id, name),
                }
            )
    return pd.DataFrame(rows)


def right_or_not(differences: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """1 where the sign of a difference is the choice, 0 where not, 0.5 where there is no difference; float64 [N]."""
    return np.where(differences == 0, 0.5, (differences > 0) == (choice > 0.5)).astype(np.float64)


def calibration_error(taste: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray, *, bins: int = 10) -> float:
    """How far probabilities are from frequencies: the mean over equally filled bins of P(the likelier side), in 0..0.5
    (Naeini et al. 2015, with bins of equal mass)."""
    chances, hits = [], []
    for attribute, name in enumerate(test.attributes):
        for person in np.unique(pairs.person[pairs.attribute == attribute]):
            mine = pairs[(pairs.attribute == attribute) & (pairs.person == person)]
            said = taste.differences(items[mine.left], items[mine.right], test.people[person], name).probability()
            chances.append(np.maximum(said, 1 - said))
            hits.append(right_or_not(said - 0.5, mine.choice))
    if not chances:
        return float("nan")
    chance, hit = np.concatenate(chances), np.concatenate(hits)
    order = np.array_split(np.argsort(chance, kind="stable"), min(bins, len(chance)))
    return float(sum(abs(chance[part].mean() - hit[part].mean()) * len(part) for part in order) / len(chance))


def figures(table: pd.DataFrame, *, seed: int = 0) -> dict[str, float]:
    """What `agree` found, as means over people (each person's attributes averaged first), the gain with its interval."""
    if table.empty:
        return {"people": 0}
    names = [name for name in table.columns if name.startswith(("accuracy.", "logloss.", "srcc."))]
    by_person = table.groupby("user_id")[[*names, "gain"]].mean()
    gain = bootstrap(by_person["gain"].to_numpy(), seed=seed)
    means = {name: float(by_person[name].mean()) for name in names}
    return {
        "people": len(by_person),
        "pairs": int(table["pairs"].sum()),
        **means,
        "gain.mean": gain.mean,
        "gain.low": gain.low,
        "gain.high": gain.high,
    }


def lead(table: pd.DataFrame, other: pd.DataFrame, *, seed: int = 0) -> Interval:
    """How much more often the taste of one table of `agree` is right than another's, on the same people and pairs: paired."""
    both = table.merge(other, on=["user_id", "attribute"], suffixes=("", ".other"), validate="one_to_one")
    more = (both["accuracy.personal"] - both["accuracy.personal.other"]).groupby(both["user_id"]).mean()
    return bootstrap(more.to_numpy(), seed=seed)


def ceiling(evidence: JudgementDataset) -> tuple[float, int]:
    """The accuracy of somebody who knew each person's true taste, from repeated comparisons, and how many there are.

    A person who says the same again with probability r errs with probability e in each, r = (1 - e)^2 + e^2; the best
    possible accuracy is 1 - e. NaN where nobody was asked twice.
    """
    made = evidence.comparisons
    made = made[made.choice != 0.5]
    turned = made.left > made.right
    low, high = np.where(turned, made.right, made.left), np.where(turned, made.left, made.right)
    frame = pd.DataFrame(
        {"p": made.person, "a": made.attribute, "l": low, "h": high, "c": np.where(turned, 1 - made.choice, made.choice)}
    )
    groups = frame.groupby(["p", "a", "l", "h"])["c"]
    count, ones = groups.size().to_numpy(), groups.sum().to_numpy()
    pairs = (count * (count - 1) / 2).sum()
    if not pairs:
        return float("nan"), 0
    same = (ones * (ones - 1) / 2 + (count - ones) * (count - ones - 1) / 2).sum() / pairs
    return float((1 + np.sqrt(max(2 * same - 1, 0.0))) / 2), int(pairs)


def first(evidence: JudgementDataset, count: int, *, seed: int) -> JudgementDataset:
    """`count` comparisons of each person and attribute, drawn at random from those made and those that ratings imply."""
    pairs = questions(evidence, at_most=max(400, count), seed=seed)
    order = np.random.default_rng(seed).permutation(len(pairs))
    cell = (pairs.person * len(evidence.attributes) + pairs.attribute)[order]
    place = pd.Series(cell).groupby(cell).cumcount().to_numpy()
    chosen = np.sort(order[place < count])
    nothing = np.zeros(len(evidence.ratings), bool)
    return JudgementDataset(evidence.people, evidence.images, evidence.attributes, evidence.ratings[nothing], pairs[chosen])


def summarise(curve: Mapping[int, np.ndarray], *, seed: int = 0) -> pd.DataFrame:
    """Gains [P] after so many judgements -> a row each: judgements, gain, low, high."""
    rows = []
    for count, gains in curve.items():
        interval = bootstrap(gains, seed=seed)
        rows.append({"judgements": count, "gain": interval.mean, "gain.low": interval.low, "gain.high": interval.high})
    return pd.DataFrame(rows)


def _rank_correlation(
    taste: Taste, items: np.ndarray, images: np.ndarray, scores: np.ndarray, user_id: str, attribute: str
) -> float:
    """Spearman's; NaN for fewer than three ratings or all the same."""
    if len(images) < 3 or len(set(scores.tolist())) < 2:
        return float("nan")
    said = taste.utilities(items[images], [user_id], attribute)[0]
    ranks = pd.DataFrame({"said": said, "scores": scores}).rank()
    return float(ranks["said"].corr(ranks["scores"]))
