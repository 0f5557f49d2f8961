"""Judgements written down by hand as the rows that the measures of quality take."""

from collections.abc import Sequence

import numpy as np

from beholder.quality.judgement_rows import JudgementRows
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable

CHOICES = {"left": 1.0, "right": 0.0, "tie": 0.5}


def dataset_of(
    *, ratings: Sequence[tuple[str, int, float]] = (), comparisons: Sequence[tuple[str, int, int, str]] = (), images: int = 10
) -> JudgementDataset:
    """Return judgements on one attribute: ratings (who, image, score), comparisons (who, left, right, "left", "right" or "tie")."""
    people = tuple(sorted({who for who, *_ in ratings} | {who for who, *_ in comparisons}))
    number = {name: row for row, name in enumerate(people)}

    def whole(values: Sequence[int]) -> np.ndarray:
        return np.array(list(values), np.int64)

    rated = RatingTable(
        whole([number[who] for who, _, _ in ratings]),
        whole([image for _, image, _ in ratings]),
        whole([0] * len(ratings)),
        np.array([score for _, _, score in ratings], np.float32),
    )
    compared = ComparisonTable(
        whole([number[who] for who, *_ in comparisons]),
        whole([left for _, left, _, _ in comparisons]),
        whole([right for _, _, right, _ in comparisons]),
        whole([0] * len(comparisons)),
        np.array([CHOICES[choice] for *_, choice in comparisons], np.float32),
    )
    return JudgementDataset(people, tuple(f"image-{number}" for number in range(images)), ("attractive",), rated, compared)


def rows_of(dataset: JudgementDataset, *, folds: int = 4) -> JudgementRows:
    """Return a dataset as rows."""
    return JudgementRows.of(dataset, images=len(dataset.images), folds=folds, seed=0)
