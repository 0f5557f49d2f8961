"""Steering: what a person lets a recommendation change, what it starts from, and how different its versions are."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from beholder.editing.directions.vocabulary import LOCKED, Vocabulary
from beholder.editing.editor import Edit
from beholder.errors import ChoiceError
from beholder.recommending.candidates import Candidates, row_of_alphas
from beholder.recommending.ranking import ScoredEdit

JUDGED = 6  # photos, spread evenly, by which the look is chosen that many share


@dataclass(frozen=True)
class Steering:
    """What may change. allow, forbid, lock: directions or groups of them (`vocabulary.GROUPS`).

    allow: nothing else may change; none: everything that is offered. lock: what stays as it is; None: `vocabulary.LOCKED`, but for
    what `allow` names. like: an edit of which versions are wanted. diversity: how many directions the versions span at least, where
    there are so many to choose among. shared_with: of looks, further photos that a recommended look is for.
    """

    allow: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    lock: tuple[str, ...] | None = None
    like: Mapping[str, float] = field(default_factory=dict)
    diversity: int = 3
    shared_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.diversity < 1:
            raise ChoiceError(f"diversity must be at least 1, got {self.diversity}")

    def movable(self, vocabulary: Vocabulary, offered: Collection[str]) -> tuple[str, ...]:
        """Return the directions that may change. offered: those that may where `allow` names none.

        Raises EditError for a name that is no direction and no group, ChoiceError where nothing is left, or `lock` and `allow`
        name the same direction.
        """
        allowed = vocabulary.directions(self.allow) if self.allow else [name for name in vocabulary.words if name in offered]
        locked = set(vocabulary.directions(LOCKED if self.lock is None else self.lock))
        if self.lock is None:
            locked -= set(allowed) if self.allow else set()
        elif both := sorted(locked & set(allowed)) if self.allow else []:
            raise ChoiceError(f"{', '.join(both)} can't be allowed and locked: leave it out of one of them")
        left = [name for name in allowed if name not in locked | set(vocabulary.directions(self.forbid))]
        if not left:
            raise ChoiceError("nothing is left that may change: allow more, or forbid and lock less")
        return tuple(left)


def variations(like: Edit, candidates: Candidates, rows: np.ndarray) -> np.ndarray:
    """Return an edit with these candidates' moves in place of its own, and without each that they may make, float32 [C, K].

    None is the edit itself, and none comes twice. Raises EditError for a direction that is no column.
    """
    base = row_of_alphas(like, candidates.directions)
    moves = candidates.alphas[rows]
    changed = np.where(moves != 0, moves, base)
    mine = [column for column in np.flatnonzero(base) if moves[:, column].any()]
    without = np.repeat(base[None], len(mine), axis=0)
    without[np.arange(len(mine)), mine] = 0
    every = np.unique(np.concatenate([changed, without]), axis=0)
    result: np.ndarray = every[(np.abs(every - base) > 1e-6).any(axis=1)]
    return result


def spread(alphas: np.ndarray, order: Sequence[int] | np.ndarray, count: int, diversity: int) -> list[int]:
    """Return up to `count` rows of changes, alphas [C, K], in the order given, of which no direction has more than its share.

    A share is `count` / `diversity`, rounded up, so that the rows span at least `diversity` directions where there are such; what
    is missing then is filled up in order.
    """
    most, used = math.ceil(count / diversity), np.zeros(alphas.shape[1], int)
    chosen: list[int] = []
    for row in order:
        moved = alphas[row] != 0
        if len(chosen) < count and (used[moved] < most).all():
            chosen.append(int(row))
            used[moved] += 1
    left = [int(row) for row in order if int(row) not in set(chosen)][: count - len(chosen)]
    place = {int(row): at for at, row in enumerate(order)}
    return sorted([*chosen, *left], key=place.__getitem__)


def spread_edits(ranked: Sequence[ScoredEdit], count: int | None, steering: Steering) -> list[ScoredEdit]:
    """Return the first `count` of scored edits as `spread` chooses them; None: all."""
    if count is None or count >= len(ranked):
        return list(ranked)
    names = sorted({name for each in ranked for name in {**each.edit, **steering.like}})
    changes = np.array([[each.edit.get(name, 0.0) - steering.like.get(name, 0.0) for name in names] for each in ranked])
    return [ranked[row] for row in spread(changes.reshape(len(ranked), len(names)), range(len(ranked)), count, steering.diversity)]
