"""`beholder build portraits` runs from nothing, keeps what it did, and refuses what it can't build."""

from pathlib import Path

import pytest

from beholder import cli, weights
from beholder.editing import pretrained
from beholder.portraits import reader

TINY = ["effort=0.0003", "pool=1200", "measure=false", "resolution=256"]


def test_a_tiny_build_writes_weights_with_cards_and_goes_on_from_them(tmp_path: Path) -> None:
    words = ["build", "portraits", "parts=[reader,generator,inverter,clip]", *TINY, f"workspace={tmp_path}"]
    assert cli.main(words) == 0
    out = tmp_path / "portraits" / "weights"
    names = (reader.READER, pretrained.GENERATOR, pretrained.INVERTER, pretrained.CLIP)
    before = {name: (out / f"{name}.safetensors").read_bytes() for name in names}
    for name in names:
        assert weights.card(out / f"{name}.safetensors")["parameters"] > 10_000
    assert pretrained.generator(out / f"{pretrained.GENERATOR}.safetensors").config.resolution == 256
    assert cli.main(words) == 0
    assert {name: (out / f"{name}.safetensors").read_bytes() for name in names} == before


def test_a_size_that_no_stage_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "portraits", "resolution=200", f"workspace={tmp_path}"]) == 2
    assert "resolution must be 128, 256 or 512, got 200" in capsys.readouterr().err


def test_an_unknown_part_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "portraits", "parts=[nose]", f"workspace={tmp_path}"]) == 2
    assert "nose can't be built" in capsys.readouterr().err
