"""What a process of `apply` does with a photo, and what is refused before anything is done."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from beholder import images
from beholder.editing.looks import landscape, look_files
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import ASKED
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.images import ImageLimits
from beholder.jobs import _look_stages, apply_look
from beholder.jobs._look_stages import DevelopPhoto, LookPlan
from beholder.jobs.apply_look import ApplySettings
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig, build_service

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
    shown = _look_stages.thumbnails(plan(folder), row)
    assert shown is not None
    assert (shown.name, shown.words) == ("a.png", "warmer colours, stronger contrast")
    (folder / "out" / "a.png").unlink()
    assert not _look_stages.is_done(plan(folder), row)
    assert _look_stages.thumbnails(plan(folder), row) is None


def test_the_record_of_a_photo_is_a_preset_that_is_applied_again(folder):
    row = apply_look.listed(str(folder / "in"), str(folder / "out"))[0]
    DevelopPhoto(plan(folder))(row)
    record = folder / "out" / "looks" / "a.png.json"
    assert json.loads(record.read_text(), parse_constant=pytest.fail)["probability"] is None
    settings = ApplySettings(look=str(record), images=str(folder / "in"), out=str(folder / "out"))
    assert apply_look.planned(settings, []).look == pytest.approx(LOOK)


def test_another_quality_or_another_preset_of_the_same_name_is_another_picture(folder):
    preset, source, out = folder / "look.json", str(folder / "in"), str(folder / "out")
    keys = []
    for look, quality in ((LOOK, 92), (LOOK, 80), ({"warmth": 2.0}, 92)):
        preset.write_text(look_files.preset(look, name="mine"))
        keys.append(apply_look.planned(ApplySettings(look=str(preset), quality=quality, images=source, out=out), []).key)
    assert len(set(keys)) == 3


def test_a_look_is_chosen_by_a_clip_and_the_descriptor_joined(folder, small_clip):
    encoder = EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu", looks=True)
    more: dict[str, Any] = {"images": str(folder / "in"), "out": str(folder / "out"), "workspace": str(folder / "ws")}
    settings = ApplySettings(user="ana", candidates=CandidatesConfig(count=60), encoder=encoder, **more)
    components = Components(candidates=settings.candidates)
    config = ServiceConfig(editor="looks", components=components, encoder=encoder, workspace=settings.workspace)
    service = build_service(config)
    try:
        photo = service.library.add_photo((folder / "in" / "a.png").read_bytes(), "ana").image_id
        for turn in range(6):  # ana likes what is warmer
            question = service.recommendations.question("ana", photo, seed=turn).question
            warmer = question.left.get("warmth", 0) >= question.right.get("warmth", 0)
            service.recommendations.answer(f"e-{turn}", question.question_id, "left" if warmer else "right")
    finally:
        service.close()
    rows = apply_look.listed(settings.images, settings.out)
    joined, alone = apply_look.planned(settings, rows), apply_look.planned(replace(settings, encoder=EncoderConfig()), rows)
    assert joined.encoder == encoder
    assert alone.encoder is not None
    assert alone.encoder.name == "looks"
    assert encoder.encoder_id() in joined.key
    assert "looks" not in alone.key  # as it was in earlier versions: what they developed is not developed again
    look, probability = DevelopPhoto(joined).choose(landscape.draw(2, 60, 90))
    assert 0 <= probability <= 1
    assert set(look) <= set(ASKED)
    one = apply_look.planned(replace(settings, one_look=True), [row for row in rows if row["name"] != "broken.jpg"])
    assert one.look is not None


def test_looks_are_told_in_words_with_how_many_photos_got_them(folder):
    looks: list[dict[str, float]] = [{"warmth": 2.0}, {"warmth": 0.5, "fade": 1.0}, {"warmth": -1.0}, {}]
    assert apply_look.looks_in_words(looks) == [
        "warmer colours on 2, paler blacks on 1, cooler colours on 1",
        "1 left as they are: no look is surer to be liked",
    ]


def odd_photos() -> dict[str, bytes]:
    """Photos as people have them, each in one way unusual, by name."""
    pixels = landscape.draw(3, 60, 90)
    photo, wide = Image.fromarray(pixels), np.arange(60 * 90, dtype=np.uint16).reshape(60, 90) * 12
    clear = np.dstack([pixels, np.full((60, 90), 255, np.uint8)])
    clear[:, :45, 3] = 0
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "sixteen.png": (Image.fromarray(wide), "PNG", {}),
        "cmyk.jpg": (photo.convert("CMYK"), "JPEG", {}),
        "clear.png": (Image.fromarray(clear), "PNG", {}),
        "moving.gif": (photo, "GIF", {"save_all": True, "append_images": [photo.rotate(180)]}),
        "profile.png": (photo, "PNG", {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}),
        "grey.jpg": (photo.convert("L"), "JPEG", {}),
    }
    result = {}
    for name, (image, format, options) in made.items():
        buffer = io.BytesIO()
        image.save(buffer, format=format, **options)
        result[name] = buffer.getvalue()
    whole = images.encode(pixels, format="JPEG")
    return result | {"cut.jpg": whole[: len(whole) // 2], "empty.jpg": b"", "text.jpg": b"hello", "page.jpg": b"<html></html>"}


def test_photos_of_every_kind_are_developed_or_refused_in_a_line(tmp_path):
    (tmp_path / "in").mkdir()
    for name, data in odd_photos().items():
        (tmp_path / "in" / name).write_bytes(data)
    develop = DevelopPhoto(plan(tmp_path))
    rows = {row["name"]: develop(row) for row in apply_look.listed(str(tmp_path / "in"), str(tmp_path / "out"))}
    errors = {name: row["error"] for name, row in rows.items() if row["error"]}
    assert set(errors) == {"cut.jpg", "empty.jpg", "text.jpg", "page.jpg"}
    assert all(error and "\n" not in error for error in errors.values())
    assert {name: row["note"] for name, row in rows.items() if row["note"]} == {
        "sixteen.png": "8 of 16 bits",
        "cmyk.jpg": "CMYK as RGB",
        "moving.gif": "the first of 2 frames",
    }
    out = {path.name: Image.open(path) for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert set(out) == {"sixteen.png", "cmyk.jpg", "clear.png", "moving.jpg", "profile.png", "grey.jpg"}
    assert all(each.size == (90, 60) for each in out.values())
    assert out["profile.png"].info["icc_profile"]
    assert out["cmyk.jpg"].mode == "RGB"
    clear = np.array(out["clear.png"])
    assert clear[:, :45, 3].max() == 0
    drawn = render(landscape.draw(3, 60, 90), LOOK)
    assert np.abs(clear[:, 50:, :3].astype(int) - drawn[:, 50:]).max() <= 2


def test_a_photo_that_is_too_large_is_refused_unread(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "large.png").write_bytes(images.encode(landscape.draw(1, 60, 90)))
    develop = DevelopPhoto(plan(tmp_path, limits=ImageLimits(max_pixels=1000)))
    row = develop(apply_look.listed(str(tmp_path / "in"), str(tmp_path / "out"))[0])
    assert "over the limit of 1,000 pixels" in row["error"]


def test_an_iphones_photo_is_written_as_jpeg(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason='the extra is not installed: pip install "beholder[heic]"')
    (tmp_path / "in").mkdir()
    heif.from_pillow(Image.fromarray(landscape.draw(1, 64, 96))).save(str(tmp_path / "in" / "a.heic"))
    row = DevelopPhoto(plan(tmp_path))(apply_look.listed(str(tmp_path / "in"), str(tmp_path / "out"))[0])
    assert row["error"] == ""
    assert row["name"] == "a.jpg"
    assert images.decode((tmp_path / "out" / "a.jpg").read_bytes()).shape == (64, 96, 3)


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
