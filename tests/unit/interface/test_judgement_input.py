"""Judgements of a program are checked, and its ids come back as they were given."""

import numpy as np
import pandas as pd
import pytest

from beholder.errors import InputError
from beholder.interface.judgement_input import read_judgements

PAIR = {"user_id": "ana", "left_id": 1, "right_id": 2, "choice": "left"}
RATING = {"user_id": "ana", "image_id": 1, "score": 3}


def choices(*values):
    return read_judgements(comparisons=[{**PAIR, "choice": value} for value in values]).comparisons["choice"].to_pylist()


def test_choices_are_words_or_the_chosen_image():
    assert choices("left", "R", "tie", "A", 2, "1", np.int64(2), 2.0) == [
        "left", "right", "tie", "left", "right", "left", "right", "right",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0, "7", None, float("nan"), "up", True])
def test_codes_that_nobody_can_know_are_refused(value):
    with pytest.raises(InputError, match=r"column choice: expected left, right, tie or the id .* in row 1"):
        choices("left", value)


def test_one_table_is_told_by_its_columns():
    assert read_judgements([PAIR]).comparisons.num_rows == 1
    assert read_judgements([RATING]).ratings.num_rows == 1
    with pytest.raises(InputError, match="were given as well"):
        read_judgements([RATING], ratings=[RATING])


def test_whole_numbers_are_ids_and_come_back_as_numbers():
    judged = read_judgements(ratings=pd.DataFrame({"user_id": [7.0], "image_id": np.array([3], np.int32), "score": [1]}))
    assert judged.ratings["image_id"].to_pylist() == ["3"]
    assert judged.people["7"] == 7
    assert judged.images["3"] == 3


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, 1.5, True])
def test_what_is_no_id_is_refused_with_its_row(missing):
    with pytest.raises(InputError, match=r"column image_id: expected an id .* in row 1"):
        read_judgements(ratings=[RATING, {**RATING, "image_id": missing}])


def test_scores_have_to_be_numbers():
    with pytest.raises(InputError, match=r"got 'good' in row 1 \(1 of 2 rows are none\)"):
        read_judgements(ratings=[RATING, {**RATING, "score": "good"}])
    assert read_judgements(ratings=[{**RATING, "score": "2.5"}]).ratings["score"].to_pylist() == [2.5]


def test_an_image_beside_itself_is_refused():
    with pytest.raises(InputError, match="'1' is compared with itself"):
        read_judgements(comparisons=[{**PAIR, "right_id": 1}])


def test_an_attribute_selects_or_names_what_was_judged():
    table = [{**RATING, "attribute": "smart"}, {**RATING, "attribute": "kind"}]
    assert read_judgements(ratings=table, attribute="kind").ratings["attribute"].to_pylist() == ["kind"]
    assert read_judgements(ratings=[RATING], attribute="kind").ratings["attribute"].to_pylist() == ["kind"]
    assert read_judgements(ratings=[RATING]).ratings["attribute"].to_pylist() == ["preference"]
    with pytest.raises(InputError, match="nobody judged attribute='smrt'; did you mean smart"):
        read_judgements(ratings=table, attribute="smrt")


def test_columns_may_be_those_of_one_of_two_tables():
    rated = {"rater": "ana", "image_id": 1, "score": 3}
    judged = read_judgements(ratings=[rated], comparisons=[PAIR], columns={"user_id": "rater"})
    assert len(judged) == 2
    with pytest.raises(InputError, match="there is no column 'ratr' in ratings; did you mean rater"):
        read_judgements(ratings=[rated], columns={"user_id": "ratr"})


def test_times_are_read():
    judged = read_judgements(ratings=[{**RATING, "at": "2026-01-02T03:04:05Z"}])
    assert judged.ratings["at"].to_pylist()[0].hour == 3
    with pytest.raises(InputError, match="column at: expected times, got 'noon' in row 0"):
        read_judgements(ratings=[{**RATING, "at": "noon"}])


def test_nothing_is_refused_with_what_is_expected():
    with pytest.raises(InputError, match="expected judgements: ratings=TABLE"):
        read_judgements()


def test_images_without_embeddings_are_counted_and_named():
    with pytest.raises(InputError, match=r"2 of 2 judged images have no row in the embeddings .* '1' is no image"):
        read_judgements(comparisons=[PAIR]).on(["a", "b"])
