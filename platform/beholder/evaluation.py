"""Evaluation: agreement with judgements that a taste was not fitted to, per person, beside the population's on the same pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from beholder import statistics
from beholder.statistics import Interval, bootstrap
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, Groups, JudgementDataset
from beholder.taste.validation import correctness, decided
from beholder.taste.validation import pairs as pairs_of


def agree(personal: Taste, everybody: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray) -> pd.DataFrame:
    """Return a row for each person and attribute with test pairs: accuracy and log-loss of both tastes on the same pairs, the
    gain with an interval over the person's pairs, and the rank correlation with the person's ratings of the test images.

    A tie of utilities counts as half right.
    """
    rows = []
    for attribute, name in enumerate(test.attributes):
        own_ratings, own_pairs = test.on_attribute(attribute).ratings, pairs[pairs.attribute == attribute]
        ratings, groups = (Groups.of(each.person, len(test.people)) for each in (own_ratings, own_pairs))
        for person in groups.present():
            mine = own_pairs[groups[person]]
            user_id = test.people[person]
            pair = items[mine.left], items[mine.right]
            own, shared = (taste.differences(*pair, user_id, name) for taste in (personal, everybody))
            right, population = (correctness(each.mean, mine.choice) for each in (own, shared))
            gain = bootstrap(right - population, seed=person, draws=1000)
            rated = own_ratings[ratings[person]]
            rows.append(
                {
                    "user_id": user_id,
                    "attribute": name,
                    "pairs": len(mine),
                    "accuracy.personal": right.mean(),
                    "accuracy.population": population.mean(),
                    "gain": gain.mean,
                    "gain.low": gain.low,
                    "gain.high": gain.high,
                    "logloss.personal": statistics.log_loss(own.logits(), mine.choice),
                    "logloss.population": statistics.log_loss(shared.logits(), mine.choice),
                    "srcc.personal": _rank_correlation(personal, items, rated.image, rated.score, user_id, name),
                    "srcc.population": _rank_correlation(everybody, items, rated.image, rated.score, user_id, name),
                }
            )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Confidences:
    """How sure a taste is of each of some pairs, and whether it is right. chance: P(the likelier side), float64 [C]; hit: 1 right,
    0 wrong, 0.5 undecided, [C]; person: int64 [C]."""

    chance: np.ndarray
    hit: np.ndarray
    person: np.ndarray

    def calibration_error(self, *, bins: int = 10) -> float:
        """Return how far probabilities are from frequencies: the mean over equally filled bins, in 0..0.5; nan for no pairs (Naeini
        et al. 2015, with bins of equal mass)."""
        if not len(self.chance):
            return float("nan")
        order = np.array_split(np.argsort(self.chance, kind="stable"), min(bins, len(self.chance)))
        parts = ((self.chance[part].mean() - self.hit[part].mean()) * len(part) for part in order)
        return float(sum(abs(part) for part in parts) / len(self.chance))

    def selective(self, sure: float) -> dict[str, float]:
        """Return the share of pairs whose likelier side has at least this probability, and the accuracy there with its interval
        over people: the selective risk at a threshold (Geifman and El-Yaniv 2017)."""
        answered = np.flatnonzero(self.chance >= sure)
        count = np.bincount(self.person[answered])
        right = np.bincount(self.person[answered], self.hit[answered])
        accuracy = bootstrap((right / np.maximum(count, 1))[count > 0])
        share = len(answered) / max(len(self.chance), 1)
        return {"sure.share": share, "sure.mean": accuracy.mean, "sure.low": accuracy.low, "sure.high": accuracy.high}


def confidences(taste: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray) -> Confidences:
    """Return how sure a taste is of each of the pairs, each person asked by themselves."""
    chances, hits, people = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for attribute, name in enumerate(test.attributes):
        own_pairs = pairs[pairs.attribute == attribute]
        groups = Groups.of(own_pairs.person, len(test.people))
        for person in groups.present():
            mine = own_pairs[groups[person]]
            left = taste.differences(items[mine.left], items[mine.right], test.people[person], name).probability()
            chances.append(np.maximum(left, 1 - left))
            hits.append(correctness(left - 0.5, mine.choice))
            people.append(mine.person)
    return Confidences(np.concatenate(chances), np.concatenate(hits), np.concatenate(people))


def two_way_gain(
    personal: Taste, everybody: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray, *, seed: int = 0
) -> Interval:
    """Return how much more often a taste is right than the population's, and where that would lie for other people and images.

    It is the mean over people of their pairs on any attribute, so with several attributes it may differ from the mean over these.
    """
    gains = np.zeros(len(pairs))
    for attribute, name in enumerate(test.attributes):
        own_rows = np.flatnonzero(pairs.attribute == attribute)
        groups = Groups.of(pairs.person[own_rows], len(test.people))
        for person in groups.present():
            rows = own_rows[groups[person]]
            mine = pairs[rows]
            pair = items[mine.left], items[mine.right]
            right, population = (
                correctness(each.differences(*pair, test.people[person], name).mean, mine.choice) for each in (personal, everybody)
            )
            gains[rows] = right - population
    return statistics.bootstrap_pairs(gains, pairs.person, pairs.left, pairs.right, seed=seed)


def calibration_error(taste: Taste, test: JudgementDataset, pairs: ComparisonTable, items: np.ndarray, *, bins: int = 10) -> float:
    """Return how far a taste's probabilities are from frequencies, as `Confidences.calibration_error` does."""
    return confidences(taste, test, pairs, items).calibration_error(bins=bins)


