"""`beholder diffuse`: a photo drawn by a tiny pipeline, and what is refused before one is loaded."""

import numpy as np
import pytest
from support import tiny_diffusion

from beholder import images
from beholder.commands import diffuse
from beholder.commands.diffuse import DiffuseSettings
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.looks import landscape
from beholder.errors import ConfigError, EditError, WeightsError
from beholder.runs import Run
from beholder.storage import Place

SMALL = DiffusionConfig(model="tiny", side=32, steps=2)


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "a.png").write_bytes(images.encode(landscape.draw(4, 40, 60)))
    return tmp_path / "a.png"


@pytest.fixture(scope="module")
def editor():
    pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
    from beholder.editing.diffusion.diffusion_editor import DiffusionEditor
    from beholder.editing.diffusion.diffusion_pipeline import DiffusionPipeline

    return DiffusionEditor(DiffusionPipeline(tiny_diffusion.pix2pix(), SMALL))


@pytest.mark.filterwarnings("ignore")
def test_a_photo_is_drawn_and_nothing_leaves_it_as_it_was(photo, editor, capsys):
    run = Run(Place.at(photo.parent / "run"), "diffuse")
    for edits, changed in (("winter=1", True), ("winter=0", False)):
        settings = DiffuseSettings(image=str(photo), edits=edits, out=str(photo.parent / "out.png"), diffusion=SMALL)
        diffuse.draw(settings, editor, run)
        drawn = images.decode((photo.parent / "out.png").read_bytes())
        assert drawn.shape == (40, 60, 3)
        assert np.array_equal(drawn, landscape.draw(4, 40, 60)) != changed
    assert "winter=1 -> " in capsys.readouterr().out
    diffuse.draw(DiffuseSettings(image=str(photo), edits="help", out="out.png"), editor, run)
    assert "winter 0..2: make it winter" in capsys.readouterr().out
    for edits, error in (("summer=1", EditError), ("winter=9", ConfigError)):
        with pytest.raises(error, match=edits.split("=")[0]):
            diffuse.draw(DiffuseSettings(image=str(photo), edits=edits, out="out.png"), editor, run)


def test_without_a_model_nothing_is_loaded(photo):
    pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
    settings = DiffuseSettings(image=str(photo), edits="winter=1", out=str(photo.parent / "out.png"))
    with pytest.raises(WeightsError, match="nothing is downloaded unless"):
        diffuse.main(settings, Run(Place.at(photo.parent / "run"), "diffuse"))


def test_the_photo_is_not_written_to(photo):
    with pytest.raises(ConfigError, match="never written to"):
        DiffuseSettings(image=str(photo), edits="winter=1", out=str(photo))
