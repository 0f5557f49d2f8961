"""judgements: merging what people said."""

import datetime

import pyarrow as pa

from beholder import judgements, tables

NOON = datetime.datetime(2025, 2, 1, 12, tzinfo=datetime.UTC)


def rating(judgement_id: str, score: float, *, attribute: str = "smart", user_id: str = "ana") -> dict:
    return {
        "judgement_id": judgement_id,
        "user_id": user_id,
        "image_id": "7",
        "attribute": attribute,
        "score": score,
        "at": NOON,
        "lang": None,
    }


def table(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=tables.RATINGS)


def test_the_same_again_changes_nothing():
    old = table(rating("1", 2), rating("2", 3))
    assert judgements.merge(old, [rating("2", 3), rating("1", 2)], tables.RATINGS).equals(old)


def test_a_corrected_score_takes_the_old_ones_place():
    merged = judgements.merge(table(rating("1", 2), rating("2", 3)), [rating("1", 4)], tables.RATINGS)
    assert merged["score"].to_pylist() == [4, 3]


def test_a_second_judgement_of_the_same_image_is_kept():
    merged = judgements.merge(table(rating("1", 2)), [rating("9", 4)], tables.RATINGS)
    assert merged["judgement_id"].to_pylist() == ["1", "9"]


def test_attributes_and_people_are_told_apart():
    fresh = [rating("1", 1, attribute="attractive"), rating("1", 3, user_id="bo")]
    assert judgements.merge(table(rating("1", 2)), fresh, tables.RATINGS)["score"].to_pylist() == [2, 1, 3]


def test_comparisons_have_their_own_identity():
    row = {
        "judgement_id": "1",
        "user_id": "ana",
        "left_id": "a",
        "right_id": "b",
        "attribute": "smart",
        "choice": "left",
        "at": NOON,
        "lang": "en",
    }
    old = pa.Table.from_pylist([row], schema=tables.COMPARISONS)
    merged = judgements.merge(old, [row | {"choice": "tie"}, row | {"right_id": "c"}], tables.COMPARISONS)
    assert merged["choice"].to_pylist() == ["tie", "left"]
    assert merged["right_id"].to_pylist() == ["b", "c"]


def test_nothing_and_nothing_is_nothing():
    assert judgements.merge(tables.RATINGS.empty_table(), [], tables.RATINGS).num_rows == 0
