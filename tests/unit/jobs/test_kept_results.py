"""Kept results: they come back as they went, and only for the same settings, judgements and items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from support.taste_suite import simulate

from beholder.jobs._comparison import TasteResult
from beholder.jobs._kept_results import KeptResults
from beholder.jobs._reservation import Reserved
from beholder.storage import Place

WORLD = simulate(images=30, comparisons=50, ratings=50)
ITEMS = np.zeros((30, 2), np.float32)
RESULT = TasteResult(
    pd.DataFrame({"user_id": ["ana", "bo"], "attribute": ["smart"] * 2, "gain": [0.1, np.nan]}),
    {"gain.mean": 0.1, "people": 2},
    Reserved(1.0, 0.25, 10, "0", "node"),
)


def test_a_result_comes_back_until_the_evaluation_is_done(tmp_path: Path) -> None:
    kept = KeptResults.of(Place.at(tmp_path), "settings", WORLD.train, ITEMS)
    assert kept.read("bayes, warm") is None
    kept.write("bayes, warm", RESULT)
    again = KeptResults.of(Place.at(tmp_path), "settings", WORLD.train, ITEMS)
    found = again.read("bayes, warm")
    assert found is not None
    pd.testing.assert_frame_equal(found.table, RESULT.table)
    assert (found.figures, found.reserved) == (RESULT.figures, RESULT.reserved)
    assert again.read("bayes") is None
    again.clear()
    assert again.read("bayes, warm") is None


def test_of_other_settings_judgements_or_items_nothing_is_kept(tmp_path: Path) -> None:
    place, train = Place.at(tmp_path), WORLD.train
    KeptResults.of(place, "settings", train, ITEMS).write("bayes", RESULT)
    score = train.ratings.score.copy()
    score[0] += 1
    others = [
        KeptResults.of(place, "other settings", train, ITEMS),
        KeptResults.of(place, "settings", replace(train, ratings=replace(train.ratings, score=score)), ITEMS),
        KeptResults.of(place, "settings", replace(train, weights=np.ones(8)), ITEMS),
        KeptResults.of(place, "settings", train, ITEMS + 1),
    ]
    assert all(other.read("bayes") is None for other in others)


def test_what_was_cut_off_is_not_read(tmp_path: Path) -> None:
    kept = KeptResults.of(Place.at(tmp_path), "settings", WORLD.train, ITEMS)
    kept.write("bayes", RESULT)
    (file,) = (path for path in tmp_path.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    assert kept.read("bayes") is None
