"""Looks on Ray: a folder developed and taken up again, and people with preferences about looks."""

from pathlib import Path

import numpy as np
import pytest

from beholder import images
from beholder.editing.looks import landscape, look_files
from beholder.editing.looks.full_size import render
from beholder.jobs import apply_look
from beholder.jobs.apply_look import ApplySettings
from beholder.runs import Run
from beholder.storage import Place


@pytest.mark.usefixtures("small_ray")
def test_a_folder_is_developed_and_what_is_done_is_not_done_again(tmp_path: Path, capsys) -> None:
    source, out = tmp_path / "photos", tmp_path / "out"
    source.mkdir()
    for seed in range(4):
        (source / f"{seed}.png").write_bytes(images.encode(landscape.draw(seed, 60, 90)))
    (source / "broken.jpg").write_bytes(b"no picture")
    before = {path: path.read_bytes() for path in source.iterdir()}
    settings = ApplySettings(look="warmth=2", images=str(source), out=str(out), workspace=str(tmp_path / "ws"))
    run = Run(Place.at(tmp_path / "run"), "apply")
    apply_look.main(settings, run)
    said = capsys.readouterr().out
    assert "4 photos developed, 0 done before, 1 refused" in said
    assert "broken.jpg" in said
    drawn = images.decode((out / "2.png").read_bytes())
    np.testing.assert_array_equal(drawn, render(landscape.draw(2, 60, 90), {"warmth": 2.0}))
    assert images.decode((out / "contact-sheet.jpg").read_bytes()).shape[1] > 500
    assert {path: path.read_bytes() for path in source.iterdir()} == before

    (out / "1.png").unlink()
    apply_look.main(settings, run)
    assert "1 photos developed, 3 done before, 1 refused" in capsys.readouterr().out
    assert (out / "1.png").is_file()
    assert look_files.read_preset((out / "look.json").read_text(), source="look.json") == {"warmth": 2.0}
    assert (out / "look.cube").is_file()
