"""The demo goes the whole way, and what it finds of simulated people is what is known of them."""

import json
from pathlib import Path

import pandas as pd

from beholder import cli, weights
from beholder.evaluation import bootstrap


def test_steady_people_are_understood_and_random_clickers_are_not(small_ray: object, tmp_path: Path) -> None:
    assert cli.main(["demo", f"workspace={tmp_path}"]) == 0
    (run,) = (tmp_path / "runs").glob("evaluate-*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["people"] >= 22
    assert metrics["gain.low"] > 0.05
    assert metrics["logloss.personal"] < metrics["logloss.population"]

    truth = pd.read_csv(weights.folder().parent / "sample" / "truth.csv").drop_duplicates("user_id").set_index("user_id")["kind"]
    rows = pd.read_csv(run / "results.csv").query("taste == 'bayes'")
    by_person = rows.groupby("user_id")["gain"].mean()
    assert bootstrap(by_person[truth[by_person.index] == "steady"].to_numpy()).low > 0.1
    random = rows[rows["user_id"].map(truth) == "random"]
    right = float((random["accuracy.personal"] * random["pairs"]).sum() / random["pairs"].sum())
    noise = 0.5 / float(random["pairs"].sum()) ** 0.5
    assert abs(right - 0.5) < 4 * noise
    assert (tmp_path / "models" / "bayes" / "card.json").is_file()
