"""Ordered scales of scores: whole numbers, steps, any number between two ends, or words from the lowest to the highest."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beholder.errors import ConfigError
from beholder.importing.cells import Read, read_number

_ENDS = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*\.\.\s*(-?\d+(?:\.\d+)?)\s*(?:(?::|by)\s*(\d+(?:\.\d+)?)\s*)?")
_NEAR = 1e-6  # of a step: how far a score may be from the scale through rounding


@dataclass(frozen=True)
class ScoreScale:
    """A scale from low to high. step: the distance of its scores; 0: any number between. words: their names, from low to high.

    backwards: the file's highest number is the lowest score, so that a score is mirrored.
    """

    low: float
    high: float
    step: float = 1.0
    words: tuple[str, ...] = ()
    backwards: bool = False

    @classmethod
    def parse(cls, text: str) -> "ScoreScale":
        """Return the scale of "1..7", "0..10:0.5", "0..100:0" (any number), "7..1" (1 is best) or "bad,fair,good".

        Raises ConfigError for anything else.
        """
        if ends := _ENDS.fullmatch(text):
            first, last = float(ends[1]), float(ends[2])
            step = float(ends[3]) if ends[3] else (0.0 if "." in ends[1] + ends[2] else 1.0)
            scale = cls(min(first, last), max(first, last), step, backwards=first > last)
            if scale.low < scale.high and (step == 0 or abs((steps := (scale.high - scale.low) / step) - round(steps)) < _NEAR):
                return scale
        elif len(words := [word.strip() for word in text.split(",")]) > 1 and all(words) and len(set(words)) == len(words):
            return cls(1.0, float(len(words)), 1.0, tuple(words))
        raise ConfigError(
            f"a scale is expected like 1..7, 0..10:0.5, 0..100:0 (any number), 7..1 (1 is best) or bad,fair,good; got {text!r}"
        )

    def __str__(self) -> str:
        if self.words:
            return ",".join(self.words)
        ends = (self.high, self.low) if self.backwards else (self.low, self.high)
        return f"{ends[0]:g}..{ends[1]:g}" + ("" if self.step == 1 else f":{self.step:g}")

    def reader(self, decimal: str | None) -> Callable[[str | None], Read]:
        """Return a function from the text of a cell to (score, None), or to (None, the reason why not)."""
        words = {word.casefold(): self.low + at for at, word in enumerate(self.words)}

        def read(text: str | None) -> Read:
            if words and text is not None and text.strip().casefold() in words:
                return words[text.strip().casefold()], None
            value, reason = read_number(text, decimal)
            if value is None:
                return None, f"{reason}: expected {self}"
            if self.step:
                nearest = self.low + round((value - self.low) / self.step) * self.step
                if abs(nearest - value) > _NEAR * self.step:
                    return None, f"outside the scale: expected {self}"
                value = nearest
            if not self.low - _NEAR <= value <= self.high + _NEAR:
                return None, f"outside the scale: expected {self}"
            return (self.low + self.high - value if self.backwards else value), None

        return read

    def onto(self, other: "ScoreScale", scores: np.ndarray) -> np.ndarray:
        """Return scores of this scale, float [N], moved in a straight line so that its ends are the other's."""
        return np.asarray(other.low + (scores - self.low) * (other.high - other.low) / (self.high - self.low))


@dataclass
class FoundScores:
    """The scores that a file has for one attribute: how many, their ends, and whether all are whole."""

    count: int = 0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    different: set[float] = field(default_factory=set)

    def add(self, scores: np.ndarray) -> None:
        """Take scores into account, float64 [N]."""
        if not len(scores):
            return
        self.count += len(scores)
        self.low, self.high = min(self.low, float(scores.min())), max(self.high, float(scores.max()))
        self.whole = self.whole and bool((scores == np.trunc(scores)).all())
        if len(self.different) < 1000:
            self.different.update(np.unique(scores)[:1000].tolist())

    def scale(self) -> ScoreScale:
        """Return the scale that these scores lie on, as far as they tell; one of a single score has room for another."""
        high = self.high if self.high > self.low else self.low + 1
        if self.whole:
            return ScoreScale(self.low, high)
        halves = all((2 * score).is_integer() for score in self.different) and len(self.different) < 1000
        return ScoreScale(self.low, high, 0.5 if halves else 0.0)


def read_any_number(decimal: str | None) -> Callable[[str | None], Read]:
    """Return a reader of scores whose scale is not known yet."""

    def read(text: str | None) -> Read:
        value, reason = read_number(text, decimal)
        return (value, None) if reason is None else (None, f"{reason}: expected a score; words need scale=LOWEST,...,HIGHEST")

    return read


def as_row(attribute: str, scale: ScoreScale, *, declared: bool) -> dict[str, Any]:
    """Return a scale as a row of the table `scales`. Scores are stored lowest first, whatever the file's direction."""
    words = ",".join(scale.words) or None
    return {
        "attribute": attribute,
        "low": scale.low,
        "high": scale.high,
        "step": scale.step,
        "words": words,
        "declared": declared,
    }
