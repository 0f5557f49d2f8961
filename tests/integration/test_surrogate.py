"""The shipped surrogate is held to its goals on pictures it never saw; a tiny one is built, found, measured and built again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from beholder import cli
from beholder.config import load
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import Encoder
from beholder.jobs import evaluate_surrogate
from beholder.portraits.reader import reading
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_dataset import SurrogateDatasetConfig, draw_block
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo
from beholder.simulation import surrogate_error
from beholder.simulation.ground_truth import open_ground_truth
from beholder.storage import Place
from beholder.workspace import Workspace


def test_the_shipped_surrogate_tells_edits_apart(tmp_path: Path) -> None:
    encoder = load(evaluate_surrogate.EvaluateSurrogateSettings, command="evaluate surrogate").encoder
    editor = StyleGAN.load()
    about = SurrogateInfo.of(editor, generator="portraits", encoder_id=encoder.encoder_id())
    known = surrogate_model.find(about)
    truth = open_ground_truth(
        Place.at(tmp_path), editor, Encoder.load(encoder), reading(),
        candidates=candidates(editor.directions, CandidatesConfig(count=120)), seeds=(901, 902), made_for=about.made_for,
    )  # fmt: skip
    predicted = surrogate_error.predict(known, truth)
    for scorers in (surrogate_error.any_tastes(128, 30, seed=9), surrogate_error.people_ranked(truth, 12, choices=10, seed=9)):
        errors = surrogate_error.compare(predicted, truth, scorers)
        assert errors.rank_correlation.mean() >= 0.9
        assert errors.regret.mean() <= 0.02
    assert max(surrogate_error.missed(predicted, truth).values()) < 0.6  # no direction is not predicted at all


def test_a_tiny_one_is_built_found_and_measured(small_ray: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ["threads=1", f"workspace={tmp_path}", "actors=2"]
    words = ["build", "surrogate", "samples=220", "dataset.inverted=0", "training.epochs=2", "training.width=32", *here]
    assert cli.main(words) == 0
    place = next((tmp_path / "models" / "perception").glob("portraits-*.safetensors"))
    first, drawn = Surrogate.load(Place.at(place)).network.state_dict(), list((tmp_path / "lessons").rglob("*.npz"))
    card = json.loads(place.with_suffix(".json").read_text())
    assert card["settings"]["samples"] == 220
    assert logged(tmp_path, "build-surrogate", "samples") == ["samples 0 to 199 are drawn", "samples 200 to 219 are drawn"]
    assert card["figures"]["error"] > 0
    assert cli.main(words) == 0
    again = Surrogate.load(Place.at(place)).network.state_dict()
    assert all(torch.equal(again[name], value) for name, value in first.items())
    assert list((tmp_path / "lessons").rglob("*.npz")) == drawn
    assert_drawn_as_here(tmp_path)
    about = SurrogateInfo(**{name: card[name] for name in ("fingerprint", "generator", "encoder_id", "directions")})
    assert surrogate_model.find(about, Workspace(str(tmp_path))).network.sizes.width == 32

    few = ["images=2", "inverted=1", "refinement.steps=0", "candidates.count=20", "people=4", "choices=4", "timed=4"]
    capsys.readouterr()
    assert cli.main(["evaluate", "surrogate", *few, f"surrogate={place}", "card=true", *here]) == 0
    said = capsys.readouterr().out
    figures = ("rank correlation, rankers fitted to people's choices, inverted pictures", "regret, ", "time, predicted / all drawn")
    for name in figures:
        assert name in said
    figures = json.loads(place.with_suffix(".json").read_text())["figures"]
    assert figures["error"] == card["figures"]["error"]
    assert figures["seeds/any/regret"] >= 0
    assert list((tmp_path / "runs").rglob("figures/surrogate.png"))
    assert logged(tmp_path, "evaluate-surrogate", "image") == ["image 0 is drawn", "image 0 is drawn", "image 1 is drawn"]


def logged(workspace: Path, command: str, word: str) -> list[str]:
    """What the first run of a command wrote to its log, of a task each, in order."""
    run = sorted((workspace / "runs").glob(f"{command}-*"))[0]
    return sorted(line.split(" INFO ")[1] for line in (run / "log.txt").read_text().splitlines() if f" INFO {word} " in line)


def assert_drawn_as_here(workspace: Path) -> None:
    """The last block is what the library draws in this process."""
    config = SurrogateDatasetConfig(inverted=0)
    editor, encoder = StyleGAN.load(), load(evaluate_surrogate.EvaluateSurrogateSettings, command="evaluate surrogate").encoder
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = draw_block(editor, Encoder.load(encoder), config, range(200, 220), None)
    torch.set_num_threads(threads)
    (file,) = (workspace / "lessons").rglob("0000200-20.npz")
    with np.load(file) as kept:
        for name, values in expected.items():
            np.testing.assert_allclose(kept[name], values, atol=2e-3)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["build", "surrogate", "samples=3"], "samples must be at least 20"),
        (["build", "surrogate", "out=it.pt"], "out must be a .safetensors file"),
        (["build", "surrogate", "generator=nobody"], "nobody"),
        (["evaluate", "surrogate", "card=true"], "card=true needs surrogate=FILE"),
        (["evaluate", "surrogate", "images=0"], "images must be at least 1"),
        (["evaluate", "surrogate", "surrogate=none.safetensors"], "none.safetensors"),
    ],
)
def test_what_can_t_be_done_is_refused(words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, f"workspace={tmp_path}"]) != 0
    assert reason in capsys.readouterr().err
