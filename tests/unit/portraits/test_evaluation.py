"""Evaluation and contact sheets: figures with known answers."""

import numpy as np
import pytest
import torch

from beholder.editing import pretrained
from beholder.portraits import contact_sheets, evaluation, traits
from beholder.portraits.evaluation import GOALS, EvaluationConfig, reached
from beholder.portraits.generator_finetuning import cropped
from beholder.portraits.trait_directions import score_map


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


def test_scores_are_read_off_w_also_where_edits_lead() -> None:
    generator, moves = pretrained.generator(), torch.linalg.pinv(traits.axes()).T
    z = traits.normalise(torch.randn(5, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(4)))
    pushed = z + 3.5 * moves[traits.column("skin")]
    found = score_map(generator)(generator.mapping.w(torch.cat([z, pushed])))
    torch.testing.assert_close(found, torch.cat([z, pushed]) @ traits.axes().T, atol=0.05, rtol=0)  # the mapping bends a little


def test_edited_portraits_are_compared_with_the_drawings_of_where_the_edit_led() -> None:
    generator, directions = pretrained.generator(), pretrained.directions()
    figures = evaluation.measure_edited(generator, directions, count=2, seed=3)
    assert set(figures) == {"generator/edited_most", *(f"generator/edited/{name}" for name in evaluation.HARD_EDITS)}
    assert figures["generator/edited/hat"] < 0.06


def test_a_page_of_pairs_is_at_most_2048_wide() -> None:
    page = contact_sheets.beside(cropped(pretrained.generator(), 128), seed=1, count=4)
    assert page.shape == (128, 1024, 3)
