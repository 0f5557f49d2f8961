"""`beholder evaluate`: from files, by image and by person; on real raters where they are; wrong arguments."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beholder import cli

RATERS = Path(os.environ.get("BEHOLDER_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "raters"


def last(workspace: Path) -> Path:
    return max((workspace / "runs").iterdir(), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """24 simulated people with linear tastes rate 150 images on a scale of halves; 3 others click at random."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    vectors = rng.normal(size=(150, 24)).astype(np.float32)
    shared = rng.normal(size=24)
    rows = []
    for person in range(27):
        weights = shared + 1.2 * rng.normal(size=24)
        felt = vectors @ weights / 5 if person < 24 else np.zeros(150)
        for image in rng.choice(150, 90, replace=False):
            score = np.clip(np.round(2 * (3 + felt[image] + 0.5 * rng.normal())) / 2, 1, 5)
            name = f"{'steady' if person < 24 else 'random'} {person}"
            rows.append({"user_id": name, "image_id": f"i{image}", "attribute": "smart", "score": score})
    pd.DataFrame(rows).to_parquet(folder / "ratings.parquet")
    images = [f"i{n}" for n in range(150)]
    pd.DataFrame({"image_id": images, "embedding": list(vectors)}).to_parquet(folder / "embeddings.parquet")
    parts = ["train"] * 90 + ["val"] * 30 + ["test"] * 30
    pd.DataFrame({"image_id": images, "split": parts}).to_parquet(folder / "splits.parquet")
    return [f"{name}={folder}/{name}.parquet" for name in ("ratings", "embeddings", "splits")]


def test_by_image_the_steady_gain_and_the_random_do_not(files: list[str], tmp_path: Path, small_ray: object) -> None:
    assert cli.main(["evaluate", *files, "beside=[population]", f"workspace={tmp_path}"]) == 0
    run = last(tmp_path)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["people"] == 27
    assert metrics["gain.low"] > 0.05
    assert metrics["accuracy.personal"] > metrics["accuracy.population"]
    assert metrics["logloss.personal"] < metrics["logloss.population"]
    assert metrics["population/gain.mean"] == 0
    assert metrics["calibration.error"] < 0.06
    rows = pd.read_csv(run / "results.csv").query("taste == 'bayes'").set_index("user_id")
    assert len(rows) == 27
    steady = rows.index.str.startswith("steady")
    assert rows[steady]["gain"].mean() > 0.1 > abs(rows[~steady]["gain"].mean())
    assert (run / "figures" / "gain.png").stat().st_size > 5_000
    assert "is better than everybody&#x27;s" in (run / "report.html").read_text()
    assert "| population |" in (run / "summary.md").read_text()


def test_by_person_more_judgements_gain_more(files: list[str], tmp_path: Path, small_ray: object) -> None:
    words = ["evaluate", *files, "split=person", "shots=[0,50]", "folds=2", f"workspace={tmp_path}"]
    assert cli.main(words) == 0
    metrics = json.loads((last(tmp_path) / "metrics.json").read_text())
    assert metrics["bayes/0/gain"] == 0
    assert metrics["bayes/50/gain.low"] > 0.03
    assert "After 50 comparisons of somebody new" in (last(tmp_path) / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=moon"], "expected image, pair or person"),
        (["taste=mpl"], "did you mean mlp?"),
        (["ratings=nowhere.parquet"], "go together with embeddings"),
        (["ratings=nowhere.parquet", "embeddings=nowhere.npz"], "nowhere.npz"),
        (["beside=[nothing]"], "taste=nothing is not a choice"),
        ([], "no judgements"),
    ],
)
def test_what_can_not_be_evaluated_is_said(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["evaluate", *words, f"workspace={tmp_path}"]) == 2
    assert message in capsys.readouterr().err


def test_an_attribute_that_nobody_judged_is_said(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["evaluate", *files, "attributes=[smrt]", f"workspace={tmp_path}"]) == 2
    assert "nobody judged smrt; attributes judged: smart" in capsys.readouterr().err


@pytest.mark.skipif(not RATERS.is_dir(), reason=f"the real raters are not at {RATERS}")
def test_real_raters_are_understood_better_than_by_the_population(tmp_path: Path, small_ray: object) -> None:
    files = [f"{name}={RATERS}/{name}.parquet" for name in ("ratings", "embeddings", "splits")]
    assert cli.main(["evaluate", "taste=bayes", *files, "min_ratings=60", f"workspace={tmp_path}"]) == 0
    metrics = json.loads((last(tmp_path) / "metrics.json").read_text())
    assert metrics["people"] == 119
    assert metrics["gain.mean"] >= 0.025
    assert metrics["gain.low"] > 0
