"""Raters: what they say follows from the taste that is written down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beholder.errors import ConfigError
from beholder.portraits import raters, traits

KINDS: tuple[tuple[raters.Kind, int], ...] = (("steady", 3), ("drifting", 1), ("random", 1), ("first", 1), ("flat", 1))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return raters.standardised(traits.sample(200, seed=3))


@pytest.fixture(scope="module")
def people(values: np.ndarray) -> list[raters.Rater]:
    return raters.people(raters.RatersConfig(kinds=KINDS, comparisons=2100, ratings=700, seed=2), values)


@pytest.fixture(scope="module")
def sheets(people: list[raters.Rater], values: np.ndarray) -> dict[str, pd.DataFrame]:
    return raters.judge(people, values, [f"p{i}" for i in range(200)], seed=1)


def of(people: list[raters.Rater], kind: str) -> raters.Rater:
    return next(rater for rater in people if rater.kind == kind)


def test_as_many_judgements_as_asked(sheets: dict[str, pd.DataFrame]) -> None:
    assert len(sheets["compare_label"]) == 2100
    assert len(sheets["label"]) == 700
    assert sheets["compare_label"]["_id"].is_unique
    assert sheets["label"]["_id"].is_unique
    assert set(sheets["compare_label"]["item_id"]) <= set(sheets["compare_data"]["_id"])


def test_utilities_have_a_spread_of_one(people: list[raters.Rater], values: np.ndarray) -> None:
    assert of(people, "steady").utility(values, 0).std() == pytest.approx(1)


def test_what_is_peoples_own_is_alike_on_all_attributes_where_it_is_said_to_be(values: np.ndarray) -> None:
    def likeness(common: float) -> float:
        """Return the mean correlation, between two attributes, of how people differ from the mean of all people."""
        some = raters.people(raters.RatersConfig(kinds=(("steady", 200),), common=common, seed=4), values)
        tastes = np.stack([rater.taste for rater in some])
        own = tastes - tastes.mean(axis=0)
        return float(np.mean([np.corrcoef(own[:, 0].ravel(), own[:, k].ravel())[0, 1] for k in (1, 2)]))

    assert abs(likeness(0.0)) < 0.1
    assert likeness(0.8) > 0.6
    with pytest.raises(ConfigError, match="common is a share"):
        raters.RatersConfig(common=1.5)


def test_steady_raters_choose_by_their_taste(
    people: list[raters.Rater], values: np.ndarray, sheets: dict[str, pd.DataFrame]
) -> None:
    said = sheets["compare_label"].merge(sheets["compare_data"], left_on="item_id", right_on="_id")
    place = {path: i for i, path in enumerate(sheets["data"]["data_image_part"])}
    for rater in people:
        mine = said[said["user_id"] == rater.user_id]
        left, right = (mine[column].map(place).to_numpy() for column in ("im1_path", "im2_path"))
        gap = rater.utility(values, 1)[right] - rater.utility(values, 1)[left]
        agreement = ((gap > 0) == (mine["smart"].to_numpy() == 2)).mean()
        if rater.kind == "steady":
            assert agreement > 0.8
        elif rater.kind in ("random", "first"):
            assert agreement == pytest.approx(0.5, abs=0.1)


def test_the_careless_are_what_they_are_called(people: list[raters.Rater], sheets: dict[str, pd.DataFrame]) -> None:
    choices, scores = sheets["compare_label"], sheets["label"]
    first = choices[choices["user_id"] == of(people, "first").user_id]
    assert (first["attractive"] == 1).mean() > 0.9
    flat = scores[scores["user_id"] == of(people, "flat").user_id]
    assert flat["trustworthy"].nunique() == 1


def test_a_drifting_rater_ends_elsewhere(people: list[raters.Rater], values: np.ndarray) -> None:
    rater = of(people, "drifting")
    start, end = rater.utility(values, 0, 0.0), rater.utility(values, 0, 1.0)
    assert np.corrcoef(start, end)[0, 1] < 0.9
    steady = of(people, "steady")
    assert (steady.utility(values, 0, 0.0) == steady.utility(values, 0, 1.0)).all()


def test_written_sheets_are_what_the_importer_reads(
    tmp_path: Path, people: list[raters.Rater], sheets: dict[str, pd.DataFrame]
) -> None:
    from beholder import spreadsheets
    from beholder.storage import Place

    raters.write(tmp_path, sheets, people)
    files = spreadsheets.find(Place.at(tmp_path))
    found = spreadsheets.read_judgements(files, spreadsheets.read_images(files), refused={})
    assert found.rejected == []
    assert len(found.comparisons) == 3 * 2100
    assert len(found.ratings) == 3 * 700
    truth = pd.read_csv(tmp_path / "truth.csv")
    assert len(truth) == len(people) * 3 * 2
    assert set(traits.NAMES) <= set(truth.columns)
