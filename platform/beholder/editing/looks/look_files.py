"""Looks as files: a colour table (.cube), the nearest settings of Lightroom (.xmp), and a preset in JSON that comes back."""

import json
import math
from xml.sax.saxutils import quoteattr

import torch

from beholder import colour
from beholder.editing.editor import Edit
from beholder.editing.looks.develop import develop
from beholder.editing.looks.look_directions import DIRECTIONS, alphas_of, check_range, strengths
from beholder.editing.looks.tone_maps import point_maps
from beholder.errors import EditError
from beholder.storage import Place

LOCAL = ("straighten", "crop", "clarity", "sharpness", "vignette", "grain")  # what no colour table can hold
_FORMAT = "beholder look 1"
# Lightroom's slider -> (direction, the slider's value at one unit of it): its sliders are its own, these are the nearest.
_SLIDERS = {
    "IncrementalTemperature": ("warmth", 60.0),
    "IncrementalTint": ("tint", 80.0),
    "Exposure2012": ("exposure", 0.8),
    "Contrast2012": ("contrast", 130.0),
    "Highlights2012": ("highlights", 55.0),
    "Shadows2012": ("shadows", 55.0),
    "Clarity2012": ("clarity", 80.0),
    "Sharpness": ("sharpness", 60.0),
    "PostCropVignetteAmount": ("vignette", -28.0),
    "GrainAmount": ("grain", 120.0),
    "Saturation": ("saturation", 100.0),
    "Vibrance": ("vibrance", 90.0),
    "HueAdjustmentGreen": ("greens", 120.0),
    "HueAdjustmentBlue": ("blues", 120.0),
}
_LIMITS = {"Exposure2012": (-5.0, 5.0), "Sharpness": (0.0, 150.0), "GrainAmount": (0.0, 100.0)}


def cube(edit: Edit, *, title: str, size: int = 33) -> str:
    """Return the global part of a look as a .cube file: what it makes of `size`^3 colours, sRGB to sRGB.

    Highlights and shadows act by the colour's own lightness, as there is nothing around it; `LOCAL` directions are left out.
    Raises EditError for an unknown direction.
    """
    units = strengths(alphas_of({name: alpha for name, alpha in edit.items() if name not in LOCAL}))[None]
    ticks = torch.arange(size, dtype=torch.float32) / (size - 1)
    blue, green, red = torch.meshgrid(ticks, ticks, ticks, indexing="ij")  # red changes fastest
    values = torch.stack([red.flatten(), green.flatten(), blue.flatten()]).view(1, 3, size, size * size)
    linear = colour.to_linear(values)
    drawn = develop(linear, point_maps(linear), units) if units.any() else values
    left_out = sorted(name for name in edit if name in LOCAL and edit[name])
    note = [f"# without {', '.join(left_out)}, which depend on the place in a photo"] if left_out else []
    rows = [" ".join(f"{value:.6f}" for value in row) for row in drawn[0].flatten(1).T.tolist()]
    name = " ".join(title.replace('"', "'").split())[:80]
    head = [f'TITLE "{name}"', *note, f"LUT_3D_SIZE {size}", "DOMAIN_MIN 0 0 0", "DOMAIN_MAX 1 1 1"]
    return "\n".join([*head, *rows, ""])


