"""Raters: simulated people who judge portraits by a known taste over the traits.

What a model should find is written beside what they said: `write` leaves the spreadsheets of the labelling tools, and
truth.csv with every person's kind and weights.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from torch import Tensor

from beholder.errors import ConfigError
from beholder.portraits.traits import NAMES

ATTRIBUTES = ("attractive", "smart", "trustworthy")
Kind = Literal["steady", "noisy", "drifting", "random", "first", "flat"]

# What most people agree on, as weights over standardised traits.
_SHARED: dict[str, dict[str, float]] = {
    "attractive": {"smile": 0.5, "age": -0.5, "eye_size": 0.35, "hair_length": 0.2, "receding": -0.3},
    "smart": {"glasses": 0.6, "age": 0.3, "hat": -0.25, "brow_thickness": 0.2, "receding": 0.2},
    "trustworthy": {"smile": 0.7, "eye_size": 0.25, "head_turn": -0.15, "beard": -0.2, "brow_thickness": -0.2},
}
_CUTS = (-0.8, 0.0, 0.8)  # of the utility, between the scores 1, 2, 3 and 4
FIRST = 0.96  # how often who always takes the first side takes it
_QUICK = ("random", "first", "flat")  # who does not look does not need long


@dataclass(frozen=True)
class Rater:
    """One person.

    taste: weights over standardised traits, float [A, T], at the first judgement; taste_last: at the last one (only a
    drifting rater's differs). sharpness: how surely the better image of a pair is chosen. cuts: where scores change.
    """

    user_id: str
    kind: Kind
    lang: str
    taste: np.ndarray
    taste_last: np.ndarray
    sharpness: float
    cuts: tuple[float, ...]
    comparisons: int
    ratings: int

    def utility(self, values: np.ndarray, attribute: int, moment: float = 0.0) -> np.ndarray:
        """How much this person likes portraits of standardised traits [N, T] at a moment 0..1 of their work, [N]."""
        weights = (1 - moment) * self.taste[attribute] + moment * self.taste_last[attribute]
        return np.asarray(values @ weights)

    def choose(self, left: np.ndarray, right: np.ndarray, moment: float, rng: np.random.Generator) -> list[int]:
        """1 (the left one) or 2 per attribute, of two portraits [T]."""
        if self.kind == "random":
            return [int(v) for v in rng.integers(1, 3, len(ATTRIBUTES))]
        if self.kind == "first":
            return [2 if v < 1 - FIRST else 1 for v in rng.random(len(ATTRIBUTES))]
        gaps = [self.utility(np.stack([left, right]), a, moment) for a in range(len(ATTRIBUTES))]
        chances = [1 / (1 + np.exp(-self.sharpness * (gap[1] - gap[0]))) for gap in gaps]
        return [2 if rng.random() < chance else 1 for chance in chances]

    def score(self, portrait: np.ndarray, moment: float, rng: np.random.Generator) -> list[int]:
        """1..4 per attribute, of one portrait [T]."""
        if self.kind == "flat":
            return [3] * len(ATTRIBUTES)
        if self.kind == "random":
            return [int(v) for v in rng.integers(1, 5, len(ATTRIBUTES))]
        noise = 0.8 / self.sharpness
        felt = [self.utility(portrait[None], a, moment)[0] + rng.normal(0, noise) for a in range(len(ATTRIBUTES))]
        return [int(np.digitize(value, self.cuts)) + 1 for value in felt]


@dataclass(frozen=True)
class RatersConfig:
    """Who judges, and how much; work is spread as unevenly as real labelling."""

    kinds: tuple[tuple[Kind, int], ...] = (
        ("steady", 15), ("noisy", 3), ("drifting", 2), ("random", 2), ("first", 1), ("flat", 1)
    )  # fmt: skip
    comparisons: int = 6000
    ratings: int = 4000
    personal: float = 0.5  # spread of a person's own weights
    common: float = 0.0  # share of their variance that is the same for every attribute, as halos of real people are
    seed: int = 23

    def __post_init__(self) -> None:
        if not 0 <= self.common <= 1:
            raise ConfigError(f"common is a share, from 0 to 1, got {self.common}")


def standardised(traits: Tensor) -> np.ndarray:
    """Traits [N, T] in 0..1 as deviations from the mean of these portraits, in their standard deviations."""
    values = traits.double().numpy()
    return np.asarray((values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9))


def people(config: RatersConfig, values: np.ndarray) -> list[Rater]:
    """The raters, their tastes scaled so that utilities over these portraits [N, T] have a spread of 1."""
    rng = np.random.default_rng(config.seed)
    kinds = [kind for kind, count in config.kinds for _ in range(count)]
    share = 1 / (np.arange(len(kinds)) + 3)
    share = rng.permutation(share / share.sum())
    comparisons, ratings = (_parts(total, share) for total in (config.comparisons, config.ratings))
    shared = np.zeros((len(ATTRIBUTES), len(NAMES)))
    for a, attribute in enumerate(ATTRIBUTES):
        for name, weight in _SHARED[attribute].items():
            shared[a, NAMES.index(name)] = weight
    found = []
    for i, kind in enumerate(kinds):
        first, last = (_taste(shared, values, config, rng) for _ in range(2))
        rater = Rater(
            user_id=_id("user", config.seed, i),
            kind=kind,
            lang="fa" if i % 3 == 0 else "en",
            taste=first,
            taste_last=last if kind == "drifting" else first,
            sharpness=0.9 if kind == "noisy" else 3.0,
            cuts=tuple(cut + rng.normal(0, 0.25) for cut in _CUTS),
            comparisons=comparisons[i],
            ratings=ratings[i],
        )
        found.append(replace(rater, cuts=tuple(sorted(rater.cuts))))
    return found


def judge(raters: list[Rater], values: np.ndarray, names: list[str], *, seed: int) -> dict[str, pd.DataFrame]:
    """What the raters say of portraits, as the sheets data, label, compare_data and compare_label.

    values: standardised traits [N, T]; names: of the portraits [N]; their files are images/<name>.webp.
    """
    image_ids = [_id("image", name) for name in names]
    paths = [f"images/{name}.webp" for name in names]
    began = pd.Timestamp("2026-01-05 08:00:00")
    data = pd.DataFrame({"_id": image_ids, "name": names, "data_image_part": paths, "update_date": began})
    labels, pairs, choices = [], [], []
    for number, rater in enumerate(raters):
        rng = np.random.default_rng([seed, number])
        pace = (2.0, 0.4) if rater.kind in _QUICK else (3.0, 2.2)
        clock = began + pd.Timedelta(days=int(rng.integers(0, 200)))
        total = max(1, rater.comparisons + rater.ratings)
        said = {"user_id": rater.user_id, "lang": rater.lang}
        for done, k in enumerate(rng.permutation(total)):
            clock += pd.Timedelta(milliseconds=int(1000 * rng.gamma(*pace)) + 1)
            moment = done / total
            if k < rater.comparisons:
                left, right = rng.choice(len(names), 2, replace=False)
                pair = _id("pair", names[left], names[right])
                pairs.append({"_id": pair, "im1_path": paths[left], "im2_path": paths[right]})
                answer = rater.choose(values[left], values[right], moment, rng)
                row = {"_id": _id("choice", number, k), "item_id": pair}
                choices.append(said | row | dict(zip(ATTRIBUTES, answer, strict=True)) | {"insert_time": clock})
            else:
                item = int(rng.integers(len(names)))
                answer = rater.score(values[item], moment, rng)
                row = {"_id": _id("rating", number, k), "item_id": image_ids[item]}
                labels.append(said | row | dict(zip(ATTRIBUTES, answer, strict=True)) | {"insert_time": clock})
    order = ["_id", "user_id", "item_id", *ATTRIBUTES, "lang", "insert_time"]
    return {
        "data": data,
        "label": pd.DataFrame(labels)[order],
        "compare_data": pd.DataFrame(pairs).drop_duplicates("_id"),
        "compare_label": pd.DataFrame(choices)[order],
    }


def truth(raters: list[Rater]) -> pd.DataFrame:
    """What is true of the raters: one row per person, attribute and end of their work, with the weight of every trait."""
    rows = []
    for rater in raters:
        for a, attribute in enumerate(ATTRIBUTES):
            for moment, taste in (("first", rater.taste), ("last", rater.taste_last)):
                person = {"user_id": rater.user_id, "kind": rater.kind, "comparisons": rater.comparisons}
                weights = dict(zip(NAMES, taste[a].round(4), strict=True))
                rows.append(person | {"ratings": rater.ratings, "attribute": attribute, "moment": moment} | weights)
    return pd.DataFrame(rows)


def write(folder: Path, sheets: dict[str, pd.DataFrame], raters: list[Rater]) -> None:
    """Leave big_<sheet>.xlsx for every sheet, and truth.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets.items():
        sheet.to_excel(folder / f"big_{name}.xlsx", index=False)
    truth(raters).to_csv(folder / "truth.csv", index=False)


def _taste(shared: np.ndarray, values: np.ndarray, config: RatersConfig, rng: np.random.Generator) -> np.ndarray:
    """Shared weights, more or less of them, and a person's own on two in five traits; utilities get a spread of 1."""
    own = rng.normal(0, config.personal, shared.shape) * (rng.random(shared.shape) < 0.4)
    if config.common > 0:
        everywhere = rng.normal(0, config.personal, shared.shape[1]) * (rng.random(shared.shape[1]) < 0.4)
        own = np.sqrt(1 - config.common) * own + np.sqrt(config.common) * everywhere
    taste = rng.uniform(0.3, 1.0, (len(shared), 1)) * shared + own
    return np.asarray(taste / (values @ taste.T).std(axis=0)[:, None])


def _parts(total: int, share: np.ndarray) -> list[int]:
    """`total` in whole parts, in proportion to `share`."""
    edges = np.round(np.cumsum(share) * total).astype(int)
    return [int(part) for part in np.diff(edges, prepend=0)]


def _id(*parts: object) -> str:
    """An id like those of the labelling tools: 24 hexadecimal digits."""
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()[:24]
