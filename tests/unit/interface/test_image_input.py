"""Pictures of any kind are uint8 RGB, named as they were given."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import beholder as bh
from beholder.errors import ImageError, InputError
from beholder.interface.image_input import pixels_of, read_images

RED = np.zeros((4, 6, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
BLUE = RED[..., ::-1].copy()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("b.png", "a.png", "more/c.png"):
        Image.fromarray(RED).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_one_picture_is_read_from_whatever_holds_it(folder):
    transparent = np.dstack([RED, np.full((4, 6), 255, np.uint8)])
    kinds = [
        folder / "a.png",
        str(folder / "a.png"),
        (folder / "a.png").read_bytes(),
        Image.fromarray(RED),
        RED,
        RED / 255,
        transparent,
        torch.from_numpy(RED).permute(2, 0, 1),
        torch.from_numpy(RED).permute(2, 0, 1) / 255,
        bh.Picture(RED),
    ]
    for kind in kinds:
        np.testing.assert_array_equal(pixels_of(kind), RED)


def test_a_pil_image_is_turned_upright_and_laid_on_white():
    turned = Image.fromarray(RED)
    turned.getexif()[0x0112] = 6
    assert pixels_of(turned).shape == (6, 4, 3)
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert pixels_of(clear).min() == 255
    assert pixels_of(Image.new("CMYK", (2, 2))).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "expected a picture .* got int"),
        (np.zeros((2, 2, 5), np.uint8), r"got shape \[2, 2, 5\]"),
        (np.full((2, 2, 3), 300.0), "floats in 0..1 or uint8, got float64 from 300 to 300"),
        (np.zeros((2, 2, 3), np.int64), "expected uint8 0..255 or floats 0..1, got int64"),
        (np.full((2, 2, 3), np.nan), "floats in 0..1"),
    ],
)
def test_what_is_no_picture_is_refused(value, says):
    with pytest.raises(InputError, match=says):
        pixels_of(value)


def test_a_file_that_is_no_picture_is_named(folder):
    with pytest.raises(ImageError, match="image 'x': the file is no image"):
        pixels_of(folder / "notes.txt", what="image 'x'")


def test_pictures_have_ids(folder):
    assert read_images(folder).labels == ["a.png", "b.png", "more/c.png"]
    assert read_images([folder / "a.png"]).labels == [str(folder / "a.png")]
    assert read_images(folder / "a.png").labels == [folder / "a.png"]
    assert read_images(np.stack([RED, RED])).labels == [0, 1]
    assert read_images([RED, RED]).labels == [0, 1]
    assert read_images({5: RED}).labels == [5]
    assert read_images(pd.Series([RED], index=["x"])).labels == ["x"]
    assert read_images(pd.DataFrame({"image_id": [3], "path": [folder / "a.png"]})).labels == [3]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "expected at least one picture"),
        (["a.png", "a.png"], "'a.png' comes 2 times"),
        (pd.DataFrame({"image_id": [1], "colour": ["red"]}), "expected a column image, path or uri"),
    ],
)
def test_lists_that_can_not_be_named_are_refused(given, says):
    with pytest.raises(InputError, match=says):
        read_images(given)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        read_images(tmp_path)


def test_pictures_are_shown_side_by_side(folder):
    row = bh.show([RED, bh.Picture(RED, "a hat")])
    assert row.captions == ("0", "a hat")
    assert row._repr_html_().count("<img") == 2
    assert "&lt;b&gt;" in bh.show([RED], ["<b>"])._repr_html_()
    with pytest.raises(InputError, match="captions: expected 1"):
        bh.show([RED], ["one", "two"])


def test_a_picture_is_saved_and_shown(tmp_path):
    picture = bh.Picture(RED, "red")
    assert repr(picture) == "<Picture 6 x 4: red>"
    assert pixels_of(picture.save(tmp_path / "red.png")).tolist() == RED.tolist()
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert picture.to_pil().size == (6, 4)
    assert np.asarray(picture).dtype == np.uint8
    with pytest.raises(InputError, match=r"expected a file that ends in \.png"):
        picture.save(tmp_path / "red.gif")


def test_an_encoder_may_be_any_object_that_embeds():
    class Mean:
        def images(self, pixels):
            return np.stack([np.asarray(each, np.float32).mean(axis=(0, 1)) for each in pixels])

    vectors = bh.embed({"x": RED, "y": RED[:2]}, encoder=Mean())
    assert vectors.index.tolist() == ["x", "y"]
    assert vectors.loc["y"].tolist() == [255, 0, 0]
    with pytest.raises(InputError, match="encoder='portrait' is none of the choices; did you mean portraits"):
        bh.embed(RED, encoder="portrait")
    with pytest.raises(InputError, match=r"an object with images\(pixels\)"):
        bh.embed(RED, encoder=3)  # type: ignore[arg-type]  # what is refused


def test_a_clip_is_joined_to_looks_by_a_setting():
    """What it is alone stands before what looks are alone, and a taste is fitted to both as to any embeddings."""
    joined = bh.embed({"x": RED, "y": BLUE}, settings={"looks": True, "looks_weight": 0.5})
    alone = bh.embed({"x": RED, "y": BLUE})
    assert joined.attrs["encoder_id"].startswith("portraits_looks-")
    np.testing.assert_allclose(joined.to_numpy()[:, : alone.shape[1]], 0.5**0.5 * alone.to_numpy(), atol=1e-6)
    taste = bh.fit(
        [{"user_id": "ana", "image_id": name, "score": score} for name, score in (("x", 4), ("y", 1))], embeddings=joined
    )
    assert taste.predict("ana")["x"] > taste.predict("ana")["y"]


def test_pictures_are_embedded_as_their_files_are(folder):
    by_path, by_pixels = bh.embed(folder, encoder="looks"), bh.embed([RED], encoder="looks")
    np.testing.assert_allclose(by_path.to_numpy(), np.repeat(by_pixels.to_numpy(), 3, axis=0), atol=1e-6)
    assert by_path.attrs["encoder_id"].startswith("looks")
