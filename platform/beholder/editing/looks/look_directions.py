"""Look directions: what a photo can be developed along, in the fixed order in which it is done.

Alpha 1 is one noticeable step: on the landscapes of `calibration` the CIEDE2000 difference between a photo and the photo at alpha 1
(and at -1, where there is one) has a root mean square over pixels of `NOTICEABLE`, in the median over photos. Pixels that change
by less than a tenth of what the most changed hundredth does are not counted, so that a step of what touches some colours or edges
alone is as visible where it acts. `beholder evaluate looks` prints the differences, on any photos, and the steps that would be
noticeable. Not so calibrated are straighten and crop, which change no colour (a degree, and a twentieth of the frame), and
sharpness, which shows at full size alone (four fifths of the fine detail are added).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from beholder.editing.directions.edit_text import check
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.editor import Edit
from beholder.errors import EditError

NOTICEABLE = 3.0  # CIEDE2000


@dataclass(frozen=True)
class LookDirection:
    """A direction of the look editor; signs Slider.

    step: what alpha 1 does, in `unit`. range: alphas that look believable on skin and skies. asked: whether people are asked about
    it; what frames a photo is no taste that other photos share.
    """

    name: str
    step: float
    unit: str
    range: tuple[float, float]
    asked: bool = True

    @property
    def labels(self) -> tuple[str, str]:
        """What a photo at the low and the high end has, by the one vocabulary."""
        return Vocabulary.of([self.name])[self.name].ends


_ORDER = (
    LookDirection("straighten", 1.0, "degrees clockwise", (-5.0, 5.0), asked=False),
    LookDirection("crop", 0.05, "of each side cut away", (0.0, 4.0), asked=False),
    LookDirection("warmth", 0.5, "stops of red over blue", (-2.0, 2.0)),
    LookDirection("tint", 0.22, "stops of magenta over green", (-1.5, 1.5)),
    LookDirection("exposure", 0.3, "stops", (-3.0, 3.0)),
    LookDirection("contrast", 0.25, "of the slope of the curve", (-2.0, 2.0)),
    LookDirection("highlights", 0.75, "stops in the highlights", (-2.5, 1.5)),
    LookDirection("shadows", 1.03, "stops in the shadows", (-1.5, 2.0)),
    LookDirection("clarity", 1.1, "of local contrast", (-0.7, 1.5)),
    LookDirection("sharpness", 0.8, "of fine detail", (-0.9, 2.0)),
    LookDirection("vignette", 0.74, "stops in the corners", (-1.0, 2.5)),
    LookDirection("grain", 0.64, "stops of noise", (0.0, 2.0)),
    LookDirection("saturation", 0.27, "of chroma", (-3.0, 2.0)),
    LookDirection("vibrance", 0.43, "of the chroma of pale colours", (-2.0, 2.5)),
    LookDirection("greens", 0.137, "radians of hue", (-2.5, 2.5)),
    LookDirection("blues", 0.206, "radians of hue", (-2.0, 1.5)),
    LookDirection("split_tone", 0.0268, "of Oklab", (-1.5, 1.5)),
    LookDirection("black_and_white", 1 / 4, "of the way to grey", (0.0, 4.0)),
    LookDirection("fade", 0.034, "of white over everything", (-1.0, 1.5)),
)
DIRECTIONS: Mapping[str, LookDirection] = MappingProxyType({each.name: each for each in _ORDER})
ASKED: Mapping[str, LookDirection] = MappingProxyType({each.name: each for each in _ORDER if each.asked})
NAMES = tuple(DIRECTIONS)
COLUMN: Mapping[str, int] = MappingProxyType({name: column for column, name in enumerate(NAMES)})


def alphas_of(edit: Edit) -> Tensor:
    """Return a look as alphas, float32 [D], in the fixed order. Raises EditError for an unknown direction or a number that is
    none."""
    check(edit, NAMES)
    return torch.tensor([float(edit.get(name, 0.0)) for name in NAMES])


def strengths(alphas: Tensor) -> Tensor:
    """Return alphas [..., D] in the units of their directions, beyond what is possible cut off: chroma below none, half the
    frame."""
    steps = torch.tensor([each.step for each in _ORDER]).to(alphas)
    low = torch.tensor([_LEAST.get(name, -torch.inf) for name in NAMES]).to(alphas)
    high = torch.tensor([_MOST.get(name, torch.inf) for name in NAMES]).to(alphas)
    return torch.minimum(torch.maximum(alphas * steps, low), high)


def check_range(edit: Edit) -> None:
    """Raise EditError for an alpha outside its direction's range."""
    check(edit, NAMES)
    for name, alpha in edit.items():
        low, high = DIRECTIONS[name].range
        if not low <= alpha <= high:
            raise EditError(f"{name}={alpha:g}: expected an alpha between {low:g} and {high:g}")


_LEAST = {
    "crop": 0.0,
    "black_and_white": 0.0,
    "grain": 0.0,
    "saturation": -1.0,
    "contrast": -0.9,
    "straighten": -30.0,
    "fade": -0.1,
}
_MOST = {"crop": 0.5, "black_and_white": 1.0, "straighten": 30.0, "fade": 0.5}
