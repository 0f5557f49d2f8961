"""The notebooks about the library run, and what they show is what is known of the sample."""

import json
import re
import time
from pathlib import Path

import pytest
from support import notebook

DATA = Path(__file__).parents[2] / "data"
_SECONDS = 40.0  # of a CPU that the quickstart and what follows it may take


def printed(ran):
    outputs = [output for cell in ran["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def shown(ran):
    outputs = [output for cell in ran["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]
    return [output["data"] for output in outputs if "data" in output]


def quickstart():
    cells = json.loads((DATA / "quickstart.ipynb").read_text())["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


def test_the_quickstart_is_short():
    assert len([line for line in quickstart().splitlines() if line.strip()]) < 15


def test_the_quickstart_is_soon_done_and_finds_tastes_and_who_has_none():
    began = time.process_time()
    ran = notebook.run(DATA / "quickstart.ipynb")
    assert time.process_time() - began < _SECONDS
    text = printed(ran)
    assert "<FittedTaste bayes: 24 people, 600 images, attractive>" in text
    gain = re.search(r"points \[\+(\d+\.\d), ", text)
    assert gain is not None
    assert float(gain[1]) > 5
    folds = re.search(r"R\^2 of each fold: \[(.*)\]", text)
    assert folds is not None
    assert min(map(float, folds[1].split())) > 0.3
    before, after = (float(found) for found in re.findall(r"(?:before|choices): (\d+\.\d+)", text))
    assert after < before
    assert "image/png" in shown(ran)[0]


def test_the_recommendation_has_what_the_simulated_person_likes():
    ran = notebook.run(DATA / "recommending.ipynb")
    best = shown(ran)[-2]["text/html"]
    assert re.search(r"(darker|longer) hair", best)
    assert all("<img" in data["text/html"] for data in (shown(ran)[1], shown(ran)[2], shown(ran)[-1]))


@pytest.mark.parametrize("name", ["quickstart", "recommending"])
def test_the_notebooks_use_the_public_names_alone(name):
    cells = json.loads((DATA / f"{name}.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert set(re.findall(r"^\s*(?:import|from) (\S+)", code, re.MULTILINE)) <= {"beholder", "sklearn.model_selection"}
    assert all(cell["outputs"] or "def " in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
