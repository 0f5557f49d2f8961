"""taste=lora answers an attribute that it was never trained on, where that is said in words its CLIP knows: better than chance."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from beholder import cli, tables
from beholder.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def keep_few(workspace: Workspace) -> None:
    """Keep what six people said of the images of which half the folder is."""
    said = workspace.read("comparisons").to_pandas()
    people, images = sorted(set(said["user_id"]))[:6], sorted({*said["left_id"], *said["right_id"]})[::2]
    few = said[said["user_id"].isin(people) & said["left_id"].isin(images) & said["right_id"].isin(images)]
    workspace.write("comparisons", pa.Table.from_pandas(few, schema=tables.COMPARISONS, preserve_index=False))
    workspace.write("ratings", tables.RATINGS.empty_table())


def asked_in_words(workspace: Path, *, few: bool) -> tuple[Path, dict[str, float]]:
    """Return the run folder and the metrics of an attribute held out and asked for in words."""
    assert cli.main(["import", f"source={SAMPLE}", f"images={SAMPLE}", f"workspace={workspace}"]) == 0
    if few:
        keep_few(Workspace(str(workspace)))
    words = ["ways=[words]", "attributes=[trustworthy]", "taste.lora.fit.epochs=1"]
    assert cli.main(["evaluate", "lora", *words, f"workspace={workspace}"]) == 0
    (run,) = (workspace / "runs").glob("evaluate-lora-*")
    return run, json.loads((run / "metrics.json").read_text())


def test_every_person_is_judged_in_every_way_of_answering(tmp_path: Path) -> None:
    run, metrics = asked_in_words(tmp_path, few=True)
    assert metrics["people"] == 6
    rows = pd.read_csv(run / "results.csv")
    assert set(rows["attribute"]) == {"trustworthy"}
    assert len(rows) == 6
    assert rows["pairs"].min() > 0
    ways = rows[["asked", "population", "adapted", "clip", "nonsense"]]
    assert ways.gt(0).all(axis=None)
    assert ways.lt(1).all(axis=None)
    assert "| words | trustworthy | CLIP as it is |" in (run / "summary.md").read_text()


@pytest.mark.soak
def test_zero_shot_is_better_than_chance_and_than_nonsense(tmp_path: Path) -> None:
    _, metrics = asked_in_words(tmp_path, few=False)
    assert metrics["people"] == 24
    assert metrics["words/trustworthy/asked.low"] > 0.53
    assert metrics["words/trustworthy/over_nonsense.low"] > 0.03


def test_only_lora_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["evaluate", "lora", "taste=mlp", f"workspace={tmp_path}"]) == 2
    assert "only taste=lora answers" in capsys.readouterr().err
