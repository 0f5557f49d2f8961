"""Candidates: the edits that a recommendation chooses among, each direction at a grid of alphas and pairs of directions; and which
of the directions are offered at all."""

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.editing.directions.edit_text import check
from beholder.editing.editor import Slider
from beholder.errors import ConfigError, EditError, nearest

Range = tuple[float, float]
_USUAL = 2 / 3  # of the way to an end of a range: strengths near it are the first that a pair takes
_Moves = tuple[tuple[int, float], ...]  # columns of directions, and their alphas


@dataclass(frozen=True)
class CandidatesConfig:
    """How many edits, and how fine."""

    count: int = setting(1000, "edits to choose among: single directions first, then pairs of directions until there are so many")
    step: float = setting(0.5, "step of the grid of alphas; the ends of a direction's range are always in it")
    pairs: bool = setting(True, "whether edits may move along two directions at once")
    drawn: int = setting(18, "the same with editor=diffusion, which draws each of them of each photo: single directions alone")

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"candidates.count must be at least 1, got {self.count}")
        if self.drawn < 2:
            raise ConfigError(f"candidates.drawn must be at least 2, to ask about a pair of them, got {self.drawn}")
        if not (math.isfinite(self.step) and self.step > 0):
            raise ConfigError(f"candidates.step must be above 0, got {self.step}")


ALL = "all"
PROTECTED = ("skin", "race", "ethnicity")  # words of directions that change a protected trait of a person


@dataclass(frozen=True)
class OfferedDirectionsConfig:
    """What questions and recommendations may change of themselves. An edit that a person asks for by name is made all the same."""

    offered: list[str] = setting([ALL], f"directions that questions and recommendations may move along; [{ALL}]: every one")
    never: list[str] = setting(
        list(PROTECTED),
        "directions, or words of their names, that these never move along of themselves: by default protected traits",
    )

    def __post_init__(self) -> None:
        if not self.offered:
            raise ConfigError(f"directions.offered: expected names of directions or [{ALL}], got none")

    def names(self, directions: Sequence[str]) -> tuple[str, ...]:
        """Return those of the directions that are offered. Raises ConfigError for an unknown name, and where none is left."""
        for name in self.offered:
            if name != ALL and name not in directions:
                raise ConfigError(f"directions.offered: {name} is no direction{nearest(name, list(directions))}")
        named = [name for name in directions if ALL in self.offered or name in self.offered]
        never = {name.lower() for name in self.never}
        left = tuple(name for name in named if not never & {name.lower(), *re.split(r"[^a-z0-9]+", name.lower())})
        if not left:
            raise ConfigError(
                f"directions.never={', '.join(self.never)} leaves none of {', '.join(named)}: offer more, or never less"
            )
        return left


@dataclass(frozen=True, eq=False)
class Candidates:
    """Edits as rows. directions: the names of the columns. alphas: float32 [C, K], 0 where an edit leaves a direction alone."""

    directions: tuple[str, ...]
    alphas: np.ndarray

    def __post_init__(self) -> None:
        if self.alphas.ndim != 2 or self.alphas.shape[1] != len(self.directions) or self.alphas.dtype != np.float32:
            got = f"{self.alphas.dtype} {list(self.alphas.shape)}"
            raise EditError(f"expected alphas as float32 [C, {len(self.directions)}], a column for each direction, got {got}")

    def __len__(self) -> int:
        return len(self.alphas)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> "Candidates":
        """Return some of the edits, in that order."""
        return Candidates(self.directions, self.alphas[rows])

    def edit(self, row: int) -> dict[str, float]:
        """Return the edit of a row: the directions that it moves along."""
        alphas = zip(self.directions, self.alphas[row], strict=True)
        return {name: round(float(alpha), 6) for name, alpha in alphas if alpha != 0}  # 0.3, not 0.30000001192

    def edits(self) -> list[dict[str, float]]:
        """Return the edit of every row."""
        return [self.edit(row) for row in range(len(self))]

    def rows_along(self, names: Collection[str]) -> np.ndarray:
        """Return the rows of the edits that move along these directions alone, int64 [R]."""
        others = [column for column, name in enumerate(self.directions) if name not in names]
        return np.flatnonzero(~self.alphas[:, others].any(axis=1))

    def row_of(self, edit: Mapping[str, float]) -> int | None:
        """Return the row of an edit; None where it is no candidate. Raises EditError for a direction that is no column."""
        rows = np.flatnonzero(np.abs(self.alphas - row_of_alphas(edit, self.directions)).max(axis=1, initial=0.0) < 1e-6)
        return int(rows[0]) if len(rows) else None


