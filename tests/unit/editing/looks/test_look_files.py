"""Looks as files: the colour table, Lightroom's settings, and the preset that comes back."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from beholder.editing.looks import landscape, look_files
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.errors import EditError

CRS = "{http://ns.adobe.com/camera-raw-settings/1.0/}"
LOOK = {"warmth": 1.5, "contrast": 1.0, "saturation": -1.0, "fade": 1.0, "split_tone": 1.0, "exposure": 0.5}


def table_of(text: str) -> np.ndarray:
    """A .cube file as float [blue, green, red, 3]."""
    rows = [line.split() for line in text.splitlines() if line and line[0] in "0123456789"]
    size = int(next(line.split()[1] for line in text.splitlines() if line.startswith("LUT_3D_SIZE")))
    assert len(rows) == size**3
    return np.array(rows, float).reshape(size, size, size, 3)


def looked_up(table: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """A photo through a table, trilinear, in levels."""
    at = photo.astype(float) / 255 * (len(table) - 1)
    low = np.clip(at.astype(int), 0, len(table) - 2)
    share = at - low
    result = np.zeros(photo.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=-1)
        red, green, blue = (low[..., k] + corner[k] for k in range(3))
        result += weight[..., None] * table[blue, green, red]
    return 255 * result


def test_a_table_of_nothing_is_the_identity():
    table = table_of(look_files.cube({}, title="none", size=5))
    ticks = np.linspace(0, 1, 5)
    np.testing.assert_allclose(table[..., 0], np.broadcast_to(ticks, (5, 5, 5)), atol=1e-6)
    np.testing.assert_allclose(table[..., 2], np.broadcast_to(ticks[:, None, None], (5, 5, 5)), atol=1e-6)


def test_a_table_draws_what_the_editor_draws():
    photo = landscape.draw(3, 60, 90)
    drawn = render(photo, LOOK).astype(float)
    assert np.abs(looked_up(table_of(look_files.cube(LOOK, title="a")), photo) - drawn).mean() < 0.8


def test_what_depends_on_a_place_is_left_out_and_named():
    text = look_files.cube({"vignette": 2.0, "grain": 1.0}, title='"two"\nlines', size=3)
    assert "# without grain, vignette" in text
    assert "TITLE \"'two' lines\"" in text
    np.testing.assert_allclose(table_of(text), table_of(look_files.cube({}, title="none", size=3)), atol=1e-6)


def test_a_sidecar_is_xml_with_lightrooms_settings():
    root = ET.fromstring(look_files.xmp(LOOK | {"crop": 1.0}))
    found = root[0][0].attrib
    assert float(found[f"{CRS}Exposure2012"]) > 0
    assert int(found[f"{CRS}IncrementalTemperature"]) > 0
    assert int(found[f"{CRS}Saturation"]) < 0
    assert found[f"{CRS}HasCrop"] == "True"
    assert root.find(f".//{CRS}ToneCurvePV2012") is not None  # the faded blacks
    assert f"{CRS}Vibrance" not in found


def test_every_end_of_every_direction_can_be_written():
    for name, direction in DIRECTIONS.items():
        for alpha in direction.range:
            ET.fromstring(look_files.xmp({name: alpha}))


def test_a_preset_comes_back():
    assert look_files.read_preset(look_files.preset(LOOK, name="ana's"), source="x") == pytest.approx(LOOK, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no preset"),
        ('{"format": "beholder look 2", "units": {}}', "no preset"),
        ('{"format": "beholder look 1", "units": {"smile": {"value": 1}}}', "smile: expected a direction"),
        ('{"format": "beholder look 1", "units": {"warmth": {"value": "1"}}}', "warmth: expected"),
        ('{"format": "beholder look 1", "units": {"warmth": {"value": 90}}}', "x: warmth=.*between"),
    ],
)
def test_what_is_no_preset_is_refused_in_one_line(text, said):
    with pytest.raises(EditError, match=said) as refused:
        look_files.read_preset(text, source="x")
    assert "\n" not in str(refused.value)
