"""Simulated people on the portrait world: each likes what their taste over traits says, so that every claim has a right answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.portraits import raters, traits
from beholder.portraits.raters import Kind, Rater, RatersConfig
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.simulation.ground_truth import GroundTruth

_PORTRAITS = 4000  # whose traits say what is ordinary


@dataclass(frozen=True)
class SimulatedPeopleConfig:
    """Who is simulated. Those whose answers have no taste in them (random, first, flat) have no best edit, and are left out."""

    steady: int = setting(45, "people who are sure of a taste")
    noisy: int = setting(9, "people who often take the side they like less")
    drifting: int = setting(6, "people whose taste is another one at the end of their questions")
    attribute: str = setting("attractive", f"what they choose by: {', '.join(raters.ATTRIBUTES)}")

    def __post_init__(self) -> None:
        if min(self.steady, self.noisy, self.drifting) < 0 or not len(self):
            raise ConfigError("people: steady, noisy and drifting must be at least 0, and together at least 1")
        if self.attribute not in raters.ATTRIBUTES:
            raise ConfigError(f"people.attribute={self.attribute} is none of {', '.join(raters.ATTRIBUTES)}")

    def __len__(self) -> int:
        return self.steady + self.noisy + self.drifting

    @property
    def kinds(self) -> tuple[tuple[Kind, int], ...]:
        return ("steady", self.steady), ("noisy", self.noisy), ("drifting", self.drifting)


@dataclass(frozen=True, eq=False)
class SimulatedPeople:
    """A person before one image. first, last: their utility of the image as it is, then of each candidate, in logits, at the first
    and at the last question, float64 [1 + C]."""

    user_id: str
    kind: Kind
    image: int
    first: np.ndarray
    last: np.ndarray

    def utilities(self, moment: float) -> np.ndarray:
        """At a moment 0..1 of their questions, [1 + C]: the image as it is, then the candidates."""
        return (1 - moment) * self.first + moment * self.last

    def choose(self, left: int, right: int, *, moment: float, rng: np.random.Generator) -> float:
        """1 (left) or 0 (right) of two candidates: the logistic choice of `raters`."""
        felt = self.utilities(moment)
        return float(rng.random() < 1 / (1 + np.exp(felt[1 + right] - felt[1 + left])))


def people(config: SimulatedPeopleConfig, gallery: GroundTruth, images: Sequence[int], *, seed: int) -> list[SimulatedPeople]:
    """People, each before one of these images (rows of the gallery), in turn; another seed makes other people."""
    usual = traits.sample(_PORTRAITS, seed=_PORTRAITS).double().numpy()
    centre, spread = usual.mean(axis=0), np.maximum(usual.std(axis=0), 1e-9)
    made = raters.people(RatersConfig(config.kinds, seed=seed), (usual - centre) / spread)
    order = np.random.default_rng(seed).permutation(len(made))  # no kind of people is always before the same image
    found = []
    for turn, number in enumerate(order):
        image = images[turn % len(images)]
        shown = np.concatenate([gallery.base_traits[image][None], gallery.traits[image]]).astype(np.float64)
        found.append(_before(made[number], image, (shown - centre) / spread, raters.ATTRIBUTES.index(config.attribute)))
    return found


def edit_set(gallery: GroundTruth, image: int) -> EditSet:
    """An image of the gallery under every candidate, as rankers see it."""
    candidates = gallery.candidates
    return EditSet(candidates.alphas, gallery.embeddings[image], candidates.directions, gallery.base_embeddings[image])


def everybody(gallery: GroundTruth, crowd: Sequence[SimulatedPeople], *, each: int, seed: int) -> list[Comparison]:
    """What a crowd chose: `each` answers of everybody to random questions about their image, in order."""
    found, shown = [], {image: edit_set(gallery, image) for image in {person.image for person in crowd}}
    for number, person in enumerate(crowd):
        rng = np.random.default_rng([seed, number])
        seen = shown[person.image]
        for turn in range(each):
            left, right = (int(row) for row in rng.choice(len(seen), 2, replace=False))
            outcome = person.choose(left, right, moment=turn / each, rng=rng)
            found.append(
                Comparison(person.user_id, _image_id(gallery, person.image), seen[left], seen[right], outcome, float(turn))
            )
    return found


def _before(rater: Rater, image: int, shown: np.ndarray, attribute: int) -> SimulatedPeople:
    first, last = (rater.sharpness * rater.utility(shown, attribute, moment) for moment in (0.0, 1.0))
    return SimulatedPeople(rater.user_id, rater.kind, image, first, last)


def _image_id(gallery: GroundTruth, image: int) -> str:
    return f"seed-{gallery.seeds[image]}"
