"""Captions: what a portrait looks like, in varied English, and pairs of texts that ask about one trait."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder.portraits.traits import NAMES, TRAITS

LOW, HIGH = 0.40, 0.60  # a graded trait between them is ordinary
_OPENINGS = ("a portrait of", "a picture of", "a drawing of", "a photo of", "an avatar of", "an image of", "")
_PERSON = ("person", "person", "someone", "face", "character")

# What can be said at a low and at a high value; a graded trait in the middle may also be said to be ordinary.
_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "skin": (("with light skin", "with pale skin"), ("with tan skin",), ("with dark skin", "with deep brown skin")),
    "hair_hue": (("with reddish hair", "with red hair"), ("with brown hair",), ("with golden hair", "with blonde hair")),
    "hair_lightness": (("with dark hair",), ("with medium dark hair",), ("with light hair", "with bright hair")),
    "hair_length": (("with short hair",), ("with medium length hair", "with chin length hair"), ("with long hair",)),
    "curls": (("with straight hair", "with smooth hair"), ("with wavy hair",), ("with curly hair", "with curls")),
    "bangs": (("without bangs", "with no bangs"), (), ("with bangs", "with a fringe")),
    "receding": (("with a low hairline",), (), ("with a receding hairline", "with a high forehead")),
    "smile": (("frowning", "looking sad"), ("with a faint smile",), ("smiling", "looking happy", "with a big smile")),
    "glasses": (("without glasses", "with no glasses"), (), ("wearing glasses", "with round glasses", "in glasses")),
    "age": (("who is young", "with smooth skin"), ("of middle age",), ("who is old", "with wrinkles")),
    "face_width": (("with a narrow face", "with a thin face"), (), ("with a wide face", "with a round face")),
    "eye_size": (("with small eyes",), (), ("with big eyes", "with large eyes")),
    "brow_thickness": (("with thin eyebrows",), (), ("with thick eyebrows", "with bushy eyebrows")),
    "beard": (("without a beard", "clean shaven"), (), ("with a beard", "who is bearded")),
    "lipstick": (("without lipstick", "with bare lips"), (), ("wearing lipstick", "with red lips")),
    "head_turn": (("looking to the left",), ("facing the camera",), ("looking to the right",)),
    "earrings": (("without earrings", "with no earrings"), (), ("wearing earrings", "with golden earrings")),
    "hat": (("without a hat", "bareheaded"), (), ("wearing a hat", "with a knitted hat")),
    "background": (("on a pink background",), ("on a green background", "before a green wall"), ("on a blue background",)),
}


@dataclass(frozen=True)
class Caption:
    """A text, and the traits it speaks of."""

    text: str
    mentioned: tuple[str, ...]


def caption(traits: Tensor, rng: random.Random, *, mentions: int | None = None) -> Caption:
    """Describe one portrait.

    traits: its row [T]. mentions: how many traits to name (a handful, if not given); the striking ones come first
    to mind, so a trait is named the likelier the further it is from ordinary.
    """
    values = traits.tolist()
    count = mentions if mentions is not None else rng.choice((1, 2, 3, 4, 6, 8, 10, 12))
    order = sorted(range(len(values)), key=lambda i: -_striking(i, values[i]) * rng.random())
    said = [(phrase, NAMES[i]) for i in order if (phrase := phrase_for(NAMES[i], values[i], rng))][:count]
    rng.shuffle(said)
    return Caption(_sentence([phrase for phrase, _ in said], rng), tuple(name for _, name in said))


def _striking(index: int, value: float) -> float:
    """How much there is to say about a value."""
    if TRAITS[index].kind == "yes/no":
        return 1.0 if value > 0.5 else 0.6
    return min(1.0, 0.3 + 2.2 * abs(value - 0.5))


def phrase_for(name: str, value: float, rng: random.Random) -> str:
    """Words for one trait of one portrait; empty where it is too ordinary to mention."""
    low, middle, high = _WORDS[name]
    if TRAITS[NAMES.index(name)].kind == "yes/no":
        return rng.choice(high if value > 0.5 else low)
    if LOW <= value <= HIGH:
        return rng.choice(middle) if middle else ""
    phrase, strength = rng.choice(low if value < LOW else high), abs(value - 0.5)
    first, _, rest = phrase.partition(" ")
    if strength > 0.27 and first == "with" and not rest.startswith(("a ", "curls", "wrinkles")) and rng.random() < 0.6:
        return f"with very {rest}"
    return phrase


def _sentence(said: list[str], rng: random.Random) -> str:
    """Put phrases behind one another as people do: "a portrait of a person with ..., ... and ..."."""
    opening, person = rng.choice(_OPENINGS), rng.choice(_PERSON)
    start = f"{opening} {person if person == 'someone' else 'a ' + person}".strip()
    if not said:
        return start
    if len(said) == 1:
        return f"{start} {said[0]}"
    glue = rng.choice((", ", " ", ", "))
    return f"{start} {glue.join(said[:-1])}{rng.choice((' and ', ', ', ' '))}{said[-1]}"


def question(name: str) -> tuple[str, str]:
    """Two texts that ask about one trait: the low end (or its absence) and the high end (or its presence)."""
    trait = TRAITS[NAMES.index(name)]
    return f"a portrait of a person {trait.low}", f"a portrait of a person {trait.high}"


def statements(name: str) -> tuple[list[str], list[str]]:
    """Every way to say the low end of a trait and every way to say the high end, as whole texts."""
    low, _, high = _WORDS[name]
    openings = [f"{opening} a person".strip() for opening in _OPENINGS]
    sides = [[f"{start} {words}" for start in openings for words in side] for side in (low, high)]
    return sides[0], sides[1]


def describe(traits: Tensor, *, seed: int, mentions: int | None = None) -> list[Caption]:
    """Describe portraits [N, T], each in its own words; the same seed gives the same words."""
    seeds = np.random.default_rng(seed).integers(0, 2**63, len(traits))
    return [caption(row, random.Random(int(s)), mentions=mentions) for row, s in zip(traits, seeds, strict=True)]


def fits(traits: Tensor, said: list[Caption]) -> Tensor:
    """Which portraits each caption is true of, when caption i was said of portrait i.

    traits: [N, T]. Returns bool [N captions, N portraits]: true where every trait the caption mentions is in the same
    third (low, ordinary, high) as in the portrait it was said of.
    """
    yes_no = torch.tensor([trait.kind == "yes/no" for trait in TRAITS])
    graded = (traits > LOW).int() + (traits > HIGH).int()
    third = torch.where(yes_no, (traits > 0.5).int(), graded)
    mentioned = torch.tensor([[name in each.mentioned for name in NAMES] for each in said])
    return ((third[:, None] == third[None]) | ~mentioned[:, None]).all(dim=2)
