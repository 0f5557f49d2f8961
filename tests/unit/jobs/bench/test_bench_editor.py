"""`beholder bench editor`: the work it counts is that of published tables, and every line says what it measured."""

import pandas as pd
import pytest

from beholder.editing.generator import GeneratorConfig


@pytest.mark.parametrize(
    ("resolution", "base", "most", "expected"),
    [(1024, 32768, 512, 75.4), (1024, 16384, 512, 22.8), (256, 32768, 512, 45.4), (256, 8192, 256, 3.8), (64, 32768, 512, 16.1)],
)
def test_work_of_published_sizes(resolution, base, most, expected):
    config = GeneratorConfig(resolution, z_dim=512, w_dim=512, mapping_layers=8, channel_base=base, channel_max=most)
    assert config.macs / 1e9 == pytest.approx(expected, abs=0.06)


def test_a_short_run(beholder, tmp_path):
    said = beholder("bench", "editor", "sizes=[8]", "batches=[1,100000000]", "seconds=0.02", "threads=1", f"workspace={tmp_path}")
    assert said.code == 0, said.err
    table = pd.read_csv(said.run / "results.csv", keep_default_na=False)
    assert table["generator"].tolist() == ["portraits", "portraits", "8 px", "8 px"]
    assert table["note"].str.startswith("left out: would take some").tolist() == [False, True, False, True]
    drawn = table[table["batch"] == 1].astype({"images/s": float, "GMAC": float, "GFLOP/s": float, "limit": float})
    assert drawn["GFLOP/s"].to_numpy() == pytest.approx((2 * drawn["GMAC"] * drawn["images/s"]).to_numpy())
    assert (drawn["limit"] > 0).all()
    moves = {key: value for key, value in said.metrics.items() if key.startswith("slider/portraits/")}
    assert len(moves) == 6
    assert moves["slider/portraits/nothing/ms"] < moves["slider/portraits/drawn anew/ms"] / 2


@pytest.mark.parametrize("word", ["sizes=[100]", "sizes=[]", "batches=[0]", "memory=2", "seconds=0"])
def test_settings_that_make_no_sense(beholder, word):
    said = beholder("bench", "editor", word)
    assert said.code == 2
    assert len(said.err) == 1
