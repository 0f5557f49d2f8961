"""`beholder ask`, `recommend` and `choices` on the portrait world, as a person types them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from beholder import images, weights
from beholder.cli import main

SAMPLE = weights.folder().parent / "sample" / "images"
FEW = ["components.candidates.count=200"]


def metrics(said) -> dict:
    return json.loads((Path(said.stdout.splitlines()[-1]) / "metrics.json").read_text())


def test_from_five_answers_to_a_recommendation(beholder, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path / 'work'}", *FEW]
    said = beholder("ask", "user=ana", "seed=7", "random_seed=1", *work, input="l\nboth\nr\nl\nn\nl\n")
    assert said.returncode == 0, said.stderr
    assert "'both' is none of a, b, n, u, q." in said.stdout
    assert "For ana, after 5 choices: " in said.stdout
    assert "questions that differed in it, you chose this way in" in said.stdout or "one question" in said.stdout
    run = Path(said.stdout.splitlines()[-1])
    assert len(list(run.glob("question-*.png"))) == 5
    assert metrics(said)["choices"] == 5
    assert 0.5 < metrics(said)["probability"] < 1

    out = tmp_path / "best.webp"
    again = beholder("recommend", "user=ana", "seed=7", f"out={out}", *work)
    assert again.returncode == 0, again.stderr
    assert metrics(again)["edit"] == metrics(said)["edit"]  # what was learned on the way is what the store says
    assert metrics(again)["probability"] == pytest.approx(metrics(said)["probability"], abs=1e-4)
    assert images.decode(out.read_bytes()).shape == images.decode((run / "recommended.png").read_bytes()).shape
    table = pd.read_csv(Path(again.stdout.splitlines()[-1]) / "results.csv")
    assert len(table) == 6
    assert table["utility"].is_monotonic_decreasing

    other = beholder("recommend", "user=bo", "seed=7", *work)
    assert "Nothing is known yet of what bo likes" in other.stdout


def test_who_stops_early_goes_on_later(beholder, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path}", *FEW]
    said = beholder("ask", "user=ana", "seed=7", *work, input="l\nq\n")
    assert said.returncode == 0, said.stderr
    assert "1 of 5 questions answered; they are kept" in said.stdout
    said = beholder("ask", "user=ana", "seed=7", "rounds=1", *work, input="r\n")
    assert "For ana, after 2 choices: " in said.stdout


def test_a_photo_is_inverted_once_and_goes_with_its_person(beholder, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path}"]
    photo = [f"image={SAMPLE / 'portrait-0003.webp'}", "photo.aligned=true", "photo.refinement.steps=5"]
    said = beholder("recommend", "user=ana", *photo, *FEW, *work)
    assert said.returncode == 0, said.stderr
    (latent,) = (tmp_path / "latents").glob("*/photo-*.safetensors")
    made = latent.stat().st_mtime_ns
    again = beholder("recommend", "user=ana", *photo, *FEW, *work)
    assert again.returncode == 0, again.stderr
    assert latent.stat().st_mtime_ns == made
    gone = beholder("choices", "forget=ana", *work)
    assert "ana: 0 questions, 0 answers, 1 images" in gone.stdout
    assert not latent.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seed=7", "image=me.jpg"], "give either image=FILE, a photo, or seed=NUMBER"),
        (["image=nowhere.jpg"], "nowhere.jpg"),
        (["seed=7", "components.taste=hers"], "hers"),
        (["seed=7", "components.generator=ffhq"], "ffhq"),
        (["seed=7", "encoder=vit_b_32", "encoder.weights=random"], "beholder build surrogate"),
        (["seed=7", "out=best.gif"], "must end in .png"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["recommend", "user=ana", *words, f"workspace={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
