"""The notebook about the sample runs, without Ray, and what it shows is what is known of the sample."""

import re
import sys
from pathlib import Path

from support import notebook

FILE = Path(__file__).parents[2] / "data/exploration.ipynb"


def test_the_notebook_runs_and_finds_what_is_true():
    cells = [cell for cell in notebook.run(FILE)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    printed = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    pictures = [output["data"]["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert "12,000 ratings and 18,000 comparisons of 24 people; 0 refused" in printed
    found = re.search(r"points \[\+(\d+\.\d), ", printed)
    assert found is not None
    assert float(found[1]) > 5
    correlation = re.search(r"over \d+ traits: (\S+)", printed)
    assert correlation is not None
    assert float(correlation[1]) > 0.8
    assert len(pictures) == 4
    assert all("<svg" in picture for picture in pictures)


def test_the_notebook_imports_no_ray():
    assert not re.search(r"import ray|beholder\.jobs", FILE.read_text())
    assert "beholder" in sys.modules
