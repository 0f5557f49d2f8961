"""Candidates: what is among them, in which order, and how an edit is found again."""

import numpy as np
import pytest

from beholder.editing.fake import FakeEditor
from beholder.errors import ConfigError, EditError
from beholder.recommending.candidates import Candidates, CandidatesConfig, OfferedDirectionsConfig, candidates

NINETEEN = {f"d{k}": (-3.0, 3.0) for k in range(19)}


def test_every_direction_has_its_grid_and_pairs_fill_the_rest() -> None:
    found = candidates(NINETEEN)
    moves = (found.alphas != 0).sum(axis=1)
    assert len(found) == 1000
    assert moves[:228].tolist() == [1] * 228  # 19 directions x 12 alphas
    assert moves[228:].tolist() == [2] * 772
    assert [found.edit(row)["d0"] for row in range(12)] == [-3, -2.5, -2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 2.5, 3]
    together = (found.alphas != 0).astype(int).T @ (found.alphas != 0)
    assert together[~np.eye(19, dtype=bool)].min() >= 4  # every two directions, each up and down


@pytest.mark.parametrize("count", [1, 7, 228, 229, 1000, 5000])
def test_none_twice_none_empty_none_outside_and_always_the_same(count: int) -> None:
    ranges = {"a": (-3.0, 3.0), "b": (0.0, 1.0), "c": (-0.3, 2.0), "d": (-2.0, 0.0), "e": (-3.0, 3.0)}
    found = candidates(ranges, CandidatesConfig(count=count))
    low, high = (np.array([ends[side] for ends in ranges.values()], np.float32) for side in (0, 1))
    assert len(found) <= count
    assert len(np.unique(found.alphas, axis=0)) == len(found)
    assert (found.alphas != 0).any(axis=1).all()
    assert ((found.alphas >= low) & (found.alphas <= high)).all()
    assert np.array_equal(found.alphas, candidates(ranges, CandidatesConfig(count=count)).alphas)


def test_the_ends_of_a_range_are_there_even_where_a_step_is_too_long() -> None:
    found = candidates({"a": (0.0, 0.3), "b": (-1.2, 0.0)}, CandidatesConfig(pairs=False))
    assert found.edits() == [{"a": 0.3}, {"b": -1.2}, {"b": -1.0}, {"b": -0.5}]


def test_a_small_count_is_shared_evenly() -> None:
    found = candidates({"a": (-3.0, 3.0), "b": (-3.0, 3.0)}, CandidatesConfig(count=4))
    assert found.edits() == [{"a": -2.0}, {"a": 2.0}, {"b": -2.0}, {"b": 2.0}]
    many = candidates({f"d{k}": (-3.0, 3.0) for k in range(60)}, CandidatesConfig(count=150))
    assert set((many.alphas != 0).sum(axis=0)) == {2, 3}


def test_an_edit_is_found_again() -> None:
    found = candidates(FakeEditor().directions, CandidatesConfig(step=0.1))
    assert all(found.row_of(found.edit(row)) == row for row in range(0, len(found), 37))
    assert found.row_of({"larger": 0.3, "redder": 0.0}) == found.row_of({"larger": 0.3})
    assert found.row_of({"larger": 0.123}) is None
    assert found[[5, 3]].edits() == [found.edit(5), found.edit(3)]
    with pytest.raises(EditError, match="larg is not a direction; did you mean larger"):
        found.row_of({"larg": 1.0})


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(EditError, match="at least one direction"):
        candidates({})
    with pytest.raises(EditError, match="direction a: a range must reach"):
        candidates({"a": (1.0, 2.0)})
    with pytest.raises(ConfigError, match="count must be at least 1"):
        CandidatesConfig(count=0)
    with pytest.raises(ConfigError, match="step must be above 0"):
        CandidatesConfig(step=float("nan"))
    with pytest.raises(EditError, match=r"float32 \[C, 2\].*float32 \[4, 3\]"):
        Candidates(("a", "b"), np.zeros((4, 3), np.float32))


def test_skin_tone_is_not_offered_unless_somebody_says_so():
    names = ["darker_skin", "smile", "Pale-Skin", "skinny"]
    assert OfferedDirectionsConfig().names(names) == ("smile", "skinny")
    assert OfferedDirectionsConfig(never=[]).names(names) == tuple(names)
    assert OfferedDirectionsConfig(offered=["smile", "darker_skin"]).names(names) == ("smile",)
    assert OfferedDirectionsConfig(never=["smile"], offered=["smile", "darker_skin"]).names(names) == ("darker_skin",)
    with pytest.raises(ConfigError, match="did you mean smile"):
        OfferedDirectionsConfig(offered=["smle"]).names(names)
    with pytest.raises(ConfigError, match="leaves none of darker_skin"):
        OfferedDirectionsConfig(offered=["darker_skin"]).names(names)
    with pytest.raises(ConfigError, match="got none"):
        OfferedDirectionsConfig(offered=[])


def test_rows_along_some_directions_move_no_other():
    edits = candidates({"smile": (-1.0, 1.0), "hat": (0.0, 1.0), "age": (-1.0, 0.0)}, CandidatesConfig(step=1.0))
    rows = edits.rows_along(["smile", "age"])
    assert not edits.alphas[rows][:, 1].any()
    assert len(rows) == int((edits.alphas[:, 1] == 0).sum())
