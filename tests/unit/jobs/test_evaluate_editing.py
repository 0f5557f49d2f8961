"""`evaluate editing` without Ray: what a worker measures, what is reported of it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.report_samples import finished_run

from beholder import images
from beholder.config import load
from beholder.editing.stylegan import StyleGAN
from beholder.errors import ConfigError, EditError, ImageError
from beholder.jobs import evaluate_editing
from beholder.jobs.evaluate_editing import EditPictures, EvaluateEditingSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two portraits that the generator makes, and a file that is none."""
    place = tmp_path_factory.mktemp("pictures")
    editor = StyleGAN.load()
    for seed, pixels in enumerate(editor.edit(editor.generate([1, 2]), [{}, {}])):
        (place / f"{seed}.png").write_bytes(images.encode(pixels))
    (place / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return place


def settings(folder: Path, *words: str) -> EvaluateEditingSettings:
    own = ["directions=[glasses]", "strengths=[0,2]", "shown=1", f"images={folder}", *words]
    return load(EvaluateEditingSettings, command="evaluate editing", overrides=own)


def test_figures_are_of_both_ways_and_every_edit(folder: Path, tmp_path: Path) -> None:
    own = settings(folder, "refinement.steps=3", "refinement.feature_steps=3")
    listed = [
        {"image_id": name, "uri": str(folder / name), "place": at} for at, name in enumerate(["0.png", "1.png", "broken.png"])
    ]
    rows = EditPictures(1, own)({"rows": listed})
    assert sum(row["first"] for row in rows) == 3
    assert [row["image_id"] for row in rows if row["reason"]] == ["broken.png"]
    run = finished_run(tmp_path)
    evaluate_editing.report(own, run, rows, 3)
    out = Path(run.place.path)
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["images"], metrics["images.refused"]) == (2, 1)
    for way in ("w+", "features"):
        for name in ("l2", "ms_ssim", "identity", "fid"):
            assert metrics[f"{way}/glasses@0/{name}"] == pytest.approx(metrics[f"{way}/inversion/{name}"], abs=1e-6)
        assert metrics[f"{way}/glasses@2/l2"] > metrics[f"{way}/inversion/l2"]
        assert metrics[f"{way}/glasses@2/ms_ssim"] < metrics[f"{way}/inversion/ms_ssim"] <= 1
    assert metrics["features/inversion/l2"] < metrics["w+/inversion/l2"]
    sheet = images.decode((out / "sheet.jpg").read_bytes())
    assert sheet.shape == (2 * 256, 4 * 256, 3)  # one picture both ways: itself and three edits
    photo = images.fit_pixels(images.decode((folder / "0.png").read_bytes()), images.Fit(256))
    assert np.abs(sheet[:256, :256].astype(float) - photo).mean() < 8
    assert "LPIPS is left out" in (out / "summary.md").read_text()


def test_without_features_w_alone_is_measured(folder: Path, tmp_path: Path) -> None:
    own = settings(folder, "editor.features=false", "refinement.steps=2")
    rows = EditPictures(1, own)({"rows": [{"image_id": "0", "uri": str(folder / "0.png"), "place": 0}]})
    assert {row["way"] for row in rows} == {"w+"}
    run = finished_run(tmp_path)
    evaluate_editing.report(own, run, rows, 1)
    assert "w+ alone was measured" in (Path(run.place.path) / "summary.md").read_text()


def test_what_makes_no_sense_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directions need strengths"):
        settings(folder, "strengths=[]")
    with pytest.raises(EditError, match="no direction glases; did you mean glasses"):
        evaluate_editing.main(settings(folder, "directions=[glases]"), finished_run(tmp_path))
    reason = {"image_id": "a", "place": 0, "first": 1, "way": "", "edit": 0, "reason": "it is no picture"}
    with pytest.raises(ImageError, match=r"none of the 1 images .* it is no picture"):
        evaluate_editing.report(settings(folder), finished_run(tmp_path), [reason], 1)
