"""The recommendation service: work is done once for a request; what was a person's is gone wherever it lay."""

from pathlib import Path

import numpy as np
import pytest
from disc_service import RANKER, DiscService
from store_suite import NOON, answer, question

from beholder.errors import ChoiceError, ConfigError
from beholder.recommending.components import Components, ServiceConfig
from beholder.recommending.rankers.ranker_factory import KINDS, RankerConfig
from beholder.recommending.service import erase
from beholder.recommending.store.choice_store import Store
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
    service.recommendations.question("ana", "seed-3")  # the reference and the image are encoded, the prior learned
    service.counts.clear()
    asked = service.surrogate.asked
    recommendation = service.recommend("ana", "seed-3", count=4)
    assert len(recommendation.ranked) == 4
    assert service.counts == {"mark": 1, "exists": 1}
    assert service.surrogate.asked == asked


def test_an_image_is_encoded_once_whoever_asks(service):
    for user_id in ("ana", "bo", "cy"):
        service.recommend(user_id, "seed-3")
    assert service.counts["encode"] == 2  # and the reference, which tells how large regressors are
    assert service.surrogate.asked == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_ranker_can_be_served(tmp_path, kind):
    """Before there are choices enough the Bayesian one ranks; a service that starts after them has its own kind."""
    first = DiscService(tmp_path, ranker=RankerConfig(kind=kind, least=20, bayes=RANKER.bayes))
    for turn in range(24):
        asked = first.recommendations.question("ana", "seed-3", "random").question
        reds = [side.get("redder", 0.0) for side in (asked.left, asked.right)]
        choice = "neither" if reds[0] == reds[1] else "left" if reds[0] > reds[1] else "right"
        assert first.recommendations.answer(f"e{turn}", asked.question_id, choice).rounds == turn + 1
        assert asked.model.startswith("bayes-")
    first.store.close()
    second = DiscService(tmp_path, ranker=RankerConfig(kind=kind, least=20, bayes=RANKER.bayes))
    recommendation = second.recommend("ana", "seed-3")
    assert recommendation.model.startswith(f"{kind}-")
    assert recommendation.ranked[0].edit.get("redder", 0.0) > 0
    assert second.recommendations.person("ana").rounds == 24
    second.store.close()


def test_a_ranker_that_takes_no_taste_is_given_none():
    with pytest.raises(ConfigError, match=r"ranker=logistic can't start from components.taste=ours"):
        ServiceConfig(components=Components(taste="ours"), ranker=RankerConfig(kind="logistic"))


def test_an_unknown_strategy_is_refused(service):
    with pytest.raises(ChoiceError, match="did you mean thompson"):
        service.recommendations.question("ana", "seed-3", "thomson")
