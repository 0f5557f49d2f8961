"""The recommendation service: work is done once for a request; what was a person's is gone wherever it lay."""

import uuid
from pathlib import Path

import numpy as np
import pytest
from support.disc_service import RANKER, DiscService
from support.store_suite import NOON, answer, question

from beholder.errors import ChoiceError, ConfigError
from beholder.recommending.candidates import OfferedDirectionsConfig
from beholder.recommending.components import Components, ServiceConfig
from beholder.recommending.rankers.ranker_factory import KINDS, RankerConfig
from beholder.recommending.service import erase
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Question
from beholder.taste import taste_registry
from beholder.taste.contract import TasteInfo
from beholder.taste.population import Population
from beholder.workspace import Workspace


def test_choices_images_and_tastes_forget_a_person(tmp_path: Path):
    workspace, store = Workspace(str(tmp_path)), Store.at(tmp_path / "choices.db")
    for number, user_id in enumerate(["ana", "bo"], 1):
        store.ask(question(number, user_id))
        store.answer(answer(number))
        (tmp_path / f"photo-{user_id}").write_bytes(b"a face")
        store.uploaded(user_id, f"photo-{user_id}", str(tmp_path / f"photo-{user_id}"), at=NOON)
    info = TasteInfo("population", "encoder", ("attractive",), ("ana", "bo"))
    taste = Population(info, np.ones((1, 3), np.float32), np.zeros(3, np.float32), [1.0])
    taste_registry.write(workspace.models, "ours", taste, figures={}, config={}, commit=None)

    report = erase(store, workspace, "ana")
    assert str(report) == "ana: 1 questions, 1 answers, 1 images, their part in ours removed"
    assert store.people() == ["bo"]
    assert sorted(path.name for path in tmp_path.glob("photo-*")) == ["photo-bo"]
    assert taste_registry.info(workspace.models, "ours").people == ("bo",)
    store.engine.dispose()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name == "card.json")
    assert b"ana" not in left

    again = erase(Store.at(tmp_path / "choices.db"), workspace, "ana")
    assert (again.questions, again.answers, again.images, again.tastes) == (0, 0, 0, ())


@pytest.fixture
def service(tmp_path):
    with_discs = DiscService(tmp_path)
    yield with_discs
    with_discs.store.close()


def test_a_recommendation_looks_the_person_and_the_image_up_once(service):
    answer_red(service, "ana", 5)  # the reference and the image are encoded, the prior learned
    service.counts.clear()
    asked = service.surrogate.asked
    recommendation = service.recommend("ana", "seed-3", count=4)
    assert len(recommendation.ranked) == 4
    assert service.counts == {"mark": 1, "exists": 1}
    assert service.surrogate.asked == asked


def answer_red(service, user_id: str, count: int, image_id: str = "seed-3", **asking) -> list[Question]:
    """Answer questions as somebody who likes red; returns them."""
    asked = []
    for turn in range(count):
        asked.append(service.recommendations.question(user_id, image_id, seed=turn, **asking).question)
        reds = [side.get("redder", 0.0) for side in (asked[-1].left, asked[-1].right)]
        choice = "neither" if reds[0] == reds[1] else "left" if reds[0] > reds[1] else "right"
        service.recommendations.answer(uuid.uuid4().hex, asked[-1].question_id, choice)
    return asked


def test_an_image_is_encoded_once_whoever_asks(service):
    for user_id in ("ana", "bo", "cy"):
        service.recommend(user_id, "seed-3")
    assert service.counts["encode"] == 2  # and the reference, which tells how large regressors are
    assert service.surrogate.asked == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_ranker_can_be_served(tmp_path, kind):
    """Before there are choices enough the Bayesian one ranks; a service that starts after them has its own kind."""
    first = DiscService(tmp_path, ranker=RankerConfig(kind=kind, least=20, bayes=RANKER.bayes))
    for turn in range(40):
        asked = first.recommendations.question("ana", "seed-3", "random", seed=turn).question
        reds = [side.get("redder", 0.0) for side in (asked.left, asked.right)]
        choice = "neither" if reds[0] == reds[1] else "left" if reds[0] > reds[1] else "right"
        assert first.recommendations.answer(f"e{turn}", asked.question_id, choice).rounds == turn + 1
        assert asked.model.startswith("bayes-")
    first.store.close()
    second = DiscService(tmp_path, ranker=RankerConfig(kind=kind, least=20, bayes=RANKER.bayes))
    recommendation = second.recommend("ana", "seed-3")
    assert recommendation.model.startswith(f"{kind}-")
    assert recommendation.ranked
    less, more = second.recommendations.scores("ana", "seed-3", [{"redder": -3.0}, {"redder": 3.0}]).scored
    assert less.utility < more.utility
    assert second.recommendations.person("ana").rounds == 40
    second.store.close()


