"""`beholder quality` on a real Ray: verdicts by blocks of people, the run folder, and weights that training takes."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from beholder import evaluation
from beholder.cli import main
from beholder.jobs.bench.simulated_study import ENCODER, SimulatedStudy
from beholder.quality import measures, verdict
from beholder.quality.measures import MeasuresConfig
from beholder.quality.verdict import VerdictConfig
from beholder.taste import population, splits, validation
from beholder.taste.dataset import JudgementDataset, timed_judgements
from beholder.taste.population import PopulationConfig
from beholder.workspace import Workspace

STUDY = SimulatedStudy(seed=5, steady=10, images=150, comparisons=1300, ratings=900)


def newest(workspace: Workspace, command: str) -> Path:
    return max((Path(workspace.place.path) / "runs").glob(f"{command}-*"), key=lambda path: path.stat().st_mtime)


def population_loss(dataset: JudgementDataset) -> float:
    """The held-out log-loss of the population's taste that `beholder train` fits to a dataset on all portraits."""
    train, held_out = splits.by_image(dataset, seed=0, shares=(0.8, 0.2))
    taste = population.fit(train, held_out, STUDY.vectors(), PopulationConfig(), encoder_id=ENCODER)
    pairs = validation.pairs(held_out, seed=0)
    return evaluation.figures(evaluation.agree(taste, taste, held_out, pairs, STUDY.vectors()))["logloss.population"]


def test_raters_are_judged_and_training_counts_them_by_their_weights(
    small_ray: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(str(tmp_path / "ws"))
    kinds = STUDY.write(workspace)
    place = [f"workspace={workspace.place.uri}"]
    assert main(["train", "judgements.weights=quality", "taste=population", f"encoder_id={ENCODER}", *place]) == 2
    assert "run beholder quality workspace=" in capsys.readouterr().err

    assert main(["quality", "block=3", "matrix=9", "embeddings=false", *place]) == 0
    assert "14 people" in capsys.readouterr().out
    run = newest(workspace, "quality")
    table, metrics = pd.read_csv(run / "results.csv"), json.loads((run / "metrics.json").read_text())
    assert table.columns[:4].tolist() == ["user_id", "verdict", "weight", "reasons"]
    by_kind = table.groupby(table["user_id"].map(kinds))["verdict"].agg(set)
    assert by_kind["random"] == {"random"}
    assert by_kind["first"] == by_kind["flat"] == {"biased"}
    assert sum(metrics[f"verdict.{name}"] for name in verdict.VERDICTS) == metrics["people"] == 14
    assert (metrics["verdict.random"], metrics["verdict.biased"]) == (2, 2)
    assert metrics["alpha.low"] < metrics["alpha"] < metrics["alpha.high"]
    assert "chose the left image" in (run / "summary.md").read_text()
    assert f"{metrics['verdict.believed']} of 14 people can be believed" in (run / "report.html").read_text()
    matrix = pd.read_csv(run / "agreement.csv", index_col=0)
    assert matrix.shape == (9, 9)
    assert list((tmp_path / "ws" / "quality_blocks").glob("*")) == []

    # block by block they are what one process finds
    timed = timed_judgements(workspace.read("ratings"), workspace.read("comparisons"))
    counts = measures.measure_alone(timed, len(timed.dataset.images), MeasuresConfig(), seed=0)
    whole = verdict.decide(counts, VerdictConfig())[0]
    assert table["user_id"].tolist() == whole["user_id"].tolist()
    assert table["verdict"].tolist() == whole["verdict"].tolist()
    np.testing.assert_allclose(table["predictability"], whole["predictability"], atol=0.03)
    np.testing.assert_allclose(table["left"], whole["left"])

    assert main(["train", "judgements.weights=quality", "taste=population", f"encoder_id={ENCODER}", *place]) == 0
    trained = json.loads((newest(workspace, "train") / "metrics.json").read_text())["logloss.population"]
    weighed = replace(timed.dataset, weights=whole["weight"].to_numpy())
    assert trained == pytest.approx(population_loss(weighed), abs=1e-5)
    assert trained != pytest.approx(population_loss(timed.dataset), abs=1e-3)


def test_removed_judgements_are_not_judged(small_ray: ModuleType, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "ws"))
    kinds = STUDY.write(workspace)
    gone = kinds.index[0]
    for name in ("ratings", "comparisons"):
        table = workspace.read(name)
        log = workspace.table(name)
        log.remove(table.filter(pc.equal(table["user_id"], gone)).select(list(log.key)))
    assert main(["quality", "matrix=0", "embeddings=true", f"encoder_id={ENCODER}", f"workspace={workspace.place.uri}"]) == 0
    table = pd.read_csv(newest(workspace, "quality") / "results.csv")
    assert gone not in set(table["user_id"])
    assert len(table) == 13


def test_mistakes_are_one_line(small_ray: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"workspace={tmp_path / 'empty'}"
    assert main(["quality", place]) == 2
    assert "has no judgements; beholder import source=DIR reads them" in capsys.readouterr().err
    workspace = Workspace(str(tmp_path / "ws"))
    workspace.write("ratings", STUDY.tables()[0])
    assert main(["quality", "attributes=[kind]", f"workspace={workspace.place.uri}"]) == 2
    assert "nobody judged kind; attributes judged: attractive, smart, trustworthy" in capsys.readouterr().err
