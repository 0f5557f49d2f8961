"""Simulated people with known preferences about looks, and landscapes under every candidate look as their ground truth.

What such a person likes is a change of what is seen in the picture, not of a direction's number: lighter or darker, warmer, more
contrast, paler, and so on by a certain amount; what changes further than that is liked less. Grain and sharpness, which a thumbnail
does not show, are liked by their strength.
"""

from collections.abc import Sequence

import numpy as np

from beholder import look_descriptor
from beholder.editing.looks import landscape, look_editor
from beholder.editing.looks.look_directions import DIRECTIONS
from beholder.encoder import Encoder
from beholder.recommending.candidates import Candidates
from beholder.recommending.own_photos.drawn_embeddings import DrawnEmbeddings, editable
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig

_SEEN = (
    "light_11", "light_spread", "a_spread", "b_spread", "a_11", "b_11", "b_by_light", "chroma", "below_1", "below_8", "above_2",
    "detail_4", "detail_12", "vignette", "hue_120", "hue_240",
)  # fmt: skip
_UNSEEN = ("grain", "sharpness")
TRAITS = (*_SEEN, *_UNSEEN)
_SHARED = {
    "light_spread": 0.35,
    "chroma": 0.3,
    "b_11": 0.2,
    "light_11": 0.15,
    "detail_12": 0.2,
}  # what most people like a little more of
_PERSONAL = 0.9  # deviation of a person's own liking of a change
_ENOUGH = 0.45  # how fast more of a change is liked less
_SHARPNESS = {"steady": 3.0, "drifting": 3.0, "noisy": 0.9}  # as of the raters of portraits
_SIZE = (400, 600)
_NORMAL = 1.349  # interquartile range of a normal distribution of deviation 1


def ground_truth(encoder: Encoder, candidates: Candidates, seeds: Sequence[int]) -> GroundTruth:
    """Return the landscapes of seeds under every candidate, drawn small, encoded, and described by TRAITS."""
    predictor = DrawnEmbeddings(encoder)
    photos = [editable(f"seed-{seed}", landscape.draw(seed, *_SIZE), predictor) for seed in seeds]
    whole = np.zeros((len(candidates) + 1, len(DIRECTIONS)), np.float32)
    whole[1:, look_editor.columns_of(candidates.directions)] = candidates.alphas
    embeddings = np.stack([predictor.predict(each.latent, candidates.alphas, directions=candidates.directions) for each in photos])
    traits = np.stack([_traits(each.latent.photos[0], whole) for each in photos])
    originals = np.stack([each.original for each in photos])
    return GroundTruth(
        candidates, tuple(seeds), [each.latent for each in photos], originals, traits[:, 0], embeddings, traits[:, 1:]
    )


def look_people(config: SimulatedPeopleConfig, truth: GroundTruth, images: Sequence[int], *, seed: int) -> list[SimulatedChooser]:
    """Draw people who are asked about these images (rows of the ground truth) in turn; another seed draws other people.

    Utilities over the candidates spread by 1 times how surely a person of that kind chooses: their interquartile range is that of a
    normal distribution of deviation 1, as looks that go much too far have no bound.
    """
    rng = np.random.default_rng([seed, 5])
    drawn = [kind for kind, count in config.kinds for _ in range(count)]
    changes = truth.traits.astype(np.float64) - truth.original_traits[:, None].astype(np.float64)
    sizes = np.maximum(changes.reshape(-1, changes.shape[-1]).std(axis=0), 1e-9)
    result = []
    for number, place in enumerate(rng.permutation(len(drawn))):
        kind = drawn[int(place)]
        image = images[number % len(images)]
        moved = np.concatenate([np.zeros((1, len(sizes))), changes[image]]) / sizes
        first, last = (_utilities(moved, _liking(rng)) for _ in range(2))
        sharpness = _SHARPNESS.get(kind, 0.0)
        user_id = f"look-person-{seed}-{number}"
        result.append(
            SimulatedChooser(user_id, kind, image, sharpness * first, sharpness * (last if kind == "drifting" else first))
        )
    return result


def liked_everywhere(truth: GroundTruth, count: int, *, seed: int) -> np.ndarray:
    """Draw steady people, and return their utilities of every image as it is and under every candidate, float64 [P, I, 1 + C].

    Scaled as those of `look_people`, image by image.
    """
    rng = np.random.default_rng([seed, 6])
    changes = truth.traits.astype(np.float64) - truth.original_traits[:, None].astype(np.float64)
    sizes = np.maximum(changes.reshape(-1, changes.shape[-1]).std(axis=0), 1e-9)
    moved = [np.concatenate([np.zeros((1, len(sizes))), each]) / sizes for each in changes]
    likings = [_liking(rng) for _ in range(count)]
    return np.array([[_SHARPNESS["steady"] * _utilities(image, liking) for image in moved] for liking in likings])


def _liking(rng: np.random.Generator) -> np.ndarray:
    """Return how much a person likes a change of each trait, [T]."""
    shared = np.array([_SHARED.get(name, 0.0) for name in TRAITS])
    return rng.uniform(0.3, 1.0) * shared + rng.normal(0, _PERSONAL, len(TRAITS)) * (rng.random(len(TRAITS)) < 0.5)


def _utilities(moved: np.ndarray, liking: np.ndarray) -> np.ndarray:
    """Return utilities of changes [1 + C, T], the first of none: a change is liked up to a point, and less beyond it."""
    values = moved @ liking - _ENOUGH / 2 * (moved**2).sum(axis=1) * np.abs(liking).mean()
    low, high = np.quantile(values, (0.25, 0.75))
    return np.asarray((values - values[0]) / max((high - low) / _NORMAL, 1e-9))


def _traits(thumbnail: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Return TRAITS of a thumbnail under looks of alphas [C, D], float32 [C, T]."""
    numbers = look_editor.embeddings(thumbnail, alphas, look_descriptor.numbers, size=look_descriptor.SIZE)
    seen = numbers[:, [look_descriptor.NAMES.index(name) for name in _SEEN]]
    return np.concatenate([seen, alphas[:, [list(DIRECTIONS).index(name) for name in _UNSEEN]]], axis=1).astype(np.float32)
