"""What a process of `apply` does with a photo, and what is refused before anything is done."""

import json
from typing import Any

import numpy as np
import pytest

from beholder import images
from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import render
from beholder.errors import ConfigError
from beholder.images import ImageLimits
from beholder.jobs import _look_stages, apply_look
from beholder.jobs._look_stages import DevelopPhoto, LookPlan
from beholder.jobs.apply_look import ApplySettings

LOOK = {"warmth": 1.0, "contrast": 1.0}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(images.encode(landscape.draw(1, 60, 90)))
    (tmp_path / "in" / "deep" / "a.png").write_bytes(images.encode(landscape.draw(2, 60, 90)))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def plan(folder, **more) -> LookPlan:
    settings: dict[str, Any] = {"out": str(folder / "out"), "quality": 90, "limits": ImageLimits(), "key": "k", "look": LOOK}
    return LookPlan(**settings | more)


def test_photos_are_developed_beside_their_records_and_originals_stay(folder):
    before = {path: path.read_bytes() for path in (folder / "in").rglob("*.*")}
    rows = apply_look.listed(str(folder / "in"), str(folder / "out"))
    assert [row["name"] for row in rows] == ["a.png", "broken.jpg", "deep/a.png"]
    results = [DevelopPhoto(plan(folder))(row) for row in rows]
    assert [bool(each["error"]) for each in results] == [False, True, False]
    assert "no image" in results[1]["error"]
    drawn = images.decode((folder / "out" / "deep" / "a.png").read_bytes())
    np.testing.assert_array_equal(drawn, render(landscape.draw(2, 60, 90), LOOK))
    assert json.loads((folder / "out" / "looks" / "a.png.json").read_text())["look"] == LOOK
    assert {path: path.read_bytes() for path in (folder / "in").rglob("*.*")} == before


def test_what_is_done_is_done_unless_the_look_is_another_or_the_picture_gone(folder):
    row = apply_look.listed(str(folder / "in"), str(folder / "out"))[0]
    assert not _look_stages.is_done(plan(folder), row)
    DevelopPhoto(plan(folder))(row)
    assert _look_stages.is_done(plan(folder), row)
    assert not _look_stages.is_done(plan(folder, key="other"), row)
    assert _look_stages.thumbnails(plan(folder), row) is not None
    (folder / "out" / "a.png").unlink()
    assert not _look_stages.is_done(plan(folder), row)
    assert _look_stages.thumbnails(plan(folder), row) is None


def test_a_folder_that_holds_the_photos_is_no_place_for_pictures(folder):
    for out in (folder / "in", folder):
        with pytest.raises(ConfigError, match="originals are never written to"):
            apply_look.listed(str(folder / "in"), str(out))


@pytest.mark.parametrize(
    "more", [{}, {"user": "ana", "look": "warmth=1"}, {"user": "ana", "quality": 0}, {"user": "ana", "actors": -1}]
)
def test_settings_that_make_no_sense_are_refused(more):
    with pytest.raises(ConfigError):
        ApplySettings(images="in", out="out", **more)


def test_somebody_without_choices_is_told_to_choose_first(folder):
    settings = ApplySettings(user="ana", images=str(folder / "in"), out=str(folder / "out"), workspace=str(folder / "ws"))
    with pytest.raises(ConfigError, match="made no choices yet"):
        apply_look.planned(settings, [])


def test_names_follow_formats():
    assert _look_stages.written_name("x/a.JPG", "JPEG") == "x/a.JPG"
    assert _look_stages.written_name("x/a.heic", "JPEG") == "x/a.jpg"
