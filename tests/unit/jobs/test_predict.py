"""What `beholder predict` makes of utilities: the effects of images that others judged, and answers where it is sure."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from beholder.errors import ConfigError
from beholder.jobs import predict
from beholder.jobs.predict import ImageUtilities, PredictSettings
from beholder.runs import Run
from beholder.storage import Place
from beholder.taste.image_effects import EffectEstimate

SCORED = ImageUtilities(["a", "b", "c", "d", "e"], np.array([3.0, 1.0, 0.0, -1.0, -3.0]), spread=np.full(5, 0.5))


class Effects:
    def of(self, image_ids, attribute, taste, user_id):
        assert (attribute, user_id) == ("smart", "ana")
        return EffectEstimate(np.array([0.0, 0.0, 0.0, 0.0, 9.0]), np.ones(5), np.array([0, 0, 0, 0, 3]))


class Stored:
    def __init__(self, effects: Effects | None) -> None:
        self.effects = effects


def test_what_others_said_is_added_where_the_taste_has_learned_it():
    warm_one: Any = Stored(Effects())
    cold_one: Any = Stored(None)
    warm = SCORED.warm(warm_one, None, "ana", "smart")
    assert warm.utility.tolist() == [3.0, 1.0, 0.0, -1.0, 6.0]
    assert SCORED.warm(cold_one, None, "ana", "smart") is SCORED


def test_the_probability_is_beside_the_median_image():
    chance = SCORED.probability()
    assert chance[2] == pytest.approx(0.5)
    assert (np.diff(chance) < 0).all()
    assert chance[0] == pytest.approx(1 / (1 + np.exp(-3 / np.sqrt(1 + np.pi / 16))))


def test_answers_are_given_only_where_it_is_sure(tmp_path: Path):
    run = Run.start(
        Place.at(tmp_path), command="predict", config="", now=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime(), words=()
    )
    warm: Any = Stored(Effects())
    settings = PredictSettings(taste="ours", user="ana", attribute="smart", sure=0.8)
    predict.report(run, SCORED.warm(warm, None, "ana", "smart"), settings, "smart", refused=0)
    (folder,) = tmp_path.iterdir()
    rows = pd.read_csv(folder / "results.csv", keep_default_na=False).set_index("image_id")
    assert rows["answer"].to_dict() == {"a": "yes", "b": "", "c": "", "d": "no", "e": "yes"}
    assert (rows["effect"].to_dict()["e"], rows["judges"].to_dict()["e"]) == (9.0, 3)
    said = (folder / "summary.md").read_text()
    assert "1 of them were judged by others" in said
    assert "80%" in said


@pytest.mark.parametrize("sure", [0.4, 1.0])
def test_a_share_out_of_range_is_refused(sure: float):
    with pytest.raises(ConfigError, match=r"sure is a probability from 0\.5"):
        PredictSettings(taste="ours", attribute="smart", sure=sure)