def test_a_ranker_that_takes_no_taste_is_given_none():
    with pytest.raises(ConfigError, match=r"ranker=logistic can't start from components.taste=ours"):
        ServiceConfig(components=Components(taste="ours"), ranker=RankerConfig(kind="logistic"))


def test_an_unknown_strategy_is_refused(service):
    with pytest.raises(ChoiceError, match="did you mean thompson"):
        service.recommendations.question("ana", "seed-3", "thomson")


def test_of_somebody_of_whom_nothing_is_known_nothing_is_recommended(service):
    recommendation = service.recommend("ana", "seed-3")
    assert (recommendation.known, recommendation.ranked, recommendation.reasons) == (False, (), ())
    for turn in range(6):
        asked = service.recommendations.question("ana", "seed-3", seed=turn).question
        service.recommendations.answer(uuid.uuid4().hex, asked.question_id, "neither")
    assert not service.recommend("ana", "seed-3").known
    answer_red(service, "ana", 3)
    recommendation = service.recommend("ana", "seed-3")
    assert recommendation.known
    assert recommendation.ranked


def test_what_is_not_offered_is_neither_asked_nor_recommended(tmp_path):
    service = DiscService(tmp_path, directions=OfferedDirectionsConfig(never=["redder"]))
    asked = answer_red(service, "ana", 6, strategy="random")
    asked += answer_red(service, "ana", 6)
    for turn in range(3):
        question = service.recommendations.question("ana", "seed-3", seed=turn).question
        service.recommendations.answer(uuid.uuid4().hex, question.question_id, "left")
    assert not any("redder" in {**each.left, **each.right} for each in asked)
    recommendation = service.recommend("ana", "seed-3")
    assert recommendation.known
    assert not any("redder" in each.edit for each in recommendation.ranked)
    assert "redder" not in {each.direction for each in service.recommendations.person("ana").preferences}
    service.store.close()


def test_one_question_in_ten_is_an_earlier_one_with_its_sides_swapped(service):
    asked = answer_red(service, "ana", 20)
    again = [number for number, each in enumerate(asked, 1) if each.strategy == "repeat"]
    assert again == [10, 20]
    for number in again:
        repeated = asked[number - 1]
        before = [each for each in asked[: number - 1] if (each.left, each.right) == (repeated.right, repeated.left)]
        assert len(before) == 1
        assert before[0].question_id != repeated.question_id
    assert not any(each.strategy == "repeat" for each in answer_red(service, "bo", 20, repeats=False))


def test_questions_differ_in_two_directions_at_most(service):
    for each in answer_red(service, "ana", 9) + answer_red(service, "bo", 5, strategy="random"):
        assert sum(each.left.get(name) != each.right.get(name) for name in {*each.left, *each.right}) <= 2


def test_a_coin_is_told_to_be_a_guess_and_one_side_too(service):
    """Through the store, as people answer: what they are told of the best edit."""
    rng = np.random.default_rng(1)
    told = {}
    for user_id, left in (("coin", 0.5), ("left", 1.0)):
        for _ in range(50):
            asked = service.recommendations.question(user_id, "seed-3", seed=int(rng.integers(2**31))).question
            service.recommendations.answer(uuid.uuid4().hex, asked.question_id, "left" if rng.random() < left else "right")
        told[user_id] = service.recommend(user_id, "seed-3")
    answer_red(service, "ana", 20)
    told["ana"] = service.recommend("ana", "seed-3")
    assert not told["left"].known or told["left"].ranked[0].probability < 0.55
    assert not told["coin"].known or told["coin"].ranked[0].probability < 0.65
    assert told["ana"].ranked[0].probability > 0.8
    assert told["ana"].ranked[0].confidence in ("likely", "sure")