def row_of_alphas(edit: Mapping[str, float], directions: Sequence[str]) -> np.ndarray:
    """Return an edit as alphas, float32 [K]. Raises EditError for a direction that is not among them."""
    check(edit, directions)
    return np.array([edit.get(name, 0.0) for name in directions], np.float32)


def candidates(directions: Mapping[str, Slider | Range], config: CandidatesConfig | None = None) -> Candidates:
    """Return the edits to choose among, always the same ones: singles in order of direction and alpha, then pairs.

    directions: an editor's own, or name -> (lowest, highest alpha). No edit comes twice, none is the edit of nothing,
    and every alpha is inside its direction's range. Where there is no room for the whole grid, each direction gets an even
    share of it. Raises EditError where there are no directions or a range is none.
    """
    config = config or CandidatesConfig()
    if not directions:
        raise EditError("expected at least one direction to make candidates of, got none")
    names = tuple(directions)
    grids = [_grid(name, _range(directions[name]), config.step) for name in names]
    most = max(map(len, grids))
    singles: list[list[_Moves]] = [[((k, grid[turn]),) for k, grid in enumerate(grids) if turn < len(grid)] for turn in range(most)]
    chosen: list[_Moves] = sorted(_even(singles, config.count))
    if config.pairs:
        chosen += _even(_pairs(grids), config.count - len(chosen))
    alphas = np.zeros((len(chosen), len(names)), np.float32)
    for row, moves in enumerate(chosen):
        for k, alpha in moves:
            alphas[row, k] = alpha
    return Candidates(names, alphas)


def _range(given: Slider | Range) -> Range:
    return (float(given[0]), float(given[1])) if isinstance(given, tuple) else given.range


def _grid(name: str, ends: Range, step: float) -> list[float]:
    """Return the alphas of a direction but 0, the most usual strengths first."""
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high):
        raise EditError(f"direction {name}: a range must reach from at most 0 to at least 0, got {low}..{high}")
    sides = []
    for sign, end in ((1, high), (-1, -low)):
        inside = [step * k for k in range(1, math.ceil(end / step - 1e-6))]
        sides.append([sign * alpha for alpha in _coarse_first([*inside, end], end) if alpha > 0])
    return [alpha for both in itertools.zip_longest(*sides) for alpha in both if alpha is not None]


def _coarse_first(alphas: list[float], end: float) -> list[float]:
    """Order alphas so that the first few spread over all: the usual one, then always the farthest from those before."""
    left, ordered = sorted(alphas), [0.0]
    while left:
        usual = len(ordered) == 1
        far = min if usual else max
        ordered.append(far(left, key=lambda alpha: abs(alpha - _USUAL * end) if usual else min(abs(alpha - o) for o in ordered)))
        left.remove(ordered[-1])
    return ordered[1:]


def _pairs(grids: list[list[float]]) -> Iterator[list[_Moves]]:
    """Yield rounds of pairs: in each round every two directions once, with the alphas that are next in turn."""
    most = max(map(len, grids))
    turns = sorted(itertools.product(range(most), repeat=2), key=lambda turn: (max(turn) // 2, turn))
    for first, second in turns:
        yield [
            ((a, grids[a][first]), (b, grids[b][second]))
            for a, b in itertools.combinations(range(len(grids)), 2)
            if first < len(grids[a]) and second < len(grids[b])
        ]


def _even(rounds: Iterable[list[_Moves]], count: int) -> list[_Moves]:
    """Return the first `count` of rounds; of the one that does not fit whole, as many as fit, evenly spread."""
    result: list[_Moves] = []
    for each in rounds:
        left = count - len(result)
        if left <= 0:
            break
        result += each if len(each) <= left else [each[i * len(each) // left] for i in range(left)]
    return result
