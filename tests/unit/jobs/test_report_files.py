"""What commands on Ray leave when Ray is done: the report beside the figures, from results that are given here."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from support.report_samples import agreement, few_shot_tables, finished_run, trajectories

from beholder import evaluation
from beholder.jobs import _few_shot, simulate, train
from beholder.storage import Place
from beholder.taste.contract import TasteInfo
from beholder.taste.taste_factory import TasteConfig


def left(folder: Path, *names: str) -> str:
    """Return the report; the other files must be there too."""
    assert all((folder / name).is_file() for name in ("results.csv", "metrics.json", "summary.md", *names))
    return (folder / "report.html").read_text()


def test_simulate_leaves_its_report(tmp_path: Path, capsys: Any) -> None:
    run = finished_run(tmp_path)
    results, people = trajectories()
    cell = ("bayes", "eubo")
    trials = pd.DataFrame([("logistic", "defaults", "champion", 0.1)], columns=["ranker", "settings", "strategy", "regret"])
    simulate.report(results, people, trials, ({cell: results[cell]}, people), run, noticeable=0.02)
    page = left(Path(run.place.path), "figures/courses.png", "figures/rankers-regret.png")
    assert page.count("<svg") == 6
    assert capsys.readouterr().out.rstrip().endswith("report.html")


def test_few_shots_leave_theirs(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    comparison: Any = SimpleNamespace(own="bayes", dataset=SimpleNamespace(people=()))
    _few_shot.report(comparison, run, few_shot_tables())
    assert "After 20 comparisons of somebody new" in left(Path(run.place.path), "figures/learning.png")


def test_train_leaves_its_report_with_the_epochs(tmp_path: Path) -> None:
    run, table = finished_run(tmp_path), agreement()
    info = TasteInfo("mlp", "portraits", ("smart",), sorted(set(table["user_id"])))
    counts = {"judgements": 100.0, "judgements.held_out": 20.0}
    epochs = [{"epoch": at, "loss": 0.6, "held_out_loss": 0.7 - 0.1 * at} for at in range(3)]
    settings = train.TrainSettings(taste=TasteConfig(kind="mlp"))
    figures = evaluation.figures(table)
    train._report("mine", settings, run, figures, counts, {}, {}, info, table, Place.at(tmp_path), epochs=epochs)
    page = left(Path(run.place.path), "figures/gain.png", "figures/epochs.png")
    assert "mine, a taste of kind mlp" in page
    assert json.loads((Path(run.place.path) / "metrics.json").read_text())["people"] == figures["people"]


def test_a_taste_that_nothing_measures_has_a_report_too(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    info = TasteInfo("bayes", "portraits", ("smart",), ())
    counts = {"judgements": 100.0, "judgements.held_out": 0.0}
    settings = train.TrainSettings()
    train._report("mine", settings, run, {"people": 0}, counts, {}, {}, info, agreement().head(0), Place.at(tmp_path))
    assert "Nothing was held out" in left(Path(run.place.path))
