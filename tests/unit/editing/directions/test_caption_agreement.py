"""Whether an encoder sees what the vocabulary says; the whole table is `beholder directions words`."""

import datetime
import re
from dataclasses import replace

import pytest

from beholder import config
from beholder.commands import directions_words
from beholder.commands.directions_words import DirectionsWordsSettings
from beholder.editing.directions.caption_agreement import caption_agreement
from beholder.editing.directions.vocabulary import OUTRIGHT
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import Encoder
from beholder.runs import Run
from beholder.storage import Place


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(config.load(DirectionsWordsSettings, command="directions words").encoder)


@pytest.mark.parametrize(("name", "words"), [("glasses", ("no glasses", "glasses")), ("older", None)])
def test_the_clip_sees_what_is_said(encoder: Encoder, name, words):
    found = caption_agreement(StyleGAN.load(), encoder, [name], seeds=range(1000, 1024), alphas=[OUTRIGHT])
    assert [each.alpha for each in found] == [-OUTRIGHT, OUTRIGHT]
    assert all(each.said >= 0.9 for each in found)  # of 24 pictures
    if words:
        assert tuple(each.words for each in found) == words
        assert all(each.outright_said for each in found)


def test_each_direction_is_kept_and_a_run_that_was_cut_off_goes_on(tmp_path):
    """Figures that are kept are taken as they are; what changes with the settings is measured anew."""
    settings = config.load(
        DirectionsWordsSettings,
        command="directions words",
        overrides=["names=[glasses]", "seeds=2", "alphas=[2.0]", f"workspace={tmp_path}"],
    )
    for number in range(2):
        run = Run.start(
            Place.at(str(tmp_path)) / "runs", command="words", config="", now=datetime.datetime(2025, 2, 1, 12 + number)
        )
        directions_words.main(settings, run)
        run.finish()
        (kept,) = (tmp_path / "words" / "portraits").glob("glasses-*.json")
        kept.write_text(re.sub(r'("outright": )[\d.]+', r"\g<1>0.75", kept.read_text()))
    assert run.read_json("metrics.json")["least"] == 0.75
    editor = StyleGAN.load()
    places = [directions_words.place_of(each, editor, "glasses") for each in (settings, replace(settings, alphas=[3.0]))]
    assert [place.is_file() for place in places] == [True, False]


@pytest.mark.soak
def test_every_caption_is_true_of_200_pictures(encoder: Encoder):
    editor = StyleGAN.load()
    found = caption_agreement(editor, encoder, list(editor.directions), seeds=range(1000, 1200), alphas=[1.0, OUTRIGHT, 3.0])
    # the wall's colours between pink and blue are none of the CLIP's words: a test of the vocabulary measures their hue;
    # "towards glasses" says what a move does, not what a picture shows
    said = [each for each in found if each.direction != "bluer_background" and not each.words.startswith("towards")]
    assert not [(each.direction, each.words, each.said) for each in said if each.said < 0.95]
