"""`beholder ask` and `recommend` with editor=diffusion: a photo drawn by a tiny pipeline, and what is refused before that."""

import io

import pytest
from support import tiny_diffusion

from beholder import images
from beholder.editing.looks import landscape

pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
pytestmark = pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say of tiny networks


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "a.png").write_bytes(images.encode(landscape.draw(4, 40, 60)))
    return tmp_path / "a.png"


def test_a_photo_is_asked_about_and_recommended_as_it_was_drawn_once(beholder, photo, tmp_path, monkeypatch):
    words = ["user=ana", *tiny_diffusion.saved(tmp_path), "components.candidates.drawn=4", f"workspace={tmp_path / 'ws'}"]
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\nu\na\na\n"))
    before = photo.read_bytes()
    said = beholder("ask", f"image={photo}", "rounds=3", *words)
    assert said.code == 0, said.err
    assert any("For ana, after 3 choices" in line for line in said.out)
    assert any("draw: 4/4 pictures" in line for line in said.err)
    (kept,) = (tmp_path / "ws" / "diffusion").glob("photo-*.zip")
    drawn = kept.read_bytes()
    out = tmp_path / "for-ana.png"
    said = beholder("recommend", f"image={photo}", f"out={out}", *words)
    assert said.code == 0, said.err
    assert images.decode(out.read_bytes()).shape == (40, 60, 3)
    assert kept.read_bytes() == drawn
    assert photo.read_bytes() == before


def test_a_landscape_of_a_seed_is_recommended_as_it_is_to_somebody_unknown(beholder, tmp_path):
    words = [*tiny_diffusion.saved(tmp_path), "components.candidates.drawn=2", f"workspace={tmp_path / 'ws'}"]
    said = beholder("recommend", "user=ben", "seed=3", *words)
    assert said.code == 0, said.err
    assert any("Nothing is known yet of what ben likes" in line for line in said.out)


@pytest.mark.parametrize("command", ["ask", "recommend", "serve"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "editor=diffusion needs diffusion.model=FOLDER, a pipeline in diffusers' layout; nothing is downloaded unless"),
        (["diffusion.model=./nowhere"], "diffusion.model=./nowhere is no folder: give one that holds a pipeline"),
    ],
)
def test_without_weights_a_line_says_what_to_give(beholder, photo, tmp_path, command, words, expected):
    person = [] if command == "serve" else ["user=ana", f"image={photo}"]
    said = beholder(command, *person, "editor=diffusion", *words, f"workspace={tmp_path / 'ws'}")
    assert said.code == 2
    (line,) = [each for each in said.err if "diffusion" in each]
    assert expected in line


def test_what_is_no_photo_is_refused(beholder, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    words = [*tiny_diffusion.saved(tmp_path), "components.candidates.drawn=2", f"workspace={tmp_path / 'ws'}"]
    said = beholder("ask", "user=ana", f"image={tmp_path / 'a.jpg'}", *words)
    assert said.code == 2
    assert any("is no image" in line for line in said.err), said.err
    assert not list((tmp_path / "ws" / "diffusion").glob("photo-*"))