def figures(table: pd.DataFrame, *, seed: int = 0) -> dict[str, float]:
    """Return what `agree` found, as means over people (each person's attributes averaged first), the gain with its interval."""
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
    """Return how much more often the taste of one table of `agree` is right than another's, paired by people and pairs."""
    both = table.merge(other, on=["user_id", "attribute"], suffixes=("", ".other"), validate="one_to_one")
    more = (both["accuracy.personal"] - both["accuracy.personal.other"]).groupby(both["user_id"]).mean()
    return bootstrap(more.to_numpy(), seed=seed)


def ceiling(dataset: JudgementDataset) -> tuple[float, int]:
    """Return the accuracy of somebody who knew each person's true taste, from repeated comparisons, and how many there are.

    A person who says the same again with probability r errs with probability e in each, r = (1 - e)^2 + e^2; the best
    possible accuracy is 1 - e. NaN where nobody was asked twice.
    """
    made = decided(dataset.comparisons)
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


def first(dataset: JudgementDataset, count: int, *, seed: int) -> JudgementDataset:
    """Return `count` comparisons of each person and attribute to learn from, drawn at random from those made and those implied."""
    pairs = pairs_of(dataset, at_most=max(400, count), seed=seed, ties=True)
    order = np.random.default_rng(seed).permutation(len(pairs))
    cell = (pairs.person * len(dataset.attributes) + pairs.attribute)[order]
    place = pd.Series(cell).groupby(cell).cumcount().to_numpy()
    chosen = np.sort(order[place < count])
    return replace(dataset, ratings=dataset.ratings[np.zeros(0, np.int64)], comparisons=pairs[chosen])


def summarise(curve: Mapping[int, np.ndarray], *, seed: int = 0) -> pd.DataFrame:
    """Return gains [P] after so many judgements as a row each: judgements, gain, low, high."""
    rows = []
    for count, gains in curve.items():
        interval = bootstrap(gains, seed=seed)
        rows.append({"judgements": count, "gain": interval.mean, "gain.low": interval.low, "gain.high": interval.high})
    return pd.DataFrame(rows)


def learning_curve(counts: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return what `agree` found after so many judgements as a row each: judgements, gain with its interval, accuracy; of people."""
    by_person = {count: each.groupby("user_id")[["gain", "accuracy.personal"]].mean() for count, each in counts.items()}
    rows = summarise({count: each["gain"].to_numpy() for count, each in by_person.items()})
    return rows.assign(accuracy=[float(each["accuracy.personal"].mean()) for each in by_person.values()])


def together(parts: Sequence[Confidences]) -> Confidences:
    """Return the confidences of several tests as those of one."""
    return Confidences(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("chance", "hit", "person")))


def _rank_correlation(
    taste: Taste, items: np.ndarray, images: np.ndarray, scores: np.ndarray, user_id: str, attribute: str
) -> float:
    """Return Spearman's; nan for fewer than three ratings or all the same."""
    if len(images) < 3 or len(set(scores.tolist())) < 2:
        return float("nan")
    return float(statistics.spearman(taste.utilities(items[images], [user_id], attribute)[0], scores))
