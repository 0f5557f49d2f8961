"""Judging by rows: the same utilities as the taste's own, each image and pair computed once."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from support.taste_suite import ATTRIBUTES, simulate
from support.tiny_clip import TINY_CLIP, pictures

from beholder import evaluation
from beholder.encoder import EncoderConfig
from beholder.errors import TasteError
from beholder.taste import lora, shrinkage, taste_factory, utility_table, validation
from beholder.taste.lora import LoraConfig
from beholder.taste.shrinkage import POPULATION, ShrunkTaste
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig

FIT = TrainingConfig(epochs=2, batch=64, learning_rate=0.01, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> EncoderConfig:
    path = tmp_path_factory.mktemp("eye") / "beholder-test-table.json"
    path.write_text(json.dumps(TINY_CLIP))
    return EncoderConfig(name="eye", model=str(path), weights="random", size=16, device="cpu")


@pytest.fixture(scope="module")
def world():
    return simulate(images=40, comparisons=300, ratings=100)


@pytest.mark.parametrize(
    "fields", [{"person": "image", "scales": True}, {"person": "both", "neutral": "person"}, {"person": "none"}]
)
def test_a_table_has_the_utilities_of_the_taste(world, encoder, fields):
    config = LoraConfig(encoder=encoder, templates=["{}"], fit=FIT, **fields)
    items = pictures(world)
    taste = lora.fit(world.train, world.held_out, items, config, encoder_id=encoder.encoder_id())
    test = world.held_out
    asked = validation.pairs(test)
    table = utility_table.on_rows(taste, items, test, asked)
    assert isinstance(table, utility_table.UtilityTable)
    for attribute, name in enumerate(ATTRIBUTES):
        mine = asked[asked.attribute == attribute]
        for person in np.unique(mine.person):
            rows = np.unique(np.concatenate([mine.left[mine.person == person], mine.right[mine.person == person]]))
            for user_id in (test.people[person], POPULATION):
                expected = taste.utilities(items[rows], [user_id], name)
                np.testing.assert_allclose(table.utilities(rows, [user_id], name), expected, atol=1e-4)
    assert table.tensors().keys() == taste.tensors().keys()
    with pytest.raises(TasteError, match="it has no others"):
        table.utilities(np.arange(1), ["a stranger"], "smart")


def test_tastes_are_judged_and_weighed_alike_by_rows_and_by_pixels(world, encoder):
    config = TasteConfig(kind="lora", lora=LoraConfig(encoder=encoder, templates=["{}"], person="text", blocks=1, fit=FIT))
    items, test = pictures(world), world.held_out
    own, everybody = (
        taste_factory.fit(world.train, world.held_out, items, each, encoder_id=encoder.encoder_id())
        for each in (config, replace(config, kind="population"))
    )
    asked = validation.pairs(test)
    weights = shrinkage.weigh(own, test, items, seed=0)
    expected = evaluation.agree(ShrunkTaste(own, weights), everybody, test, asked, items)
    rows = np.arange(len(items))
    weighed = shrinkage.weigh(utility_table.on_rows(own, items, test, validation.pairs(test, seed=0)), test, rows, seed=0)
    served, shared = (utility_table.on_rows(each, items, test, asked) for each in (ShrunkTaste(own, weighed), everybody))
    pd.testing.assert_frame_equal(evaluation.agree(served, shared, test, asked, rows), expected, atol=1e-4)
    assert all(weighed[name][user] == pytest.approx(weight, abs=1e-4) for name in weights for user, weight in weights[name].items())
    assert torch.is_grad_enabled()
