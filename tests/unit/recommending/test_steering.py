"""Steering: what may change, versions of an edit, and versions that differ."""

import numpy as np
import pytest

from beholder.editing import pretrained
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.errors import ChoiceError, EditError
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.ranking import UNEDITED, ScoredEdit
from beholder.recommending.steering import Steering, spread, spread_edits, variations
from beholder.recommending.store.question import taste_key, taste_of

SLIDERS = pretrained.directions()
VOCABULARY = Vocabulary.of(SLIDERS)
CANDIDATES = candidates(SLIDERS, CandidatesConfig(count=400))


def test_identity_skin_and_age_stay_unless_somebody_asks_for_them():
    free = Steering().movable(VOCABULARY, SLIDERS)
    assert set(SLIDERS) - set(free) == {"darker_skin", "older", "wider_face", "bigger_eyes"}
    assert "older" in Steering(allow=("older", "hair")).movable(VOCABULARY, SLIDERS)
    assert set(Steering(lock=()).movable(VOCABULARY, SLIDERS)) == set(SLIDERS)
    assert "hat" not in Steering(forbid=("accessories",)).movable(VOCABULARY, SLIDERS)
    assert Steering().movable(VOCABULARY, ["smile"]) == ("smile",)  # nothing else is offered


def test_contradictions_are_refused():
    with pytest.raises(ChoiceError, match="older can't be allowed and locked"):
        Steering(allow=("older",), lock=("age",)).movable(VOCABULARY, SLIDERS)
    with pytest.raises(ChoiceError, match="nothing is left that may change"):
        Steering(allow=("hat",), forbid=("accessories",)).movable(VOCABULARY, SLIDERS)
    with pytest.raises(EditError, match="'hats' is no direction"):
        Steering(allow=("hats",)).movable(VOCABULARY, SLIDERS)
    with pytest.raises(ChoiceError, match="diversity"):
        Steering(diversity=0)


def test_candidates_along_some_directions_alone():
    rows = CANDIDATES.rows_along(("smile", "hat"))
    moved = [set(CANDIDATES.edit(int(row))) for row in rows]
    assert {"smile"} in moved
    assert {"smile", "hat"} in moved
    assert set().union(*moved) == {"smile", "hat"}


def test_variations_keep_the_edit_but_for_their_moves():
    like, rows = {"hat": 2.0, "smile": 1.0}, CANDIDATES.rows_along(("smile", "longer_hair"))
    alphas = variations(like, CANDIDATES, rows)
    columns = {name: column for column, name in enumerate(CANDIDATES.directions)}
    assert (alphas[:, columns["hat"]] == 2.0).all()  # it may not change
    smiles = set(alphas[:, columns["smile"]].tolist())
    assert {0.0, 1.0, -2.0} <= smiles  # taken out, kept, moved
    assert not (np.abs(alphas - [like.get(name, 0.0) for name in CANDIDATES.directions]) < 1e-6).all(axis=1).any()
    assert len(np.unique(alphas, axis=0)) == len(alphas)


def test_versions_span_as_many_directions_as_wanted():
    alphas = np.zeros((10, 4), np.float32)
    alphas[:7, 0] = np.arange(7) + 1
    alphas[[7, 8, 9], [1, 2, 3]] = 1
    assert spread(alphas, range(10), 6, 3) == [0, 1, 7, 8, 9, 2] or spread(alphas, range(10), 6, 3) == [0, 1, 2, 7, 8, 9]
    assert spread(alphas, range(10), 6, 1) == [0, 1, 2, 3, 4, 5]
    assert spread(alphas[:3], range(3), 6, 3) == [0, 1, 2]
    scored = [UNEDITED, *(ScoredEdit({"smile": alpha}, 1.0, 0.1, 0.9) for alpha in (3.0, 2.0, 1.0))]
    scored += [ScoredEdit({"hat": 2.0}, 0.5, 0.1, 0.7), ScoredEdit({"beard": 2.0}, 0.4, 0.1, 0.6)]
    few = spread_edits(scored, 4, Steering())
    assert len({name for each in few for name in each.edit}) >= 2
    assert few[0] is UNEDITED
    assert spread_edits(scored, None, Steering()) == scored


def test_each_attribute_is_kept_under_a_name_of_its_own():
    assert taste_key("ana", "", "attractive") == taste_key("ana", "attractive", "attractive") == "ana"
    assert taste_of(taste_key("ana", "trustworthy", "attractive")) == ("ana", "trustworthy")
    assert taste_of("ana") == ("ana", "")
