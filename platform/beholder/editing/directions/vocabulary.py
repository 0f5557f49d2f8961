"""Vocabulary: what people are told of directions and edits, in degrees that hold for any picture, as "much longer hair".

What a graded direction does is said relative to the picture that is edited ("a slightly wider face"). What is there or not is said
outright ("glasses") from the alpha on at which an encoder sees it (`beholder directions words` verifies it), and before that as the
way there ("towards glasses").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from beholder.editing.editor import Edit, Slider
from beholder.errors import EditError, nearest

UNEDITED = "as it is"
_SLIGHT, _MUCH = 0.75, 2.25  # alphas up to which a move is slight, and from which on it is much
OUTRIGHT = 2.0  # alpha from which what is there or not is said outright


@dataclass(frozen=True)
class DirectionWords:
    """How one direction is called.

    title: of its slider. group: what it belongs to, one of `GROUPS`. less, more: what an alpha below and above 0 does, {} where
    "slightly " or "much " goes; of what is there or not (`present`) the picture without and with it. outright: the alpha from which
    that is said outright.
    """

    title: str
    group: str
    less: str
    more: str
    present: bool = False
    outright: float = OUTRIGHT

    @property
    def ends(self) -> tuple[str, str]:
        """What its low and its high end are called."""
        return self.less.format(""), self.more.format("")

    def of(self, alpha: float) -> str:
        """Return what this alpha does; empty for 0."""
        if alpha == 0:
            return ""
        words = self.more if alpha > 0 else self.less
        if self.present:
            return words if abs(alpha) >= self.outright else f"towards {words}"
        return words.format("slightly " if abs(alpha) <= _SLIGHT else "much " if abs(alpha) >= _MUCH else "")


# What belongs together, as people allow, forbid and lock it; group -> how it is called.
GROUPS = {
    "hair": "Hair",
    "beard": "Beard",
    "makeup": "Make-up",
    "accessories": "Accessories",
    "expression": "Expression",
    "pose": "Pose",
    "background": "Background",
    "brows": "Eyebrows",
    "identity": "Identity",
    "skin": "Skin tone",
    "age": "Age",
    "light": "Light",
    "colour": "Colour",
    "detail": "Detail",
    "frame": "Frame",
    "other": "Other",
}
LOCKED = ("identity", "skin", "age")  # what no recommendation changes unless somebody asks for it

_KNOWN = {
    "darker_skin": DirectionWords("Skin tone", "skin", "{}lighter skin", "{}darker skin"),
    "golden_hair": DirectionWords("Hair colour", "hair", "{}redder hair", "{}more golden hair"),
    "lighter_hair": DirectionWords("Hair brightness", "hair", "{}darker hair", "{}lighter hair"),
    "longer_hair": DirectionWords("Hair length", "hair", "{}shorter hair", "{}longer hair"),
    "curly_hair": DirectionWords("Curls", "hair", "{}straighter hair", "{}curlier hair"),
    "bangs": DirectionWords("Bangs", "hair", "no bangs", "bangs", present=True),
    "receding_hairline": DirectionWords("Hairline", "hair", "a {}lower hairline", "a {}higher hairline"),
    "smile": DirectionWords("Smile", "expression", "{}less of a smile", "{}more of a smile"),
    "glasses": DirectionWords("Glasses", "accessories", "no glasses", "glasses", present=True),
    "older": DirectionWords("Age", "age", "{}younger features", "{}older features"),
    "wider_face": DirectionWords("Face width", "identity", "a {}narrower face", "a {}wider face"),
    "bigger_eyes": DirectionWords("Eye size", "identity", "{}smaller eyes", "{}bigger eyes"),
    "thicker_brows": DirectionWords("Eyebrows", "brows", "{}thinner eyebrows", "{}thicker eyebrows"),
    "beard": DirectionWords("Beard", "beard", "no beard", "a beard", present=True),
    "lipstick": DirectionWords("Lipstick", "makeup", "no lipstick", "lipstick", present=True),
    "turn_right": DirectionWords("Head turn", "pose", "a head turned {}further left", "a head turned {}further right"),
    "earrings": DirectionWords("Earrings", "accessories", "no earrings", "earrings", present=True),
    "hat": DirectionWords("Hat", "accessories", "no hat", "a hat", present=True),
    "bluer_background": DirectionWords("Background", "background", "a {}warmer background", "a {}cooler background"),
    # of looks
    "face_light": DirectionWords("Face light", "light", "{}less light on the face", "{}more light on the face"),
    "brighter_eyes": DirectionWords("Eyes", "light", "{}darker eyes", "{}brighter eyes"),
    "background_blur": DirectionWords("Background blur", "background", "a {}sharper background", "a {}softer background"),
    "straighten": DirectionWords("Straighten", "frame", "turned {}further left", "turned {}further right"),
    "crop": DirectionWords("Crop", "frame", "a {}wider frame", "a {}closer frame"),
    "warmth": DirectionWords("Warmth", "colour", "{}cooler colours", "{}warmer colours"),
    "tint": DirectionWords("Tint", "colour", "{}greener colours", "{}pinker colours"),
    "exposure": DirectionWords("Exposure", "light", "a {}darker picture", "a {}brighter picture"),
    "contrast": DirectionWords("Contrast", "light", "{}softer contrast", "{}stronger contrast"),
    "highlights": DirectionWords("Highlights", "light", "{}calmer highlights", "{}brighter highlights"),
    "shadows": DirectionWords("Shadows", "light", "{}deeper shadows", "{}more open shadows"),
    "clarity": DirectionWords("Clarity", "detail", "a {}hazier picture", "a {}clearer picture"),
    "sharpness": DirectionWords("Sharpness", "detail", "{}softer details", "{}sharper details"),
    "vignette": DirectionWords("Vignette", "light", "{}brighter corners", "{}darker corners"),
    "grain": DirectionWords("Grain", "detail", "{}less grain", "{}more grain"),
    "saturation": DirectionWords("Saturation", "colour", "{}paler colours", "{}more saturated colours"),
    "vibrance": DirectionWords("Vibrance", "colour", "{}more muted colours", "{}more vibrant colours"),
    "greens": DirectionWords("Greens", "colour", "{}yellower greens", "{}cooler greens"),
    "blues": DirectionWords("Blues", "colour", "{}more turquoise blues", "{}more violet blues"),
    "split_tone": DirectionWords(
        "Split tone", "colour", "{}warmer shadows and cooler lights", "{}cooler shadows and warmer lights"
    ),
    "black_and_white": DirectionWords("Black and white", "colour", "in colour", "black and white", present=True, outright=4.0),
    "fade": DirectionWords("Fade", "light", "{}deeper blacks", "{}paler blacks"),
}
# What words of names begin with by which directions of other generators are put into groups, the first that fits.
_BEGINNINGS = {
    "skin": ("skin", "race", "ethnic", "complexion"),
    "age": ("age", "old", "young", "wrinkle"),
    "makeup": ("lipstick", "makeup", "blush"),
    "beard": ("beard", "mustache", "moustache", "goatee", "shave"),
    "hair": ("hair", "bald", "bang", "curl", "fringe"),
    "accessories": ("glass", "eyeglass", "sunglass", "hat", "hats", "earring", "necklace", "necktie"),
    "brows": ("brow", "eyebrow"),
    "expression": ("smil", "mouth", "frown", "happy", "surprise", "anger", "angry", "emotion"),
    "pose": ("pose", "yaw", "pitch", "turn", "rotat", "gaze"),
    "background": ("background", "backdrop"),
    "identity": ("gender", "male", "female", "face", "nose", "jaw", "chin", "cheek", "eye", "lip", "ears", "identity"),
}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of an editor's directions, by name."""

    words: Mapping[str, DirectionWords]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Vocabulary":
        """Return the words of these directions; of one that nobody described, "more" and "less" of its name in words."""
        return cls({name: _KNOWN.get(name) or _guessed(name) for name in names})

    def __getitem__(self, direction: str) -> DirectionWords:
        return self.words.get(direction) or _guessed(direction)

    def part(self, direction: str, alpha: float) -> str:
        """Return what one direction does at an alpha; empty for 0."""
        return self[direction].of(alpha)

    def caption(self, edit: Edit, *, base: Edit | None = None) -> str:
        """Return an edit in words, the strongest move first: "a hat, much longer hair"; "as it is" for the edit of nothing.

        base: an edit that is varied: only what differs from it is said, "as before" where nothing does.
        """
        if base is None:
            parts = [self.part(name, alpha) for name, alpha in sorted(edit.items(), key=lambda move: -abs(move[1])) if alpha]
            return ", ".join(parts) or UNEDITED
        changes = {name: edit.get(name, 0.0) - base.get(name, 0.0) for name in {**base, **edit}}
        order = sorted((name for name, by in changes.items() if by), key=lambda name: -abs(changes[name]))
        parts = [self._change(name, edit.get(name, 0.0), changes[name]) for name in order]
        return ", ".join(parts) or "as before"

    def group(self, direction: str) -> str:
        """Return the group of a direction."""
        return self[direction].group

    def directions(self, names: Sequence[str]) -> list[str]:
        """Return the directions that names stand for, a direction's own or a group's, in order and once each.

        Raises EditError for a name that is neither, with the nearest one.
        """
        found: list[str] = []
        for name in names:
            if name in self.words:
                found.append(name)
            elif name in GROUPS:
                found += [each for each in self.words if self.group(each) == name]
            else:
                known = [*self.words, *GROUPS]
                raise EditError(f"{name!r} is no direction and no group of directions{nearest(name, known)}")
        return list(dict.fromkeys(found))

    def _change(self, name: str, alpha: float, by: float) -> str:
        words = self[name]
        if words.present:
            return self.part(name, alpha) or f"{words.title.lower()} {UNEDITED}"
        return words.of(by)


def check_range(edit: Edit, sliders: Mapping[str, Slider]) -> None:
    """Raise EditError for an alpha outside its direction's range, and a direction that is not known."""
    for name, alpha in edit.items():
        if name not in sliders:
            raise EditError(f"{name} is not a direction{nearest(name, sorted(sliders)) or '; this generator has none yet'}")
        low, high = sliders[name].range
        if not low <= alpha <= high:
            raise EditError(f"{name}={alpha:g}: expected an alpha between {low:g} and {high:g}")


def _guessed(name: str) -> DirectionWords:
    """Return words for a direction that is known by its name alone."""
    plain = " ".join(name.replace("_", " ").replace("-", " ").replace(".", " ").split()).lower()
    pieces = plain.split()
    group = next((group for group, begin in _BEGINNINGS.items() if any(piece.startswith(begin) for piece in pieces)), "other")
    return DirectionWords(plain.capitalize(), group, f"{{}}less {plain}", f"{{}}more {plain}")
