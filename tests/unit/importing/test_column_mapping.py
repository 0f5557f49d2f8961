"""column_mapping: what names tell, what has to be given, and what is asked for where neither does."""

import pytest

from beholder.errors import SpreadsheetError
from beholder.importing.column_mapping import ColumnMapping, layout_of
from beholder.importing.source_tables import TableFormat, find_tables
from beholder.storage import Place


def layout(tmp_path, text: str, guess: bool = True, **given: str):
    (tmp_path / "x.csv").write_text(text)
    (table,) = find_tables(Place.at(tmp_path / "x.csv"), TableFormat())
    return layout_of(table, ColumnMapping(**given), guess=guess)


@pytest.mark.parametrize(
    ("text", "form", "mapping"),
    [
        ("rater,photo,rating\n", "ratings", {"user_id": "rater", "image_id": "photo", "score": "rating"}),
        ("Worker ID;File-Name;Score\n", "ratings", {"user_id": "Worker ID", "image_id": "File-Name", "score": "Score"}),
        (
            "participant,stimulus,trait,response,timestamp,language,id\n",
            "ratings",
            {
                "user_id": "participant",
                "image_id": "stimulus",
                "attribute": "trait",
                "score": "response",
                "at": "timestamp",
                "lang": "language",
                "judgement_id": "id",
            },
        ),
        (
            "user,image,age,kind,smart\nana,1.jpg,30,1,2\n",
            "ratings",
            {"user_id": "user", "image_id": "image", "scores": "kind,smart"},
        ),
        ("image,mean,r1,r2\n1.jpg,1.5,1,2\n", "ratings", {"image_id": "image", "raters": "r1,r2"}),
        ("sex,age,bob,ann,eve\nmale,30,1,2,3\n", "ratings", {"user_id": "@row", "images": "bob,ann,eve"}),
        ("user,left,right,choice\n", "comparisons", {"user_id": "user", "left": "left", "right": "right", "choice": "choice"}),
        (
            "user,image1,image2,kind,smart\nana,a,b,1,2\n",
            "comparisons",
            {"user_id": "user", "left": "image1", "right": "image2", "choice": "kind,smart"},
        ),
        ("user,winner,loser\n", "comparisons", {"user_id": "user", "winner": "winner", "loser": "loser"}),
        ("user,image,rank,trial\n", "ranks", {"user_id": "user", "image_id": "image", "rank": "rank", "group": "trial"}),
    ],
)
def test_what_names_tell(tmp_path, text, form, mapping):
    found = layout(tmp_path, text)
    assert (found.form, found.mapping.given(), found.guessed) == (form, mapping, True)


def test_what_is_given_goes_first(tmp_path):
    found = layout(tmp_path, "user,judge,image,score,certainty\n", user_id="judge", score="certainty")
    assert found.mapping.given() == {"user_id": "judge", "image_id": "image", "score": "certainty"}
    assert found.columns() == ("judge", "image", "certainty")


def test_a_name_may_differ_in_case_and_marks(tmp_path):
    assert layout(tmp_path, "User ID,image,score\n", user_id="user_id").mapping.user_id == "User ID"


def test_nothing_is_guessed_beside_a_whole_mapping(tmp_path):
    found = layout(tmp_path, "user,image,score\n", user_id="user", image_id="image", score="score")
    assert not found.guessed


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"raters": "rest"}, ("r1", "r2", "who")),
        ({"raters": "r*"}, ("r1", "r2")),
        ({"raters": "who,r1"}, ("who", "r1")),
    ],
)
def test_several_columns(tmp_path, given, values):
    assert layout(tmp_path, "image,mean,r1,r2,who\n", image_id="image", **given).values == values


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        ("image,score\n", {}, r"no column says who judged; give columns.user_id=\.\.\. \(@file .*\(or columns.raters"),
        ("user,score\n", {}, "no column says which image was judged; give columns.image_id="),
        ("user,image\n", {}, "no column says the score"),
        ("user,left\n", {"left": "left"}, "no column says the right image, the choice"),
        ("usr,image,score\n", {"user_id": "usr_id"}, "has no column 'usr_id'.*found: usr, image, score; did you mean usr?"),
        ("user,image,a\n", {"scores": "a,b"}, "has no column 'b' .columns.scores"),
        (",".join(f"column{n}" for n in range(40)), {}, "column11 and 28 more$"),
    ],
)
def test_what_has_to_be_given(tmp_path, text, given, says):
    with pytest.raises(SpreadsheetError, match=says):
        layout(tmp_path, text, **given)


def test_columns_without_names_and_names_that_stand_twice(tmp_path):
    found = layout(tmp_path, ",user,image,score,score\n")
    assert found.columns() == ("user", "image", "score")
    assert layout(tmp_path, ",user,image,score,score\n", score="score (2)").columns() == ("user", "image", "score (2)")
