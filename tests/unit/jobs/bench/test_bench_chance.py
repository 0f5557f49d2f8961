"""What `bench chance` asks of the API, and how it says what people are told."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from beholder.errors import ConfigError
from beholder.jobs._client import ApiClient
from beholder.jobs.bench.bench_chance import BenchChanceSettings, first, summarise, taste, toss, visit


class Api(ApiClient):
    """An API that asks for a smile on the left and counts who took it; it tells how often that was."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "ana")
        self.choices: list[str] = []
        self.answered: list[str] = []

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        if path == "/v1/questions":
            return {"question_id": f"q{len(self.choices)}", "left": {"edit": {"smile": 1.0}}, "right": {"edit": {"smile": -1.0}}}
        assert path == "/v1/choices"
        self.answered.append(body["question_id"])
        self.choices.append(body["choice"])
        return {}

    def recommend(self, image_id: str) -> dict[str, Any]:
        share = self.choices.count("left") / len(self.choices)
        best = {"probability": share, "confidence": "sure" if share > 0.9 else "a guess", "words": "more of a smile"}
        return {"recommendations": [best] if share >= 0.5 else []}


def test_a_visit_asks_what_is_recommended_after_each_number_of_choices():
    api = Api()
    told = visit(api, "seed-1", first(np.random.default_rng(0)), [2, 5])
    assert [(each["choices"], each["told"], each["words"]) for each in told] == [(2, 1.0, "sure"), (5, 1.0, "sure")]
    assert api.answered == [f"q{number}" for number in range(5)]


def test_coins_are_tossed_and_where_nothing_is_recommended_it_may_be_either():
    api = Api()
    visit(api, "seed-1", toss(np.random.default_rng(1)), [400])
    assert 150 < api.choices.count("left") < 250
    never = Api()
    told = visit(never, "seed-1", lambda question: "right", [3])
    assert [(each["told"], each["edit"]) for each in told] == [(0.5, "nothing")]


def test_who_has_a_taste_takes_the_same_edit_on_either_side():
    choose = taste(np.random.default_rng(0))
    one, other = {"edit": {"hat": 2.0, "smile": 1.0}}, {"edit": {"older": -1.0}}
    assert {choose({"left": one, "right": other}), choose({"left": other, "right": one})} == {"left", "right"}
    tastes = [taste(np.random.default_rng(seed))({"left": one, "right": other}) for seed in range(20)]
    assert set(tastes) == {"left", "right"}  # not everybody's is the same


def test_the_summary_says_who_is_told_too_much():
    rows = [
        {"people": kind, "person": person, "choices": count, "told": told, "words": "a guess", "edit": "a hat"}
        for kind, count, told in (("toss a coin", 5, 0.7), ("toss a coin", 20, 0.52), ("have a taste", 20, 0.9))
        for person in range(3)
    ]
    said = summarise(pd.DataFrame(rows))
    assert "- MISSED: who tosses a coin is told 0.5 +- 0.05 after 5 choices: 0.700" in said
    assert "- reached: who tosses a coin is told 0.5 +- 0.05 after 20 choices: 0.520" in said
    assert "| have a taste | 20 | 0.900 [0.900, 0.900] | 0.900 to 0.900 | a guess: 3 |" in said
    assert "taste is" not in said


def test_settings_that_make_no_sense_are_refused():
    several: list[dict[str, Any]] = [{"people": 0}, {"choices": []}, {"choices": [5, 0]}]
    for wrong in several:
        with pytest.raises(ConfigError, match="must be at least 1"):
            BenchChanceSettings(**wrong)
