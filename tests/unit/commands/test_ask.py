"""Rounds of questions, played by a script on discs whose answers are known; no terminal, no generator."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.disc_service import RANKER, DiscService

from beholder.commands.ask import AskSession, AskSettings
from beholder.errors import ConfigError
from beholder.recommending.acquisition import QuestionsConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.storage import Place


@pytest.fixture
def session(tmp_path):
    """session(count): rounds of ana about a disc."""
    opened = []

    def begin(count: int = 5, *, ranker: RankerConfig = RANKER, questions: QuestionsConfig | None = None, **more) -> AskSession:
        settings = AskSettings(user="ana", seed=3, rounds=count, random_seed=0, **more)
        opened.append(DiscService(tmp_path, ranker=ranker, questions=questions))
        service: Any = opened[-1]
        run: Any = SimpleNamespace(place=Place.at(tmp_path))
        return AskSession(service, settings, "seed-3", run)

    yield begin
    for service in opened:
        service.store.close()


def script(*lines):
    """What a person types; then the end of the file."""
    typed = itertools.chain(lines, itertools.repeat(None))
    return lambda prompt: next(typed)


def utilities(ours: AskSession) -> np.ndarray:
    """What the service thinks of ana now."""
    recommendations = ours.service.recommendations
    return recommendations.posteriors.get("ana").ranker.utilities("ana", recommendations.edit_set("seed-3"))


def test_each_answer_is_kept_and_learned_from(session, tmp_path, capsys):
    ours = session(3)
    before = utilities(ours)
    assert ours.play(script("l", "RIGHT ", "neither")) == 3
    kept = ours.service.store.choices("ana")
    assert [choice.answer.choice for choice in kept] == ["left", "right", "neither"]
    assert not np.allclose(before, utilities(ours))
    np.testing.assert_allclose(utilities(ours), utilities(session(1)), atol=1e-6)  # one by one as from the store at once
    assert all(choice.answer.response_seconds >= 0 for choice in kept)
    assert sorted(each.name for each in tmp_path.glob("question-*.png")) == [f"question-{n}.png" for n in (1, 2, 3)]


def test_no_pair_is_asked_twice_however_often_the_command_is_run(session):
    once = QuestionsConfig(repeat_every=None)
    for _ in range(4):
        assert session(6, questions=once).play(script(*"lrnlrn")) == 6
    asked = [frozenset({str(each.question.left), str(each.question.right)}) for each in session(1).service.store.choices("ana")]
    assert len(asked) == 24
    assert len(set(asked)) == 24


@pytest.mark.parametrize("strategy", ["random", "thompson", "eubo", "information"])
def test_what_is_logged_is_what_was_used(session, strategy):
    ours = session(3, strategy=strategy, questions=QuestionsConfig(noise_every=None))
    ours.play(script(*"lrl"))
    prior = ours.service.recommendations.posteriors.prior()
    for choice in ours.service.store.choices("ana"):
        assert choice.question.strategy == strategy
        assert choice.question.model == prior.version


def test_a_ranker_without_uncertainty_logs_its_champion(session):
    session(20, ranker=RANKER).play(script(*"lr" * 10))
    ours = session(2, ranker=RankerConfig(kind="logistic", least=20), strategy="eubo")
    ours.play(script("l", "r"))
    last = ours.service.store.choices("ana")[-2:]
    assert [choice.question.strategy for choice in last] == ["champion", "champion"]
    assert all(choice.question.model.startswith("logistic-") for choice in last)


def test_what_is_no_answer_is_asked_again(session, capsys):
    ours = session(1)
    assert ours.play(script("both", "u", "", "l")) == 1
    printed = capsys.readouterr().out
    assert "'both' is none of a, b, n, u, q." in printed
    assert "nothing to take back yet" in printed
    assert len(ours.service.store.choices()) == 1


def test_an_answer_taken_back_is_unlearned_and_asked_again(session):
    ours = session(2)
    untouched = utilities(ours)
    at_each = []

    def read(prompt):
        at_each.append(utilities(ours))
        return ["l", "u", "r", "l"][len(at_each) - 1]

    assert ours.play(read) == 2
    np.testing.assert_allclose(at_each[2], untouched, atol=1e-6)
    assert [choice.answer.choice for choice in ours.service.store.choices()] == ["right", "left"]
    assert not ours.service.store.open_questions("ana")  # the one that was on the screen was shown again, too


@pytest.mark.parametrize("last", ["q", None])
def test_who_stops_early_keeps_what_was_answered(session, last):
    ours = session(5)
    assert ours.play(script("l", last)) == 1
    assert len(session(5).service.store.choices("ana")) == 1


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
def test_settings_that_make_no_sense_are_refused(more, says):
    with pytest.raises(ConfigError, match=says):
        AskSettings(**({"user": "ana", "seed": 3} | more))
