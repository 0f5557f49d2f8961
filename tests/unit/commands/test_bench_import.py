"""`beholder bench import` on a small table."""

import pytest


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_small_table(beholder, tmp_path, kind):
    said = beholder("bench", "import", "rows=3000", f"kind={kind}", "people=20", "images=30", f"workspace={tmp_path}/w")
    assert said.code == 0
    assert said.metrics["rows"] == 3000
    assert said.metrics["peak.MiB"] >= said.metrics["peak.before.MiB"] > 0


def test_no_rows_at_all(beholder, tmp_path):
    said = beholder("bench", "import", "rows=0", f"workspace={tmp_path}/w")
    assert (said.code, len(said.err)) == (2, 1)
