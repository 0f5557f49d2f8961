"""A study's file: the template is one, and every mistake is one line that names it."""

import pytest
from support.study_double import BOTH, study_config

from beholder.commands.study_new import TEMPLATE
from beholder.errors import StudyError
from beholder.studies.page_words import PAGE_WORDS
from beholder.studies.study_config import read_study, study_of, study_values


def test_the_template_is_a_study():
    study = read_study(TEMPLATE, name="faces.yaml")
    assert study.name == "faces"
    assert study.blocks == ["ratings", "pairs"]
    assert study.total == 24 + 2 + 1 + 20 + 2 + 1
    assert [field.id for field in study.before] == ["age", "gender"]


def test_questions_in_blocks_have_a_block_of_each_kind():
    study = study_config(ask="in_blocks")
    assert [block.key for block in study.trial_blocks()] == [
        "ratings:attractive", "pairs:attractive", "ratings:smart", "pairs:smart",
    ]  # fmt: skip
    assert [block.key for block in study.trial_blocks(["smart"])] == ["ratings:smart", "pairs:smart"]
    assert [question.attribute for question in study.asked("smart")] == ["smart"]
    assert study.total == 2 * study_config().total == 30
    together = study_config()
    assert [block.key for block in together.trial_blocks()] == ["ratings", "pairs"]
    assert [question.attribute for question in together.asked("")] == ["attractive", "smart"]


def test_a_study_comes_back_as_it_was():
    study = study_config(TEMPLATE)
    assert study_of(study_values(study)) == study


def test_texts_in_languages():
    study = study_config(languages="[en, de]", title="{en: Faces, de: Gesichter}")
    assert (study.title.said("de"), study.title.said("en")) == ("Gesichter", "Faces")
    assert study.questions[0].pair.said("de") == "Which one is more attractive?"  # the same in all languages
    assert study.page_words("de")["next"] == "Weiter"


def test_every_language_of_the_page_has_every_word():
    for lang, words in PAGE_WORDS.items():
        assert words.keys() == PAGE_WORDS["en"].keys(), lang
        for word, text in words.items():
            assert text.count("{") == PAGE_WORDS["en"][word].count("{"), (lang, word)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("imges: photos", "imges is not a setting of a study; did you mean images?"),
        ("name: Faces", "name must be 1 to 40 small letters"),
        ("join: everybody", "join must be one of anybody, invited, got 'everybody'"),
        ("participants: ten", "participants must be a whole number, got 'ten'"),
        ("participants: true", "participants must be a whole number, got True"),
        ("ratings: {per_person: 4, low: 4, high: 1}", "ratings: a scale has 2 to 11 points"),
        ("ratings: {per_person: 4, low: 0, high: 100}", "2 to 11 points from low to high, 0 or above, got 0 to 100; show: slider"),
        ("ratings: {per_person: 4, high: 200, show: slider}", "a scale has 2 to 101 points"),
        ("ratings: {per_person: 4, show: dial}", "ratings: show must be one of buttons, slider"),
        ("ratings: {per_person: -1}", "ratings: per_person must be between 0 and 2,000"),
        ("ratings: {per_persn: 4}", "ratings.per_persn is not a setting of a study; did you mean per_person?"),
        ("ratings: 12", "ratings must be a mapping of settings, got 12"),
        ("ratings: {per_person: 4, repeats: 2}", "ratings: 2 repeats at a gap of 3 need per_person of at least 5, got 4"),
        ("ratings: {repeats: 2}", "ratings: repeats and checks need ratings.per_person above 0"),
        ("pairs: {per_person: 4, choose: best}", "pairs: choose must be one of random, round_robin, active, got 'best'"),
        ("pairs: {per_person: 4, third: maybe}", "pairs: third must be one of none, tie, not_sure, got 'maybe'"),
        ("languages: []", "languages must name at least one"),
        ("languages: [xx]", "the page does not speak 'xx' by itself"),
        ("languages: [English]", "languages are codes such as en"),
        ("title: {de: Gesichter}", "title has no text in 'en'; it has: de"),
        ("title: 3", "title must be a text, or a text for each language"),
        ("title:", "title must be a text, or a text for each language"),
        ("questions: []", "questions must name at least one attribute"),
        ("questions: [{attribute: smart}, {attribute: smart}]", "questions must name at least one attribute, each once"),
        ("questions: [{attribute: a/b}]", "questions[1]: attribute must be a word"),
        ("questions: [{attribute: check}]", "questions[1]: attribute must be a word"),
        ("questions: [{attribute: a, instructions: Go.}]", "instructions are said before a question's block: give ask: in_blocks"),
        ("ask: apart", "ask must be one of together, in_blocks, got 'apart'"),
        ("questions: smart", "questions must be a list, got 'smart'"),
        ("order: [pairs]", "order must be [ratings, pairs] or [pairs, ratings]"),
        ("before: [{id: age, kind: date, text: x}]", "before[1]: kind must be one of text, number, choice"),
        ("before: [{id: age, kind: choice, text: x}]", "before[1]: field age: options go with kind: choice"),
        ("before: [{id: age}]", "before[1]: field age needs a text"),
        ("before: [{id: a, text: x}, {id: a, text: y}]", "before has two fields of one id"),
        ("completion: {redirect: 'javascript:alert(1)'}", "completion: redirect must begin with https://"),
        ("words: {en: {nxt: Go}}", "words.en.nxt is not a word of the page; did you mean next?"),
        ("gap: 0", "gap must be at least 1, got 0"),
        ("title: [", "this is no YAML"),
        ("title: {en: Which?, de: x}", "needs quotes"),
    ],
)
def test_a_mistake_is_one_line(line, said):
    key = line.partition(":")[0]
    kept = [each for each in BOTH.splitlines() if not each.startswith(f"{key}:")]
    if key == "questions":
        kept = [each for each in kept if not each.startswith("  -")]
    if "ratings: {repeats" in line:
        kept = [each for each in kept if not each.startswith("ratings")]
    with pytest.raises(StudyError) as error:
        read_study("\n".join([*kept, line]), name="faces.yaml")
    text = str(error.value)
    assert text.startswith("faces.yaml")
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "- a", "7", "name: faces"])
def test_what_is_no_study_is_refused(text):
    with pytest.raises(StudyError):
        read_study(text, name="faces.yaml")


def test_too_few_images_are_refused():
    study = study_config()
    study.check_images(6)
    with pytest.raises(StudyError, match=r"ratings.per_person is 6, but there are 5 images"):
        study.check_images(5)
    with pytest.raises(StudyError, match=r"pairs.per_person is 5, but 3 images make 3 pairs"):
        study_config("name: a\npairs: {per_person: 5}").check_images(3)
