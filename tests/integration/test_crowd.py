"""What others say of images, end to end: evaluated, trained, predicted with, updated, forgotten; and ways of asking anew."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beholder import cli
from beholder.taste import taste_registry
from beholder.workspace import Workspace

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 people with linear tastes, and images with an effect of their own that no embedding tells of."""
    folder, rng = tmp_path_factory.mktemp("crowd"), np.random.default_rng(0)
    vectors = rng.normal(size=(160, 16)).astype(np.float32)
    effect, shared = rng.normal(size=160), rng.normal(size=16)
    rows = []
    for person in range(40):
        felt = vectors @ (shared + 0.8 * rng.normal(size=16)) / 4 + effect
        for image in rng.choice(160, 80, replace=False):
            score = int(np.clip(np.round(4 + 1.5 * felt[image] + rng.normal()), 1, 7))
            rows.append({"user_id": f"person {person}", "image_id": f"i{image}", "attribute": "smart", "score": score})
    pd.DataFrame(rows).to_parquet(folder / "ratings.parquet")
    pd.DataFrame({"image_id": [f"i{n}" for n in range(160)], "embedding": list(vectors)}).to_parquet(folder / "embeddings.parquet")
    return folder


def run_of(workspace: Path, command: str) -> Path:
    return max((workspace / "runs").glob(f"{command}-*"), key=lambda path: path.stat().st_mtime)


def test_warm_images_are_told_better_than_cold_ones(study: Path, tmp_path: Path, small_ray: object) -> None:
    files = [f"{name}={study}/{name}.parquet" for name in ("ratings", "embeddings")]
    assert cli.main(["evaluate", *files, "crowd=true", "crowd_others=[0,1]", f"workspace={tmp_path}"]) == 0
    figures = json.loads((run_of(tmp_path, "evaluate") / "metrics.json").read_text())
    assert figures["bayes, warm/over_cold.low"] > 0.03
    assert figures["bayes, warm, by 1 other/over_cold.mean"] > 0
    assert figures["bayes, warm/accuracy.personal"] > figures["the crowd alone/accuracy.personal"]
    assert not list((tmp_path / "evaluations").rglob("*.parquet"))


def test_questions_are_compared_on_people_who_are_new(study: Path, tmp_path: Path, small_ray: object) -> None:
    files = [f"{name}={study}/{name}.parquet" for name in ("ratings", "embeddings")]
    words = ["evaluate", *files, "split=person", "asks=[information]", "shots=[0,5,10]", "folds=2", f"workspace={tmp_path}"]
    assert cli.main(words) == 0
    run = run_of(tmp_path, "evaluate")
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["people"] == 40
    assert figures["information/10/gain"] > 0
    assert figures["information/10/worth.low"] <= figures["information/10/worth.mean"] <= figures["information/10/worth.high"]
    assert (run / "figures" / "asking.png").stat().st_size > 5_000
    assert "| information | 10 |" in (run / "summary.md").read_text()


def test_judgements_are_learned_updated_and_forgotten(study: Path, tmp_path: Path, small_ray: object) -> None:
    place = [f"workspace={tmp_path}"]
    words = [f"source={study}/ratings.parquet", "scale=1..7"]
    assert cli.main(["import", *words, *place]) == 0
    assert cli.main(["import", f"embeddings={study}/embeddings.parquet", "encoder_id=made-up", *place]) == 0
    assert cli.main(["train", "taste=bayes", "name=ours", "encoder_id=made-up", *place]) == 0
    asked = ["predict", "taste=ours", "user=person 3", "attribute=smart", "encoder_id=made-up", "sure=0.8", *place]

    def predicted(*more: str) -> pd.DataFrame:
        assert cli.main([*asked, *more]) == 0
        return pd.read_csv(run_of(tmp_path, "predict") / "results.csv").set_index("image_id").sort_index()

    warm, cold = predicted(), predicted("crowd=false")
    assert "effect" not in cold
    np.testing.assert_allclose(warm["utility"] - warm["effect"], cold["utility"], atol=1e-5)
    assert warm["effect"].std() > 0.1
    assert set(warm["answer"].dropna()) == {"yes", "no"}
    again = [{"user_id": f"late {n}", "image_id": "i0", "attribute": "smart", "score": 7} for n in range(20)]
    again += [
        {"user_id": f"late {n}", "image_id": f"i{image}", "attribute": "smart", "score": 3}
        for n in range(20)
        for image in (1, 2, 3)
    ]
    pd.DataFrame(again).to_parquet(tmp_path / "late.parquet")
    assert cli.main(["import", f"source={tmp_path}/late.parquet", "scale=1..7", *place]) == 0
    assert cli.main(["update", "taste=ours", "encoder_id=made-up", *place]) == 0
    late = predicted()
    effects, judges = ([each[name].to_dict()["i0"] for each in (warm, late)] for name in ("effect", "judges"))
    assert effects[1] > effects[0] + 0.1
    assert judges[1] == judges[0] + 20
    models = Workspace(str(tmp_path)).models
    assert taste_registry.forget(models, "late 3") == ["ours"]
    assert predicted()["judges"].to_dict()["i0"] == judges[1] - 1
