"""taste=lora answers an attribute that it was never trained on, where that is said in words its CLIP knows: better than chance."""

import json
from pathlib import Path

import pandas as pd
import pytest

from beholder import cli

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def test_zero_shot_is_better_than_chance_and_than_nonsense(tmp_path: Path) -> None:
    assert cli.main(["import", f"source={SAMPLE}", f"images={SAMPLE}", f"workspace={tmp_path}"]) == 0
    words = ["ways=[words]", "attributes=[trustworthy]", "taste.lora.fit.epochs=1"]
    assert cli.main(["evaluate", "lora", *words, f"workspace={tmp_path}"]) == 0
    (run,) = (tmp_path / "runs").glob("evaluate-lora-*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["people"] == 24
    assert metrics["words/trustworthy/asked.low"] > 0.53
    assert metrics["words/trustworthy/over_nonsense.low"] > 0.03
    rows = pd.read_csv(run / "results.csv")
    assert set(rows["attribute"]) == {"trustworthy"}
    assert rows["pairs"].min() > 0
    assert "| words | trustworthy | CLIP as it is |" in (run / "summary.md").read_text()


def test_only_lora_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["evaluate", "lora", "taste=mlp", f"workspace={tmp_path}"]) == 2
    assert "only taste=lora answers" in capsys.readouterr().err
