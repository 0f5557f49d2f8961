"""Words of directions and edits: in degrees, without signs and identifiers, the same on every floor."""

import colorsys
import re

import pytest

from beholder.editing import pretrained
from beholder.editing.directions.vocabulary import GROUPS, LOCKED, Vocabulary, check_range
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.editing.stylegan import StyleGAN
from beholder.errors import EditError

IDENTIFIER = re.compile(r"[_+−=<>{}]|\d|-\d")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.of(pretrained.directions())


def test_every_shipped_direction_has_words_of_its_own(vocabulary):
    words = [vocabulary.part(name, alpha) for name in vocabulary.words for alpha in (-3, -2, -1, -0.5, 0.5, 1, 2, 3)]
    assert not [each for each in words if IDENTIFIER.search(each) or not each]
    assert len({vocabulary[name].title for name in vocabulary.words}) == 19
    assert {vocabulary.group(name) for name in vocabulary.words} == set(GROUPS) - {"other", "light", "colour", "detail", "frame"}
    assert set(LOCKED) <= set(GROUPS)


def test_every_direction_of_looks_has_words_of_its_own():
    looks = Vocabulary.of(DIRECTIONS)
    words = [looks.part(name, alpha) for name, each in DIRECTIONS.items() for alpha in (*each.range, -0.5, 0.5, 1.5) if alpha]
    assert not [each for each in words if IDENTIFIER.search(each) or not each]
    assert {looks.group(name) for name in DIRECTIONS} == {"light", "colour", "detail", "frame"}
    assert len({each for name in DIRECTIONS for each in looks[name].ends}) == 2 * len(DIRECTIONS)
    assert looks.caption({"warmth": 2.0, "shadows": 0.5, "exposure": -2.5}) == (
        "a much darker picture, warmer colours, slightly more open shadows"
    )
    assert looks.caption({"black_and_white": 4.0}) == "black and white"
    assert looks.caption({"black_and_white": 2.0}) == "towards black and white"
    assert DIRECTIONS["warmth"].labels == ("cooler colours", "warmer colours")


def test_captions_say_degrees(vocabulary):
    assert vocabulary.caption({}) == vocabulary.caption({"smile": 0.0}) == "as it is"
    assert (
        vocabulary.caption({"older": 0.5, "longer_hair": -2.5, "hat": 2.0}) == "much shorter hair, a hat, slightly older features"
    )
    assert vocabulary.caption({"wider_face": 3.0}) == "a much wider face"
    assert vocabulary.caption({"darker_skin": 2.0}) == "darker skin"
    assert vocabulary.caption({"hat": -3.0, "glasses": 1.0}) == "no hat, towards glasses"


def test_a_variation_says_what_differs(vocabulary):
    base = {"hat": 2.0, "smile": 1.0}
    assert vocabulary.caption(base, base=base) == "as before"
    assert vocabulary.caption({"smile": 1.0, "longer_hair": 1.5}, base=base) == "hat as it is, longer hair"
    assert vocabulary.caption({**base, "smile": -2.0}, base=base) == "much less of a smile"


def test_directions_of_others_are_named_by_their_names():
    vocabulary = Vocabulary.of(["Mouth_slightly_open", "gender", "hair.colour", "xyz-7"])
    assert vocabulary.caption({"hair.colour": -1.0}) == "less hair colour"
    assert [vocabulary.group(name) for name in vocabulary.words] == ["expression", "identity", "hair", "other"]


def test_names_stand_for_directions_and_groups(vocabulary):
    assert vocabulary.directions(["hat", "accessories"]) == ["hat", "glasses", "earrings"]
    with pytest.raises(EditError, match="'accesories' is no direction and no group of directions; did you mean accessories"):
        vocabulary.directions(["accesories"])


def test_alphas_beyond_the_range_are_refused():
    sliders = pretrained.directions()
    check_range({"smile": 3.0}, sliders)
    with pytest.raises(EditError, match="smile=99: expected an alpha between -3 and 3"):
        check_range({"smile": 99.0}, sliders)
    with pytest.raises(EditError, match="smil is not a direction"):
        check_range({"smil": 1.0}, sliders)


def test_warmer_and_cooler_are_true_of_every_wall():
    editor, alphas = StyleGAN.load(), (-3.0, -1.0, 1.0, 3.0)
    for seed in range(8):
        drawn = editor.edit(editor.generate([seed]), [{"bluer_background": alpha} for alpha in alphas])
        corners = drawn[:, :8, :8].reshape(len(alphas), -1, 3).mean(axis=1) / 255
        hues = [(colorsys.rgb_to_hsv(*corner)[0] + 0.1) % 1 for corner in corners]  # from pink over yellow and green to blue
        assert hues == sorted(hues)
