"""Choice history: each person's choices as arrays, for rankers that fit a person anew where a Bayesian one is updated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers.ranker_features import EditRegressors


@dataclass(frozen=True, eq=False)
class ComparisonPairs:
    """N choices: regressors of both sides, float32 [N, F], and outcomes [N] (1 left, 0 right, 0.5 neither)."""

    left: np.ndarray
    right: np.ndarray
    outcome: np.ndarray

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass
class ChoiceHistory:
    """Each person's choices, in order. width: F, the number of regressors."""

    width: int
    rows: dict[str, list[tuple[np.ndarray, np.ndarray, float]]] = field(default_factory=dict)

    def add(self, comparison: Comparison, regressors: EditRegressors) -> None:
        """Append a choice."""
        left, right = (regressors.of(side)[0].astype(np.float32) for side in (comparison.left, comparison.right))
        self.rows.setdefault(comparison.user_id, []).append((left, right, float(comparison.outcome)))

    def of(self, user_ids: Iterable[str]) -> ComparisonPairs:
        """Return the choices of some people, one person's after another's."""
        rows = [row for user_id in user_ids for row in self.rows.get(user_id, [])]
        left, right = (np.array([row[side] for row in rows], np.float32).reshape(-1, self.width) for side in (0, 1))
        return ComparisonPairs(left, right, np.array([row[2] for row in rows]))

    def of_person(self, user_id: str | None) -> "ChoiceHistory":
        """Return a copy with the choices of one person, or of nobody."""
        return ChoiceHistory(self.width, {name: list(rows) for name, rows in self.rows.items() if name == user_id})

    def counts(self) -> list[int]:
        """Return how many choices each person made."""
        return [len(rows) for rows in self.rows.values()]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return everything but the user ids, which are the keys of `rows` in order."""
        pairs, counts = self.of(self.rows), np.array(self.counts(), np.int64)
        return {
            "history.left": pairs.left,
            "history.right": pairs.right,
            "history.outcome": pairs.outcome,
            "history.counts": counts,
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray], people: Iterable[str]) -> "ChoiceHistory":
        """Read what `tensors()` returned, and the user ids."""
        left, right, outcome = (tensors[f"history.{name}"] for name in ("left", "right", "outcome"))
        history, start = cls(left.shape[1]), 0
        for user_id, count in zip(people, tensors["history.counts"].tolist(), strict=True):
            history.rows[user_id] = [(left[row], right[row], float(outcome[row])) for row in range(start, start + count)]
            start += count
        return history
