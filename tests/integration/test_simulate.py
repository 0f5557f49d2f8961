"""`beholder simulate`, small: what it leaves, that pictures are drawn once, and that the same seed says the same."""

import json
from pathlib import Path

import pandas as pd
import pytest

from beholder.cli import main

FEW = [
    "images=1",
    "others_images=1",
    "trials=2",
    "tuned_rounds=2",
    "candidates.count=30",
    "rounds=3",
    "people.steady=3",
    "people.noisy=1",
    "people.drifting=0",
]
OTHERS = ["others.steady=4", "others.noisy=0", "others.drifting=0", "each=10", "strategies=[random,eubo]"]
TUNED = ["tuned_on.steady=2", "tuned_on.noisy=0", "tuned_on.drifting=0"]
KINDS = [f"calibrated.{kind}=1" for kind in ("steady", "noisy", "drifting", "random", "first")]


def test_simulated_people_are_asked(small_ray: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "rankers=[logistic,bayes,bayes alone]", *FEW, *OTHERS, *TUNED, *KINDS, f"workspace={tmp_path}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    run = Path(said.splitlines()[-1])
    assert "| logistic | champion |" in said
    assert "regret of bayes eubo less that of logistic champion" in said
    table = pd.read_csv(run / "results.csv")
    assert len(table) == 6 * 4 * 4  # rankers with strategies, people, before the first question and after each
    assert table["regret"].between(0, 1).all()
    assert (run / "figures" / "courses.png").is_file()
    assert (run / "report.html").read_text().count("<svg") == 6
    assert "bayes alone/random/0/accuracy" in json.loads((run / "metrics.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["told/bayes/eubo/first/3/true"] == 0.5
    assert metrics["told/bayes one noise/eubo/first/3/told"] > 0.5
    assert "| bayes | defaults |" in said
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "galleries").rglob("*.npz")}
    assert len(drawn) == 2

    assert main(["simulate", "rankers=[logistic]", *FEW, *OTHERS, *TUNED, f"workspace={tmp_path}"]) == 0
    same = pd.read_csv(Path(capsys.readouterr().out.splitlines()[-1]) / "results.csv")
    pd.testing.assert_frame_equal(same, table[table["ranker"] == "logistic"].reset_index(drop=True))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "galleries").rglob("*.npz")} == drawn


def test_a_strategy_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "strategies=[eubbo]", f"workspace={tmp_path}"]) == 2
    assert "eubbo is none of random, thompson, eubo, information, both; did you mean eubo" in capsys.readouterr().err
