"""`beholder edit` and `beholder invert` from the command line to the files; no Ray."""

import importlib.util
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from beholder import images
from beholder.editing import generator_store
from beholder.editing.directions import Direction, direction_registry
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.generator_store import fingerprint
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.workspace import Workspace

SMALL = GeneratorConfig(resolution=32, z_dim=16, w_dim=16, channel_base=256, channel_max=16)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a generator `toy` of random weights and two directions, `up` and `late`."""
    place = tmp_path_factory.mktemp("toy")
    workspace = Workspace(str(place))
    torch.manual_seed(5)
    generator = Generator(SMALL).eval().requires_grad_(False)
    generator_store.write(workspace, "toy", generator, card={})
    made: dict[str, Any] = {"fingerprint": fingerprint(generator), "generator": "toy"}
    up = Direction.along(torch.randn(16), name="up", space="w", layers=(0, 8), **made)
    late = Direction.along(torch.randn(4, 16), name="late", space="w+", layers=(4, 8), **made)
    direction_registry.write(workspace, "toy", [up, late])
    return place


@pytest.fixture
def edit(beholder, toy, tmp_path):
    """edit("seed=7", ...): what the command said, and the picture it wrote or None."""

    def run(*words: object, out: str = "out.png"):
        said = beholder("edit", *words, f"out={tmp_path / out}", "generator=toy", f"workspace={toy}")
        return said, images.decode((tmp_path / out).read_bytes()) if said.code == 0 else None

    return run


def drawn(toy: Path, seed: int, **alphas: float) -> np.ndarray:
    editor = StyleGAN.load("toy", Workspace(str(toy)), config=StyleGANConfig(device="cpu"))
    return editor.edit(editor.generate([seed]), [alphas])[0]


def test_a_seed_is_drawn_and_moved(edit, toy: Path) -> None:
    said, plain = edit("seed=7")
    np.testing.assert_array_equal(plain, drawn(toy, 7))
    assert said.metrics == {"moved": 0.0}
    said, moved = edit("seed=7", "edits= up=1.5, late=-1")
    np.testing.assert_array_equal(moved, drawn(toy, 7, up=1.5, late=-1.0))
    assert said.metrics["moved"] > 0
    assert "late=-1,up=1.5" in said.out[0]
    beside = images.decode((said.run / "steps.png").read_bytes())
    np.testing.assert_array_equal(beside, np.concatenate([plain, moved], axis=1))


def test_the_order_of_an_edit_and_alpha_zero(edit) -> None:
    one, other, none = (edit("seed=3", f"edits={text}")[1] for text in ("up=1,late=2", "late=2,up=1", "up=0"))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(none, edit("seed=3")[1])


@pytest.mark.parametrize(("out", "format"), [("a.jpg", "JPEG"), ("a.webp", "WEBP")])
def test_the_name_says_the_format(edit, tmp_path: Path, out: str, format: str) -> None:
    edit("seed=1", out=out)
    from PIL import Image

    assert Image.open(tmp_path / out).format == format


def test_an_aligned_photo_is_inverted_without_an_inverter(edit, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(images.encode(drawn(toy, 4)))
    said, found = edit(f"image={tmp_path / 'photo.png'}", "aligned=true", "refinement.steps=60", "refinement.stay=0")
    assert said.metrics["loss.after"] < 0.5 * said.metrics["loss.before"]
    assert said.metrics["steps"] == 60
    assert found.shape == (32, 32, 3)
    assert any(line.startswith("loss 0.") and "60 steps" in line for line in said.out)
    assert any("invert: 60/60 steps" in line for line in said.err)


def test_a_latent_is_kept_and_edited_again(beholder, edit, toy: Path, tmp_path: Path) -> None:
    photo, kept = tmp_path / "photo.png", tmp_path / "kept.safetensors"
    photo.write_bytes(images.encode(drawn(toy, 4)))
    common = ("generator=toy", f"workspace={toy}", "aligned=true", "refinement.steps=5")
    said = beholder("invert", f"image={photo}", f"out={kept}", *common)
    assert said.code == 0
    assert said.metrics["error.after"] < said.metrics["error.before"]
    beside = images.decode((tmp_path / "kept.png").read_bytes())
    assert beside.shape == (32, 96, 3)
    np.testing.assert_array_equal(beside[:, :32], drawn(toy, 4))
    np.testing.assert_array_equal(edit(f"latent={kept}")[1], beside[:, 64:])
    again = edit(f"latent={kept}", f"image={photo}", "edits=late=2")[1]
    once = edit(f"image={photo}", "aligned=true", "refinement.steps=5", "edits=late=2")[1]
    np.testing.assert_array_equal(again, once)
    photo.write_bytes(images.encode(drawn(toy, 5)))
    assert "is not the photo" in edit(f"latent={kept}", f"image={photo}")[0].err[-1]
    other = beholder("edit", f"latent={kept}", f"out={tmp_path / 'x.png'}", f"workspace={toy}")
    assert other.code == 2
    assert "this latent is [8, 16], generator portraits takes [16, 128]" in other.err[-1]


def test_a_latent_of_another_program_is_drawn_and_moved(edit, toy: Path, tmp_path: Path) -> None:
    editor = StyleGAN.load("toy", Workspace(str(toy)), config=StyleGANConfig(device="cpu"))
    np.savez(tmp_path / "projected_w.npz", w=editor.generate([7]).ws.numpy())
    said, found = edit(f"latent={tmp_path / 'projected_w.npz'}", "edits=up=1.5")
    np.testing.assert_array_equal(found, drawn(toy, 7, up=1.5))
    assert any("does not say which generator it belongs to" in line for line in said.out)
    np.save(tmp_path / "two.npy", editor.generate([3, 7]).ws.numpy())
    np.testing.assert_array_equal(edit(f"latent={tmp_path / 'two.npy'}", "latent_row=1")[1], drawn(toy, 7))
    for words, says in (
        ((f"latent={tmp_path / 'two.npy'}",), "it holds 2 latents"),
        (("seed=1", "latent_row=1"), "latent_row goes with latent=FILE"),
        ((f"latent={tmp_path / 'two.npy'}", "image=x.png"), "does not tell where the face is in x.png"),
    ):
        said, _ = edit(*words)
        assert said.code == 2
        assert says in said.err[-1]


def test_a_budget_of_seconds_ends_it(edit, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(images.encode(drawn(toy, 4)))
    said, _ = edit(f"image={tmp_path / 'photo.png'}", "aligned=true", "refinement.steps=1000000", "refinement.seconds=0.3")
    assert 0 < said.metrics["steps"] < 10_000
    assert any("invert: 100/100 %" in line for line in said.err)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "either image=FILE (or latent=FILE) or seed=NUMBER"),
        (("seed=1", "image=x.png"), "either image=FILE"),
        (("seed=1", "edits=upp=1"), "upp is not a direction; did you mean up?"),
        (("seed=1", "edits=up"), "not of the form direction=alpha"),
        (("seed=-1",), "between 0 and 4294967295"),
        (("image=nowhere.png", "aligned=true"), "nowhere.png does not exist"),
        (("seed=1", "editor.noise=random"), "noise must be const or none"),
        (("seed=1", "refinement.seconds=0"), "seconds above 0"),
    ],
)
def test_mistakes_are_said_in_one_line(edit, words: tuple, says: str) -> None:
    said, _ = edit(*words)
    assert said.code == 2
    assert len(said.err) == 1
    assert says in said.err[0]


def test_pictures_that_are_none(edit, tmp_path: Path) -> None:
    (tmp_path / "junk.jpg").write_text("junk")
    said, _ = edit(f"image={tmp_path / 'junk.jpg'}", "aligned=true")
    assert said.code == 2
    assert "junk.jpg: the file is no image" in said.err[0]


@pytest.mark.parametrize(("out", "says"), [("a.txt", "must end in .png, .jpg"), ("none/a.png", "there is no folder")])
def test_places_that_are_none(edit, out: str, says: str) -> None:
    said, _ = edit("seed=1", out=out)
    assert said.code == 2
    assert says in said.err[0]


def test_a_photo_goes_all_the_way(beholder, omi: Path, toy: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip('the extra "faces" is not installed')
    face = images.decode((omi / "images" / "10.jpg").read_bytes())
    scene = np.full((200, 350, 3), 128, np.uint8)  # small, as looking for faces takes longest
    scene[35:163, 30:158] = face.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)).round()
    (tmp_path / "photo.png").write_bytes(images.encode(scene))
    words: tuple[str, ...] = (f"image={tmp_path / 'photo.png'}", f"workspace={toy}", "refinement.steps=3")
    said = beholder("edit", *words, "edits=glasses=2", f"out={tmp_path / 'out.png'}")
    assert said.code == 2
    assert "would be a smeared ghost" in said.err[-1]
    assert "beholder import generator=FILE" in said.err[-1]
    assert not (tmp_path / "out.png").exists()
    words += ("force=true",)
    said = beholder("edit", *words, "edits=glasses=2", f"out={tmp_path / 'out.png'}")
    assert said.code == 0, said.err
    assert "drawn portraits only" in " ".join(said.out)
    found = images.decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(found[:, 200:], scene[:, 200:])
    assert (found[75:125, 65:125] != scene[75:125, 65:125]).mean() > 0.8
    kept = tmp_path / "kept.safetensors"
    assert beholder("invert", *words, f"out={kept}").code == 0
    beholder("edit", f"latent={kept}", *words[:2], "edits=glasses=2", f"out={tmp_path / 'again.png'}")
    np.testing.assert_array_equal(images.decode((tmp_path / "again.png").read_bytes()), found)
    said = beholder("edit", *words, "face=1", f"out={tmp_path / 'x.png'}")
    assert "face=1 is not there: the photo has 1" in said.err[-1]


CASES = Path(os.environ.get("BEHOLDER_SHARED", Path(__file__).parents[4] / "shared")).resolve() / "cases" / "editor"


@pytest.fixture
def case(beholder, tmp_path: Path):
    """case(file, ...): what an edit of nothing of one of the files makes of it, with alpha, and what the command said."""
    if not CASES.is_dir():
        pytest.skip(f"the files are not at {CASES}; BEHOLDER_SHARED tells where shared/ is")
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip('the extra "faces" is not installed')

    def run(file: str, *words: str, out: str = "out.png"):
        common = (f"workspace={tmp_path}", "edits=smile=0", "refinement.steps=0", "force=true", f"out={tmp_path / out}")
        said = beholder("edit", f"image={CASES / file}", *common, *words)
        return said, Image.open(tmp_path / out) if said.code == 0 else None

    return run


@pytest.mark.parametrize("file", ["p3.png", "p3.jpg"])
def test_a_wide_gamut_comes_back_as_it_looks(case, file: str) -> None:
    said, made = case(file)
    assert said.code == 0, said.err
    wanted = images.decode((CASES / file).read_bytes())
    found = np.asarray(made.convert("RGB"))
    np.testing.assert_array_equal(found[:60], wanted[:60])
    seen = Image.open(CASES / file)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(seen.info["icc_profile"])), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    shown = np.asarray(ImageCms.applyTransform(seen, transform))
    np.testing.assert_allclose(found[:60].astype(int), shown[:60], atol=3)


def test_a_cutout_comes_back_cut_out(case) -> None:
    said, made = case("cutout.png")
    assert said.code == 0, said.err
    own = np.asarray(Image.open(CASES / "cutout.png"))
    assert made.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(made)[..., 3], own[..., 3])
    np.testing.assert_array_equal(np.asarray(made)[own[..., 3] == 0], own[own[..., 3] == 0])
    assert case("cutout.png", out="out.jpg")[1].mode == "RGB"


def test_a_portrait_on_its_side_is_recognised(case) -> None:
    said, made = case("sideways.png")
    assert said.code == 0, said.err
    assert any("degrees against the clock" in line for line in said.out)
    assert made.size == Image.open(CASES / "sideways.png").size


def test_heic_is_named(case) -> None:
    said, _ = case("photo.heic")
    assert said.code == 2
    assert "HEIC" in said.err[-1]
    assert "save it as JPEG" in said.err[-1]


def test_aligned_is_for_squares(edit, tmp_path: Path, scene) -> None:
    (tmp_path / "wide.png").write_bytes(images.encode(scene(90, 60)))
    said, _ = edit(f"image={tmp_path / 'wide.png'}", "aligned=true")
    assert said.code == 2
    assert "this picture is 90 x 60" in said.err[-1]


def test_detectors_are_compared(beholder, omi: Path, tmp_path: Path) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("facenet_pytorch", "dlib", "face_recognition_models")):
        pytest.skip('the extras "faces" and "dlib" are not installed')
    said = beholder("evaluate", "faces", f"images={omi / 'images'}", "at_most=3", f"workspace={tmp_path}")
    assert said.code == 0, said.err
    assert (said.metrics["mtcnn.found"], said.metrics["dlib.found"], said.metrics["compared"]) == (3, 3, 3)
    assert said.metrics["corners.mean.median"] < 0.05
    same = beholder("evaluate", "faces", f"images={omi / 'images'}", "at_most=2", "detectors=[dlib,dlib]", f"workspace={tmp_path}")
    assert (same.metrics["corners.farthest.95"], same.metrics["corners.farthest.near"]) == (0.0, 1.0)


def test_what_is_white_in_a_mask_stays(edit, toy: Path, tmp_path: Path) -> None:
    mask = np.zeros((16, 16, 3), np.uint8)
    mask[:8] = 255
    (tmp_path / "mask.png").write_bytes(images.encode(mask))
    _, made = edit("seed=7", "edits=up=2", f"mask={tmp_path / 'mask.png'}")
    plain, moved = drawn(toy, 7), drawn(toy, 7, up=2.0)
    np.testing.assert_array_equal(made[:14], plain[:14])
    np.testing.assert_array_equal(made[18:], moved[18:])
