"""Evaluation and contact sheets: figures with known answers."""

import numpy as np
import pytest

from beholder.portraits import contact_sheets, evaluation
from beholder.portraits.evaluation import GOALS, EvaluationConfig, reached


def test_r_squared() -> None:
    truth = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
    assert evaluation.r_squared(truth, truth).tolist() == [1, 1]
    mean = np.tile(truth.mean(axis=0), (3, 1))
    assert evaluation.r_squared(mean, truth).tolist() == [0, 0]
    assert evaluation.r_squared(truth + np.array([[1, 0]]), truth).tolist() == [-0.5, 1]


def test_goals_have_a_side() -> None:
    assert reached({"clip/zero_shot": 0.95, "generator/error": 0.031, "unknown": 7.0}) == {
        "clip/zero_shot": True,
        "generator/error": False,
    }
    assert {sign for sign, _ in GOALS.values()} == {">=", "<="}


def test_retrieval_needs_a_hundred() -> None:
    with pytest.raises(ValueError, match="at least 100 portraits"):
        EvaluationConfig(portraits=50)


def test_a_grid_goes_row_by_row() -> None:
    pixels = np.stack([np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)])
    page = contact_sheets.grid(pixels, 2)
    assert page.shape == (4, 6, 3)
    assert page[::2, ::3, 0].tolist() == [[10, 20], [30, 255]]
