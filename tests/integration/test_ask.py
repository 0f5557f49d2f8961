"""`beholder ask`, `recommend` and `choices` on the portrait world, as a person types them."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from beholder import images, weights
from beholder.cli import main

SAMPLE = weights.folder().parent / "sample" / "images"
FEW = ["components.candidates.count=200"]


def metrics(printed: str) -> dict:
    return json.loads((Path(printed.splitlines()[-1]) / "metrics.json").read_text())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """run(words, input=text): what a command prints in this process, which has imported what is heavy."""

    def carry_out(*words: str, input: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(input))
        code = main(list(words))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return carry_out


def test_from_five_answers_to_a_recommendation(beholder, run, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path / 'work'}", *FEW]
    said = beholder("ask", "user=ana", "seed=7", "random_seed=1", *work, input="l\nboth\nr\nl\nn\nl\n")
    assert said.returncode == 0, said.stderr
    assert "'both' is none of a, b, n, u, q." in said.stdout
    assert "For ana, after 5 choices: " in said.stdout
    assert "questions that differed in it, you chose this way in" in said.stdout or "one question" in said.stdout
    folder, asked = Path(said.stdout.splitlines()[-1]), metrics(said.stdout)
    assert len(list(folder.glob("question-*.png"))) == 5
    assert asked["choices"] == 5
    assert 0.5 < asked["probability"] < 1

    out = tmp_path / "best.webp"
    again = run("recommend", "user=ana", "seed=7", f"out={out}", *work)
    assert metrics(again)["edit"] == asked["edit"]  # what was learned on the way is what the store says
    assert metrics(again)["probability"] == pytest.approx(asked["probability"], abs=1e-4)
    assert images.decode(out.read_bytes()).shape == images.decode((folder / "recommended.png").read_bytes()).shape
    table = pd.read_csv(Path(again.splitlines()[-1]) / "results.csv")
    assert len(table) == 6
    assert table["utility"].is_monotonic_decreasing

    assert "Nothing is known yet of what bo likes" in run("recommend", "user=bo", "seed=7", *work)


def test_who_stops_early_goes_on_later(run, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path}", *FEW]
    assert "1 of 5 questions answered; they are kept" in run("ask", "user=ana", "seed=7", *work, input="l\nq\n")
    assert "For ana, after 2 choices: " in run("ask", "user=ana", "seed=7", "rounds=1", *work, input="r\n")


def test_a_photo_is_inverted_once_and_goes_with_its_person(run, tmp_path: Path) -> None:
    work = [f"workspace={tmp_path}"]
    photo = [f"image={SAMPLE / 'portrait-0003.webp'}", "photo.aligned=true", "photo.refinement.steps=5"]
    run("recommend", "user=ana", *photo, *FEW, *work)
    (latent,) = (tmp_path / "latents").glob("*/photo-*.safetensors")
    made = latent.stat().st_mtime_ns
    run("recommend", "user=ana", *photo, *FEW, *work)
    assert latent.stat().st_mtime_ns == made
    assert "ana: 0 questions, 0 answers, 1 images" in run("choices", "forget=ana", *work)
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
