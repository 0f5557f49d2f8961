"""`beholder bench lora`: kept outputs change nothing, and its ratios are those of its own measurements."""

import pandas as pd
import pytest


def test_a_short_run(beholder, tmp_path):
    small = ["images=12", "people=2", "comparisons=6", "repeats=1", "taste.lora.fit.epochs=1"]
    said = beholder("bench", "lora", *small, f"workspace={tmp_path}")
    assert said.code == 0, said.err
    table = pd.read_csv(said.run / "results.csv").set_index("what")["seconds"]
    kept, anew = table["fit, frozen outputs kept"], table["fit, frozen outputs anew"]
    assert said.metrics["anew / kept"] == pytest.approx(anew / kept)
    assert said.metrics["judging / fitting"] == pytest.approx(table["judging in large batches"] / kept)
    assert said.metrics["largest difference, kept - anew"] < 1e-5
    assert beholder("bench", "lora", "taste=mlp", f"workspace={tmp_path}").code == 2
