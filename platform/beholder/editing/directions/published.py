"""Catalogue: the directions that StyleFeatureEditor publishes for its FFHQ and car generators (1024 and 512 px StyleGAN2).

Names, parameters and ranges only: except for StyleSpace's, which are lists of channels, the vectors are in files that the user
brings. A published strength counts in its family's own units (UNITS); a positive alpha of ours does what the name says, so where
the published one did the contrary (StyleSpace's blond hair darkens) the direction is turned round.

Which way a published strength goes is known from three places (SOURCES), and stands beside each entry: the authors' table of
effects; for what it leaves out, the strength at which their code applies a direction of that name, and GANSpace's notebooks, which
it took these from. Where none of them tells, the published sign is kept and the direction says that it is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from beholder.editing.directions.direction import Labels
from beholder.errors import EditError, nearest

# Family -> how many of a reader's steps a published strength of 1 is.
UNITS = {"interfacegan": 0.5, "interfacegan w+": 1.0, "ganspace": 1.0, "stylespace": 3.0}


Source = Literal["table", "code", "shared", "none"]
_CODE = "github.com/ControlGenAI/StyleFeatureEditor at 00996c3"
# Where an entry's sign was read.
SOURCES: Mapping[Source, str] = {
    "table": f"available_directions.txt of {_CODE}: what a positive strength does",
    "code": f"editings/latent_editor.py of {_CODE}, and notebooks/figure_edit_zoo.ipynb and figure_teaser.ipynb of "
    "github.com/harskish/ganspace at 5a704c4: the strength that makes what the name says",
    "shared": "channels that it shares with an entry of the table",
    "none": "published without a sign: whether more or less of it does what the name says has to be seen",
}


@dataclass(frozen=True)
class Published:
    """One published direction.

    name: as published, _ for a space. range: its published strengths; None where none are. flip: the published positive strength
    does the contrary of what `labels` has for the high end. source: where that was read, of SOURCES. file: what the user brings;
    empty: nothing. component, layers, channels: what it is in that file, or in S.
    """

    name: str
    family: str
    range: tuple[float, float] | None
    labels: Labels
    file: str = ""
    component: int | None = None
    layers: tuple[int, int] | None = None
    channels: str = ""
    flip: bool = False
    source: Source = "table"
    unit: float = field(init=False, default=1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", UNITS[self.family])

    @property
    def where(self) -> str:
        """What it is in the file or in S, for people."""
        if self.channels:
            return f"channels {self.channels}"
        layers = f", layers [{self.layers[0]},{self.layers[1]}]" if self.layers else ""
        return f"component {self.component}{layers}" if self.component is not None else "the whole vector"


def find(domain: str, name: str) -> Published:
    """A published direction by name. Raises EditError for an unknown domain or name."""
    if domain not in CATALOGUE:
        raise EditError(f"catalogue={domain}: there is none{nearest(domain, list(CATALOGUE))}")
    for each in CATALOGUE[domain]:
        if each.name == name:
            return each
    raise EditError(f"the catalogue of {domain} has no {name}{nearest(name, [each.name for each in CATALOGUE[domain]])}")


def _principal(
    name: str,
    at: tuple[int, int, int],
    range: tuple[float, float] | None,
    labels: Labels,
    *,
    flip: bool = False,
    source: Source = "table",
    file: str = "ffhq_pca.pt",
) -> Published:
    component, first, last = at
    return Published(name, "ganspace", range, labels, file, component, (first, last), flip=flip, source=source)


def _of_cars(name: str, at: tuple[int, int, int], labels: Labels, *, flip: bool = False) -> Published:
    return _principal(name, at, None, labels, flip=flip, source="code", file="cars_pca.pt")


def _channels(
    name: str,
    channels: str,
    range: tuple[float, float] | None,
    labels: Labels,
    *,
    flip: bool = False,
    source: Source = "table",
) -> Published:
    return Published(name, "stylespace", range, labels, channels=channels, flip=flip, source=source)


# Beside each: what a positive published strength does, by its source.
_FFHQ = (
    Published("age", "interfacegan", (-10, 10), ("who is young", "who is old"), "age.pt"),  # older
    Published("smile", "interfacegan", (-5, 5), ("not smiling", "smiling"), "smile.pt"),  # smiles
    Published("rotation", "interfacegan", (-7, 7), ("looking to the left", "looking to the right"), "rotation.pt"),  # turns right
    # fs_*: each adds what it says
    Published("fs_glasses", "interfacegan w+", (-20, 30), ("without glasses", "wearing glasses"), "Eyeglasses_boundary.npy"),
    Published("fs_smiling", "interfacegan w+", (-10, 10), ("not smiling", "smiling"), "Smiling_boundary.npy"),
    Published("fs_makeup", "interfacegan w+", (-10, 15), ("without makeup", "with heavy makeup"), "Heavy_Makeup_boundary.npy"),
    _principal("eye_openness", (54, 7, 8), (-30, 45), ("with closed eyes", "with open eyes"), flip=True),  # closes them
    _principal("trimmed_beard", (58, 7, 9), (-30, 30), ("without a beard", "with a trimmed beard"), flip=True),  # removes it
    _principal("lipstick", (34, 10, 11), (-30, 30), ("without lipstick", "wearing lipstick")),  # adds
    _principal("face_roundness", (37, 0, 5), (-20, 15), ("with a narrow face", "with a round face")),  # rounder
    _principal("nose_length", (51, 4, 5), (-30, 30), ("with a short nose", "with a long nose"), flip=True),  # shorter
    _principal("eyebrow_thickness", (37, 8, 9), (-20, 20), ("with thin eyebrows", "with thick eyebrows"), flip=True),  # thinner
    _principal("displeased", (36, 4, 7), (-10, 10), ("content", "displeased")),  # sadder
    _principal("head_angle_up", (11, 1, 4), None, ("looking down", "looking up"), flip=True, source="code"),  # up is at -10.5
    _channels("black_hair", "12:479", (-7, 10), ("with light hair", "with black hair")),  # darkens
    _channels("blond_hair", "12:479 12:266", (-10, 7), ("with dark hair", "with blond hair"), flip=True),  # darkens
    _channels("grey_hair", "11:286", (-7, 7), ("with hair of one colour", "with grey hair"), flip=True),  # colours it
    _channels("wavy_hair", "6:500 8:128 5:92 6:394 6:323", (-7, 7), ("with straight hair", "with long wavy hair")),  # longer
    _channels(
        "receding_hairline", "5:414 6:322 6:497 6:504", (-10, 10), ("with a low hairline", "with a receding hairline"), flip=True
    ),  # removes baldness
    _channels("smiling", "6:501", (-10, 10), ("not smiling", "smiling"), flip=True),  # removes the smile
    _channels("sideburns", "12:237", (-7, 7), ("without sideburns", "with sideburns"), flip=True),  # removes them
    _channels("goatee", "9:421", (-7, 7), ("without a goatee", "with a goatee"), flip=True),  # removes it
    _channels("earrings", "8:81", (0, 15), ("", "wearing earrings")),  # adds
    _channels("glasses", "3:288 2:175 3:120 2:97", (-10, 10), ("without glasses", "wearing glasses"), flip=True),  # removes them
    # 5:414, 6:322 and 6:504 are receding_hairline's, which give hair with a positive strength
    _channels("bangs", "3:259 6:285 5:414 6:128 9:295 6:322 6:487 6:504", None, ("", "with bangs"), source="shared"),
    _channels("sslipstick", "15:45", None, ("", ""), source="none"),
    _channels("wear_suit", "9:441 8:292 11:358 6:223", None, ("", ""), source="none"),
    _channels("gender", "9:6", (-10, 7), ("masculine", "feminine")),  # more feminine
)  # fmt: skip
_CAR = (
    _of_cars("pose_1", (0, 0, 5), ("", "")),  # applied at 2
    _of_cars("pose_2", (0, 0, 5), ("", ""), flip=True),  # the same at -2
    _of_cars("cube", (16, 3, 6), ("", "like a cube")),  # 25
    _of_cars("color", (22, 9, 11), ("", "in red"), flip=True),  # -8, GANSpace's redness
    _of_cars("grass", (41, 9, 11), ("", "on grass"), flip=True),  # -18
    _channels("front", "8:411", None, ("", ""), source="none"),
    _channels("headlights", "8:441 9:355", None, ("", ""), source="none"),
    _channels("grill", "9:191", None, ("", ""), source="none"),
    _channels("trees", "9:108", None, ("", ""), source="none"),
    _channels("grass_ss", "12:107", None, ("", ""), source="none"),
    _channels("sky", "12:76", None, ("", ""), source="none"),
    _channels("hubcap", "12:113 12:439", None, ("", ""), source="none"),
    _channels("car_color", "12:142 15:227", None, ("", ""), source="none"),
    _channels("logo", "9:185", None, ("", ""), source="none"),
    _channels("wheel_angle", "8:420", None, ("", ""), source="none"),
)
CATALOGUE = {"ffhq": _FFHQ, "car": _CAR}
# What the mappers do depends on the picture, so no vector can bring them. Name -> published range.
MAPPERS = {
    "afro": (0, 0.14), "angry": (0, 0.14), "bobcut": (0, 0.18), "bowlcut": (0, 0.14), "mohawk": (0, 0.10),
    "curly_hair": (0, 0.12), "purple_hair": (0, 0.12), "surprised": (0, 0.10), "beyonce": (0, 0.12),
    "hilary_clinton": (0, 0.10), "depp": (0, 0.12), "taylor_swift": (0, 0.10), "trump": (0, 0.10), "zuckerberg": (0, 0.10),
}  # fmt: skip
