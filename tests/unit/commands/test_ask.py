"""Rounds of questions, played by a script on discs whose answers are known; no terminal, no generator."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from beholder.commands.ask import AskSession, AskSettings
from beholder.config import ConfigError
from beholder.editing.fake import FakeEditor
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.store.choice_store import Store
from beholder.recommending.studio import Studio
from beholder.storage import Place

EDITOR = FakeEditor(16)


class Colours:
    """An encoder, and a perception that draws: the picture's mean colour and its middle, as rows of length 1."""

    def images(self, pixels):
        found = np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 8, 8].astype(float)], axis=1)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def embeddings(self, latent, alphas, *, directions=None, original=None):
        return self.images(EDITOR.edit(latent, [dict(zip(directions, map(float, row), strict=True)) for row in alphas]))


class Desk:
    """What rounds need of a desk."""

    def __init__(self, store: Store):
        self.store = store
        self.studio = Studio(EDITOR, Colours(), Colours(), candidates(EDITOR.directions, CandidatesConfig(count=40)))
        self.view = self.studio.look("seed-3", EDITOR.generate([3]))

    def look(self, image_id):
        return self.view

    def ranker(self, image_id):
        events, _ = self.studio.events(self.store.choices(), self.look)
        return bayes_ranker.learn(events, self.view.options, BayesRankerConfig(components=4))


@pytest.fixture
def rounds(tmp_path):
    """rounds(count): rounds of ana about a disc."""
    store = Store.at(tmp_path / "choices.db")

    def begin(count: int = 5, **more) -> AskSession:
        settings = AskSettings(user="ana", seed=3, rounds=count, random_seed=0, **more)
        return AskSession(Desk(store), settings, "seed-3", SimpleNamespace(place=Place.at(tmp_path)))

    yield begin
    store.close()


def script(*lines):
    """What a person types; then the end of the file."""
    typed = itertools.chain(lines, itertools.repeat(None))
    return lambda prompt: next(typed)


def test_each_answer_is_kept_and_learned_from(rounds, tmp_path, capsys):
    ours = rounds(3)
    before = ours.ranker.utilities("ana", ours.view.options)
    assert ours.play(script("l", "RIGHT ", "neither")) == 3
    kept = ours.desk.store.choices("ana")
    assert [choice.answer.choice for choice in kept] == ["left", "right", "neither"]
    assert not np.allclose(before, ours.ranker.utilities("ana", ours.view.options))
    np.testing.assert_allclose(  # learned one by one as from the store at once
        ours.ranker.utilities("ana", ours.view.options), ours.desk.ranker("seed-3").utilities("ana", ours.view.options), atol=1e-6
    )
    assert all(choice.answer.response_seconds >= 0 for choice in kept)
    assert sorted(each.name for each in tmp_path.glob("question-*.png")) == [f"question-{n}.png" for n in (1, 2, 3)]


def test_what_is_no_answer_is_asked_again(rounds, capsys):
    ours = rounds(1)
    assert ours.play(script("both", "u", "", "l")) == 1
    said = capsys.readouterr().out
    assert "'both' is none of l, r, n, u, q." in said
    assert "nothing to take back yet" in said
    assert len(ours.desk.store.choices()) == 1


def test_an_answer_taken_back_is_unlearned_and_asked_again(rounds):
    ours = rounds(2)
    untouched = ours.ranker.utilities("ana", ours.view.options)
    seen = []

    def read(prompt):
        seen.append(ours.ranker.utilities("ana", ours.view.options))
        return ["l", "u", "r", "l"][len(seen) - 1]

    assert ours.play(read) == 2
    np.testing.assert_allclose(seen[2], untouched, atol=1e-6)
    assert [choice.answer.choice for choice in ours.desk.store.choices()] == ["right", "left"]


@pytest.mark.parametrize("last", ["q", None])
def test_who_stops_early_keeps_what_was_answered(rounds, last):
    ours = rounds(5)
    assert ours.play(script("l", last)) == 1
    assert len(rounds(5).desk.store.choices("ana")) == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"seed": None}, "either image=FILE, a photo, or seed=NUMBER"),
        ({"image": "a.png"}, "either image=FILE, a photo, or seed=NUMBER"),
        ({"seed": -1}, "seed must be between 0 and 4294967295, got -1"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"strategy": "thomson"}, "did you mean thompson"),
    ],
)
def test_settings_that_make_no_sense_are_refused(more, labels):
    with pytest.raises(ConfigError, match=labels):
        AskSettings(**({"user": "ana", "seed": 3} | more))
