"""Forgetting: what was a person's is gone wherever it lay, what was others' stays."""

from pathlib import Path

import numpy as np
from store_suite import NOON, answer, question

from beholder.recommending.service import forget
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

    receipt = forget(store, workspace, "ana")
    assert str(receipt) == "ana: 1 questions, 1 answers, 1 images, their part in ours removed"
    assert store.people() == ["bo"]
    assert sorted(path.name for path in tmp_path.glob("photo-*")) == ["photo-bo"]
    assert taste_registry.info(workspace.models, "ours").people == ("bo",)
    store.engine.dispose()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name == "card.json")
    assert b"ana" not in left

    again = forget(Store.at(tmp_path / "choices.db"), workspace, "ana")
    assert (again.questions, again.answers, again.images, again.tastes) == (0, 0, 0, ())