def xmp(edit: Edit) -> str:
    """Return the settings of Lightroom and Camera Raw that come nearest to a look, as an .xmp sidecar."""
    units = dict(zip(DIRECTIONS, strengths(alphas_of(edit)).tolist(), strict=True))
    found: dict[str, str] = {"Version": "15.0", "ProcessVersion": "11.0", "HasSettings": "True"}
    for slider, (direction, scale) in _SLIDERS.items():
        low, high = _LIMITS.get(slider, (-100.0, 100.0))
        value = min(max(units[direction] * scale, low), high)
        if slider == "Exposure2012":
            found[slider] = f"{value:+.2f}"
        elif value:
            found[slider] = f"{value:+.0f}"
    veil = units["fade"]
    if veil < 0:
        found["Blacks2012"] = f"{max(veil * 1500, -100):+.0f}"
    elif veil > 0:  # a curve whose dark end is lifted
        lifted = round(255 * float(colour.to_srgb(torch.tensor([[[veil]]]))))
        found["ToneCurveName2012"] = "Custom"
        found["_curve"] = f"0, {lifted}|255, 255"
    if units["split_tone"]:
        warm, cool = (
            ("SplitToningHighlight", "SplitToningShadow")
            if units["split_tone"] > 0
            else ("SplitToningShadow", "SplitToningHighlight")
        )
        strength = f"{min(abs(units['split_tone']) * 600, 100):.0f}"
        found |= {f"{warm}Hue": "42", f"{warm}Saturation": strength, f"{cool}Hue": "205", f"{cool}Saturation": strength}
    if units["black_and_white"] >= 0.999:
        found["ConvertToGrayscale"] = "True"
    elif units["black_and_white"]:
        found["Saturation"] = f"{max(-100.0, 100 * ((1 + units['saturation']) * (1 - units['black_and_white']) - 1)):+.0f}"
    if units["straighten"] or units["crop"]:
        cut = units["crop"] / 2
        found |= {"HasCrop": "True", "CropTop": f"{cut:.4f}", "CropLeft": f"{cut:.4f}", "CropBottom": f"{1 - cut:.4f}"}
        found |= {"CropRight": f"{1 - cut:.4f}", "CropAngle": f"{-units['straighten']:.2f}"}
    curve = found.pop("_curve", None)
    lines = "\n".join(f"   crs:{name}={quoteattr(value)}" for name, value in found.items())
    points = "".join(f"\n     <rdf:li>{point}</rdf:li>" for point in curve.split("|")) if curve else ""
    inside = f"\n   <crs:ToneCurvePV2012>\n    <rdf:Seq>{points}\n    </rdf:Seq>\n   </crs:ToneCurvePV2012>\n  " if curve else ""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="beholder">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"\n'
        f"{lines}>{inside}</rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
    )


def preset(edit: Edit, *, name: str) -> str:
    """Return a look as JSON that `read_preset` reads: alphas, and what they are in the units of the directions.

    Raises EditError for an unknown direction.
    """
    look = {each: float(alpha) for each, alpha in edit.items() if alpha}
    units = dict(zip(DIRECTIONS, strengths(alphas_of(look)).tolist(), strict=True))
    record = {
        "format": _FORMAT,
        "name": name,
        "look": look,
        "units": {each: {"value": round(units[each], 6), "of": DIRECTIONS[each].unit} for each in look},
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def write_files(folder: Place, look: Edit, *, title: str) -> None:
    """Write a look into a folder: look.json, the preset; look.cube, the colour table; look.xmp, the settings of Lightroom."""
    for ending, content in (("json", preset(look, name=title)), ("cube", cube(look, title=title)), ("xmp", xmp(look))):
        (folder / f"look.{ending}").write_bytes(content.encode())


def read_preset(text: str, *, source: str) -> dict[str, float]:
    """Return the look of a preset. source: names it in errors.

    The units count: a preset of a version whose steps were others looks the same. Raises EditError for what is no preset, an
    unknown direction and an alpha outside its range.
    """
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict) or record.get("format") != _FORMAT or not isinstance(record.get("units"), dict):
        raise EditError(
            f'{source} is no preset of a look: expected JSON with "format": "{_FORMAT}", as beholder ask and apply write it'
        )
    look = {}
    for name, unit in record["units"].items():
        value = unit.get("value") if isinstance(unit, dict) else None
        if name not in DIRECTIONS or isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise EditError(f"{source}: {name}: expected a direction of looks with a finite value, got {str(value)[:40]}")
        look[name] = round(value / DIRECTIONS[name].step, 4)
    try:
        check_range(look)
    except EditError as error:
        raise EditError(f"{source}: {error}") from None
    return look
