"""The registry: a taste comes back as it went, served as far as it is trusted, and is refused for another encoder."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.taste_suite import ATTRIBUTES, ENCODER, PEOPLE

from beholder.errors import TasteError
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.taste.contract import TasteInfo
from beholder.taste.population import Population
from beholder.taste.shrinkage import ShrunkTaste

ITEMS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def taste() -> Population:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    return Population(TasteInfo("population", ENCODER, ATTRIBUTES, PEOPLE), weights, np.zeros(3, np.float32), [1.0, 1.0])


def write(models: Place, name: str = "ours", **more) -> None:
    taste_registry.write(models, name, taste(), figures={"accuracy": 0.5}, config={}, commit="abc", **more)


def weights(models: Place) -> np.ndarray:
    """Those of the taste that stands there."""
    found = taste_registry.read(models, "ours").taste
    assert isinstance(found, Population)
    return found.weights


def test_there_and_back(tmp_path: Path) -> None:
    models = Place.at(tmp_path)
    write(models)
    entry = taste_registry.read(models, "ours", encoder_id=ENCODER)
    assert np.array_equal(entry.taste.utilities(ITEMS, PEOPLE, "smart"), taste().utilities(ITEMS, PEOPLE, "smart"))
    assert entry.taste.info == taste().info
    assert (entry.card["figures"], entry.card["commit"]) == ({"accuracy": 0.5}, "abc")
    assert taste_registry.names(models) == ["ours"]


class Torn(Population):
    """A taste whose card can't be written: what it says of itself is no JSON."""

    def settings(self) -> dict:
        return {"penalties": [{1.0}]}


def test_a_taste_stays_whole_until_another_takes_its_place(tmp_path: Path) -> None:
    models = Place.at(tmp_path)
    write(models)
    before = taste_registry.read(models, "ours").card["tensors"]
    other = Torn(taste().info, taste().weights + 1, taste().centre, [1.0, 1.0])
    with pytest.raises(TypeError, match="not JSON"):
        taste_registry.write(models, "ours", other, figures={}, config={}, commit=None)
    assert np.array_equal(weights(models), taste().weights)
    taste_registry.write(models, "ours", Population(*vars(other).values()), figures={}, config={}, commit=None)
    assert np.array_equal(weights(models), taste().weights + 1)
    assert not (tmp_path / "ours" / before).exists()


def test_somebody_forgotten_is_in_no_taste_any_more(tmp_path: Path) -> None:
    models = Place.at(tmp_path)
    write(models, trust={"smart": {PEOPLE[0]: 0.25, PEOPLE[1]: 0.5}})
    write(models, "other")
    assert taste_registry.forget(models, PEOPLE[0]) == ["other", "ours"]
    entry = taste_registry.read(models, "ours")
    assert PEOPLE[0] not in entry.taste.info.people
    assert entry.card["trust"] == {"smart": {PEOPLE[1]: 0.5}}
    assert PEOPLE[0] not in (tmp_path / "ours" / "card.json").read_text()
    assert taste_registry.forget(models, PEOPLE[0]) == []


def test_what_is_not_trusted_is_served_less(tmp_path: Path) -> None:
    write(Place.at(tmp_path), trust={"smart": {PEOPLE[0]: 0.25}})
    served = taste_registry.read(Place.at(tmp_path), "ours").taste
    assert isinstance(served, ShrunkTaste)
    assert served.weights == {"smart": {PEOPLE[0]: 0.25}}


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    write(Place.at(tmp_path))
    with pytest.raises(TasteError, match=f"fitted to embeddings of {ENCODER}, not of clip-b-32"):
        taste_registry.read(Place.at(tmp_path), "ours", encoder_id="clip-b-32")


def test_what_is_not_there_or_broken_is_said(tmp_path: Path) -> None:
    models = Place.at(tmp_path)
    write(models)
    with pytest.raises(TasteError, match=r"no taste 'our'.*did you mean ours\?"):
        taste_registry.read(models, "our")
    (tmp_path / "ours" / taste_registry.read(models, "ours").card["tensors"]).write_bytes(b"not tensors")
    with pytest.raises(TasteError, match="no readable taste"):
        taste_registry.read(models, "ours")
    (tmp_path / "ours" / "card.json").write_text(json.dumps({"about": 7}))
    with pytest.raises(TasteError, match="no readable taste"):
        taste_registry.read(models, "ours")
