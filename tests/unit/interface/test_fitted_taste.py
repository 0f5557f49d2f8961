"""A taste that a program fits finds what people like, learns on, is kept, and says what it does not know."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import beholder as bh
from beholder.errors import EmbeddingError, InputError, TasteError


def test_it_finds_what_each_person_likes(study, taste):
    first = study.vectors[:, 0]
    assert np.corrcoef(taste.predict("ana"), first)[0, 1] > 0.95
    assert np.corrcoef(taste.predict("ben"), first)[0, 1] < -0.95
    assert taste.people == ["ana", "ben"]
    assert repr(taste) == "<FittedTaste bayes: 2 people, 40 images, preference>"
    assert "<td>680</td>" in taste._repr_html_()


def test_what_is_returned_has_the_shape_of_what_was_asked(study, taste):
    assert taste.predict("ana").index.tolist() == list(range(40))
    assert isinstance(taste.predict("ana", 3), float)
    assert taste.predict("ana", [3, 7]).index.tolist() == [3, 7]
    assert taste.predict(["ana", "ben"], [3, 7]).shape == (2, 2)
    assert taste.predict("ana", study.vectors[:5]).tolist() == taste.predict("ana", [0, 1, 2, 3, 4]).tolist()
    assert isinstance(taste.probability("ana", 3, 7), float)
    assert taste.probability("ana", 3, [7, 8]).shape == (2,)
    assert taste.uncertainty("ana").shape == (40,)
    assert isinstance(taste.uncertainty("ana", 3), float)


def test_sides_exchanged_have_the_complement(taste):
    assert taste.probability("ana", 3, 7) == pytest.approx(1 - taste.probability("ana", 7, 3), abs=1e-6)
    assert taste.probability("ana", 3, 3) == pytest.approx(0.5)


def test_nobody_in_particular_gets_what_everybody_shares(taste):
    assert taste.predict().std() < taste.predict("ana").std()
    assert taste.predict(None, 3) == taste.predict()[3]


def test_the_same_judgements_in_another_library_give_the_same_taste(study):
    arrow = pa.Table.from_pandas(study.ratings)
    one = bh.fit(ratings=arrow, embeddings=dict(enumerate(study.vectors)))
    other = bh.fit(study.ratings.to_dict("records"), embeddings=pd.DataFrame(study.vectors))
    pd.testing.assert_series_equal(one.predict("ana"), other.predict("ana"))


def test_a_choice_moves_one_person_alone(taste):
    before = taste.probability("ana", 3, 7), taste.predict("ben")
    assert taste.choose(user_id="ana", left_id=3, right_id=7, choice="left") is taste
    assert taste.probability("ana", 3, 7) > before[0]
    pd.testing.assert_series_equal(taste.predict("ben"), before[1])


def test_somebody_new_is_known_after_a_choice_and_keeps_it(taste, tmp_path):
    with pytest.raises(InputError, match="'cleo' is no person"):
        taste.predict("cleo")
    for _ in range(3):
        taste.choose({"user_id": "cleo", "left_id": 3, "right_id": 7, "choice": 7})
    assert taste.people == ["ana", "ben", "cleo"]
    taste.save(tmp_path / "taste")
    pd.testing.assert_series_equal(bh.load(tmp_path / "taste").predict("cleo"), taste.predict("cleo"))


def test_a_table_of_choices_is_learned_whole_or_not_at_all(study, taste):
    before = taste.predict("ana")
    broken = pd.concat([study.comparisons.head(3), study.comparisons.head(1).assign(left_id=400)])
    with pytest.raises(InputError, match="'400' is no image of the embeddings"):
        taste.choose(broken)
    pd.testing.assert_series_equal(taste.predict("ana"), before)
    assert taste.choose(study.comparisons.head(3)).judgements == 683


def test_it_is_read_back_as_it_was_saved(study, taste, tmp_path):
    taste.save(tmp_path / "models" / "ours")
    back = bh.load(tmp_path / "models" / "ours")
    assert back.images == taste.images
    assert (back.attributes, back.judgements, back.people) == (taste.attributes, taste.judgements, taste.people)
    pd.testing.assert_frame_equal(back.predict(["ana", "ben"]), taste.predict(["ana", "ben"]))
    pd.testing.assert_series_equal(back.uncertainty("ana"), taste.uncertainty("ana"))
    taste.save(tmp_path / "models" / "ours", embeddings=False)
    bare = bh.load(tmp_path / "models" / "ours")
    assert bare.predict("ana", study.vectors).tolist() == taste.predict("ana").tolist()
    with pytest.raises(TasteError, match="loaded without embeddings"):
        bare.predict("ana")
    assert bh.load(tmp_path / "models" / "ours", embeddings=study.vectors).predict("ana", 3) == taste.predict("ana", 3)


def test_a_folder_with_other_files_is_left_alone(taste, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="a folder with other files"):
        taste.save(tmp_path)
    assert (tmp_path / "thesis.txt").is_file()
    with pytest.raises(TasteError, match="holds no taste"):
        bh.load(tmp_path)


def test_embeddings_of_another_encoder_are_refused(study, tmp_path):
    table = pd.DataFrame(study.vectors)
    table.attrs["encoder_id"] = "one"
    bh.fit(study.ratings, embeddings=table).save(tmp_path / "taste", embeddings=False)
    table.attrs["encoder_id"] = "another"
    with pytest.raises(TasteError, match="fitted to embeddings of one, not of another"):
        bh.load(tmp_path / "taste", embeddings=table)


def test_several_attributes_have_to_be_told_apart(study):
    both = pd.concat(
        [study.ratings.assign(attribute="kind"), study.ratings.assign(attribute="smart", score=-study.ratings["score"])]
    )
    taste = bh.fit(both, embeddings=study.vectors)
    assert taste.attributes == ["kind", "smart"]
    with pytest.raises(InputError, match="give attribute='kind'"):
        taste.predict("ana")
    assert np.corrcoef(taste.predict("ana", attribute="kind"), taste.predict("ana", attribute="smart"))[0, 1] < -0.9
    with pytest.raises(InputError, match="give attribute='kind'"):
        taste.choose(user_id="ana", left_id=3, right_id=7, choice="left")


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda taste: taste.predict("anna"), "'anna' is no person of this taste; did you mean ana"),
        (lambda taste: taste.predict("ana", 99), "'99' is no image of the embeddings; it knows 40"),
        (lambda taste: taste.predict("ana", []), "expected at least one"),
        (lambda taste: taste.predict("ana", attribute="smart"), "attribute='smart' was not judged"),
        (lambda taste: taste.probability("ana", [1, 2], [3, 4, 5]), "left has 2 images, right 3"),
        (lambda taste: taste.choose(), "expected a choice"),
        (lambda taste: taste.choose(user_id="ana", left_id=1, right_id=2, choice="up"), "expected left, right, tie"),
        (lambda taste: taste.choose({"user_id": "ana"}, choice="left"), "got both"),
    ],
)
def test_what_it_does_not_know_is_said(taste, ask, says):
    with pytest.raises(InputError, match=says):
        ask(taste)


def test_vectors_of_another_width_are_refused(taste):
    with pytest.raises(EmbeddingError, match="expected embeddings of 4 numbers"):
        taste.predict("ana", np.zeros((2, 5)))


def test_other_kinds_say_what_they_can_not(study):
    taste = bh.fit(study.comparisons, embeddings=study.vectors, taste="mlp", settings={"mlp.fit.epochs": 2, "mlp.ensemble": 1})
    assert taste.kind == "mlp"
    with pytest.raises(TasteError, match="fitted in one go"):
        taste.choose(user_id="ana", left_id=3, right_id=7, choice="left")
    with pytest.raises(TasteError, match="does not say how sure it is"):
        bh.fit(study.comparisons, embeddings=study.vectors, taste="population").uncertainty("ana")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"taste": "bays"}, "taste='bays' is none of the choices; did you mean bayes"),
        ({"taste": "lora"}, "taste='lora' looks at pictures: give images=FOLDER"),
        ({"settings": {"bayes.iteration": 3}}, "taste.bayes.iteration is not a setting; did you mean taste.bayes.iterations"),
        ({"held_out": 1.5}, "held_out: expected a share"),
        ({"weights": {"ana": 3}}, "expected 0..1 for each person, got 3 for 'ana'"),
        ({"weights": [1, 2]}, "expected the table of bh.quality or a dict"),
    ],
)
def test_settings_that_make_no_sense_are_refused(study, settings, says):
    with pytest.raises(bh.BeholderError, match=says):
        bh.fit(study.comparisons, embeddings=study.vectors, **settings)


def test_weights_of_nothing_leave_what_others_say(study):
    silent = bh.fit(study.ratings, embeddings=study.vectors, weights={"ben": 0.0})
    assert np.corrcoef(silent.predict("ben"), study.vectors[:, 0])[0, 1] > 0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_few_comparisons_are_enough_to_begin_with(study, count):
    few = study.comparisons.query("user_id == 'ana'").head(count)
    taste = bh.fit(few, embeddings=study.vectors)
    row = few.iloc[0]
    assert (taste.probability("ana", row.left_id, row.right_id) > 0.5) == (row.choice == "left")


def test_one_image_is_too_few(study):
    with pytest.raises(InputError, match="1 image was judged; expected judgements of at least two"):
        bh.fit(study.ratings.head(1), embeddings=study.vectors)


def test_pictures_may_take_the_place_of_embeddings(study):
    rng = np.random.default_rng(0)
    pictures = {name: np.full((8, 8, 3), grey, np.uint8) for name, grey in enumerate(rng.integers(0, 255, 30))}
    table = [{"user_id": "ana", "image_id": name, "score": float(pixels.mean())} for name, pixels in pictures.items()]
    taste = bh.fit(table, images=pictures, encoder="looks")
    utilities = taste.predict("ana")
    assert np.corrcoef(utilities, [pictures[name].mean() for name in utilities.index])[0, 1] > 0.8
