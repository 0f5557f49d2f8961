"""Outcomes: what became of simulated people, as means with intervals over them, rankers beside each other, and goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from beholder.simulation.rounds import FIGURES, Trajectory, curves
from beholder.simulation.simulated_people import SimulatedPeople
from beholder.statistics import Interval, bootstrap_columns

Cell = tuple[str, str]  # a ranker and a strategy
BEST = ("bayes", "eubo")  # what is recommended with unless one says otherwise
RANDOM = ("bayes", "random")


def table(found: Mapping[Cell, Sequence[Trajectory]], people: Sequence[SimulatedPeople]) -> pd.DataFrame:
    """A row for each ranker, strategy, person and round."""
    rows = []
    for (ranker, strategy), courses in found.items():
        for person, course in zip(people, courses, strict=True):
            figures = {name: getattr(course, name) for name in FIGURES}
            told = {"ranker": ranker, "strategy": strategy, "user_id": person.user_id, "kind": person.kind}
            rows.append(pd.DataFrame({**told, "rounds": np.arange(len(course.regret)), **figures}))
    return pd.concat(rows, ignore_index=True)


def means(courses: Sequence[Trajectory], figure: str) -> list[Interval]:
    """A figure after each number of rounds, with its interval over people."""
    return bootstrap_columns(curves(courses, figure))


def lead(courses: Sequence[Trajectory], others: Sequence[Trajectory], figure: str) -> list[Interval]:
    """How much higher a figure is than that of the same people elsewhere, after each number of rounds: paired."""
    return bootstrap_columns(curves(courses, figure) - curves(others, figure))


def rounds_to_reach(courses: Sequence[Trajectory], level: float) -> int | None:
    """After how many rounds the mean regret is at most this, and stays so for the two rounds that follow; None: never."""
    there = curves(courses, "regret").mean(axis=0) <= level
    steady = [bool(there[at : at + 3].all()) for at in range(len(there))]
    return steady.index(True) if any(steady) else None


@dataclass(frozen=True)
class Goal:
    """Something that should be so. found: what was measured, in words; reached: None where that can't tell."""

    labels: str
    found: str
    reached: bool | None


def goals(found: Mapping[Cell, Sequence[Trajectory]]) -> list[Goal]:
    """The goals that these courses can tell of."""
    told: list[Goal] = []
    rounds = len(next(iter(found.values()))[0].regret) - 1
    if BEST in found:
        chances = means(found[BEST], "preferred")
        for count, least in ((5, 0.8), (20, 0.9)):
            if count <= rounds:
                chance = chances[count]
                said = f"{chance.mean:.3f} [{chance.low:.3f}, {chance.high:.3f}]"
                what = f"after {count} choices the recommended edit is preferred to the image as it is with P >= {least}"
                told.append(Goal(what, said, chance.mean >= least))
    told += [_sooner(found, ranker) for ranker in ("bayes", "bayes alone") if (ranker, "random") in found and rounds >= 20]
    for own, other in _rivals(found):
        last = min(20, rounds)
        ahead = lead(found[own], found[other], "regret")[: last + 1]
        nearest = max(range(last + 1), key=lambda at: ahead[at].high)
        said = f"nearest after {nearest}: {ahead[nearest]}"
        what = f"regret of {' '.join(own)} less that of {' '.join(other)} is below 0 after 0..{last} rounds"
        told.append(Goal(what, said, ahead[nearest].high < 0))
    return told


def _sooner(found: Mapping[Cell, Sequence[Trajectory]], ranker: str) -> Goal:
    """How soon questions that were chosen come to what 20 random ones reach. Where those reach no more than was known before the
    first, it can't be told: there is nothing to come to."""
    chance = curves(found[ranker, "random"], "regret").mean(axis=0)
    wise = {strategy: courses for (name, strategy), courses in found.items() if name == ranker and strategy != "random"}
    needed = {name: rounds_to_reach(courses, float(chance[20])) for name, courses in wise.items()}
    said = ", ".join(f"{name} {'never' if count is None else count}" for name, count in needed.items())
    labels = f"{ranker}: the best strategy comes to the regret of 20 random questions in <= 12"
    what = f"{said} (random: {chance[0]:.3f} before the first, {chance[20]:.3f} after 20)"
    if chance[20] >= chance[0]:
        return Goal(labels, what, None)
    return Goal(labels, what, min((count for count in needed.values() if count is not None), default=99) <= 12)


def by_kind(courses: Sequence[Trajectory], people: Sequence[SimulatedPeople], figure: str) -> dict[str, tuple[int, np.ndarray]]:
    """Kind of people -> how many, and the mean of a figure after each number of rounds."""
    values, kinds = curves(courses, figure), np.array([person.kind for person in people])
    return {str(kind): (int((kinds == kind).sum()), values[kinds == kind].mean(axis=0)) for kind in dict.fromkeys(kinds)}


def _rivals(found: Mapping[Cell, Sequence[Trajectory]]) -> list[tuple[Cell, Cell]]:
    """bayes beside the published rankers: at random questions both, and each with questions of its own choice."""
    others = [cell for cell in found if cell[0] in ("logistic", "lightgbm", "ranknet")]
    pairs = [(RANDOM if cell[1] == "random" else BEST, cell) for cell in others]
    return [(own, other) for own, other in pairs if own in found]
