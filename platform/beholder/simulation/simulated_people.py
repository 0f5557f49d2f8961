"""Simulated people of the portrait world, who choose between edits by a known taste over traits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.portraits import raters, traits
from beholder.portraits.raters import Kind, Rater, RatersConfig
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.choice_noise import TASTELESS, ChoiceNoise
from beholder.simulation.ground_truth import GroundTruth
from beholder.statistics import sigmoid

_PORTRAITS = 4000  # by whose traits all traits are standardised


@dataclass(frozen=True)
class SimulatedPeopleConfig:
    """Who is simulated. Raters without a taste (random and first) have no best edit: nothing is better for them than the image."""

    steady: int = setting(45, "people who are sure of a taste")
    noisy: int = setting(9, "people who often take the side they like less")
    drifting: int = setting(6, "people whose taste is another one at the end of their questions")
    random: int = setting(0, "people who toss a coin")
    first: int = setting(0, "people who nearly always take the left side")
    attribute: str = setting("attractive", f"what they choose by: {', '.join(raters.ATTRIBUTES)}")

    def __post_init__(self) -> None:
        if min(count for _, count in self.kinds) < 0 or not len(self):
            raise ConfigError("people: steady, noisy, drifting, random and first must be at least 0, and together at least 1")
        if self.attribute not in raters.ATTRIBUTES:
            raise ConfigError(f"people.attribute={self.attribute} is none of {', '.join(raters.ATTRIBUTES)}")

    def __len__(self) -> int:
        return sum(count for _, count in self.kinds)

    @property
    def kinds(self) -> tuple[tuple[Kind, int], ...]:
        """Return how many there are of each kind of rater."""
        kinds: list[tuple[Kind, int]] = [("steady", self.steady), ("noisy", self.noisy), ("drifting", self.drifting)]
        return (*kinds, ("random", self.random), ("first", self.first))


@dataclass(frozen=True, eq=False)
class SimulatedChooser:
    """A simulated person who is asked about one image.

    image: its row of the ground truth. first, last: utilities of the unedited image, then of each candidate, in logits, at the
    first and at the last question, float64 [1 + C].
    """

    user_id: str
    kind: Kind
    image: int
    first: np.ndarray
    last: np.ndarray

    def utilities(self, moment: float) -> np.ndarray:
        """Return utilities [1 + C] at a moment 0..1 of their questions: of the unedited image, then of the candidates."""
        return (1 - moment) * self.first + moment * self.last

    def choose(self, left: int, right: int, *, moment: float, rng: np.random.Generator) -> float:
        """Return 1 (left) or 0 (right) of two candidates: the logistic choice of `raters`, or none that looks at them."""
        if self.kind == "first":
            return float(rng.random() < raters.FIRST)
        utilities = self.utilities(moment)
        return float(rng.random() < sigmoid(utilities[1 + left] - utilities[1 + right]))


def people(config: SimulatedPeopleConfig, truth: GroundTruth, images: Sequence[int], *, seed: int) -> list[SimulatedChooser]:
    """Draw people who are asked about these images (rows of the ground truth) in turn; another seed draws other people."""
    portraits = traits.sample(_PORTRAITS, seed=_PORTRAITS).double().numpy()
    centre, spread = portraits.mean(axis=0), np.maximum(portraits.std(axis=0), 1e-9)
    drawn = raters.people(RatersConfig(config.kinds, seed=seed), (portraits - centre) / spread)
    order = np.random.default_rng(seed).permutation(len(drawn))  # no kind of people is always asked about the same image
    attribute, result = raters.ATTRIBUTES.index(config.attribute), []
    for turn, number in enumerate(order):
        image = images[turn % len(images)]
        rows = np.concatenate([truth.original_traits[image][None], truth.traits[image]]).astype(np.float64)
        result.append(_chooser(drawn[number], image, (rows - centre) / spread, attribute))
    return result


def edit_set(truth: GroundTruth, image: int) -> EditSet:
    """Return an image under every candidate, as rankers see it."""
    candidates = truth.candidates
    return EditSet(candidates.alphas, truth.embeddings[image], candidates.directions, truth.original_embeddings[image])


def comparisons(truth: GroundTruth, people: Sequence[SimulatedChooser], *, each: int, seed: int) -> list[Comparison]:
    """Return `each` answers of all people to random questions about their image, in order."""
    edit_sets, result = {image: edit_set(truth, image) for image in {person.image for person in people}}, []
    for number, person in enumerate(people):
        rng, edits = np.random.default_rng([seed, number]), edit_sets[person.image]
        for turn in range(each):
            left, right = (int(row) for row in rng.choice(len(edits), 2, replace=False))
            outcome = person.choose(left, right, moment=turn / each, rng=rng)
            about = image_id(truth, person.image)
            result.append(Comparison(person.user_id, about, edits[left], edits[right], outcome, float(turn)))
    return result


def shares(people: Sequence[SimulatedChooser], noise: ChoiceNoise) -> np.ndarray:
    """Return how probable each hypothesis of `noise` is of one of these people drawn at random, float64 [J + 3].

    Who is noisy chooses least sharply, who is steady or drifting most sharply; a hypothesis is nobody's where it is none of these.
    """
    sharp, dull = (noise.sharpness == pick(noise.sharpness) for pick in (np.max, np.min))
    lasting = noise.kept == noise.kept.max()
    fading = ~lasting if not lasting.all() else lasting
    with_taste: dict[str, np.ndarray] = {"steady": sharp & lasting, "noisy": dull & lasting, "drifting": sharp & fading}
    result = np.zeros(len(noise) + TASTELESS)
    for person in people:
        if person.kind in with_taste:
            mine = with_taste[person.kind]
            result[: len(noise)] += mine / mine.sum()
        else:
            result[len(noise) + (person.kind == "first")] += 1
    return np.asarray(result / len(people))


def image_id(truth: GroundTruth, image: int) -> str:
    """Return the id of an image of the ground truth."""
    return f"seed-{truth.seeds[image]}"


def _chooser(rater: Rater, image: int, rows: np.ndarray, attribute: int) -> SimulatedChooser:
    """Return a rater as somebody who chooses between edits. rows: standardised traits [1 + C, T].

    Who does not look likes every edit alike: 0.
    """
    if rater.kind in ("random", "first"):
        return SimulatedChooser(rater.user_id, rater.kind, image, np.zeros(len(rows)), np.zeros(len(rows)))
    first, last = (rater.sharpness * rater.utility(rows, attribute, moment) for moment in (0.0, 1.0))
    return SimulatedChooser(rater.user_id, rater.kind, image, first, last)
