"""Evaluation: what the networks of the portrait world reach on fresh draws, where the truth is known."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from beholder.editing.directions import Direction, edited_styles
from beholder.editing.features.feature_networks import FeatureNetworks
from beholder.editing.generator import Generator, to_rgb
from beholder.editing.inversion import Inverter, Refinement, invert
from beholder.editing.latent import Latent
from beholder.encoder import ImageTextEncoder
from beholder.portraits import captions, traits
from beholder.portraits.edit_evaluation import measure_learned, measure_pairs, measure_told
from beholder.portraits.feature_evaluation import measure_features, measure_slider
from beholder.portraits.reader import Reader
from beholder.portraits.renderer import draw
from beholder.portraits.trait_directions import NAMES, readings, score_map

Figures = dict[str, float]
PARTS = ("clip", "generator", "inverter", "features", "directions", "edits", "speed")
_GRADED = [traits.column(name) for name in traits.GRADED]
_YES_NO = [traits.column(name) for name in traits.YES_NO]


@dataclass(frozen=True)
class Networks:
    """The networks of the portrait world, to be measured together."""

    generator: Generator
    inverter: Inverter
    reader: Reader
    directions: Mapping[str, Direction]
    clip: ImageTextEncoder
    features: FeatureNetworks | None = None


@dataclass(frozen=True)
class EvaluationConfig:
    """How many fresh portraits each part is measured on."""

    portraits: int = 500
    edited: int = 200
    inverted: int = 40
    detailed: int = 24
    seed: int = 2_000_003
    refinement: Refinement = field(default_factory=Refinement)

    def __post_init__(self) -> None:
        if min(self.portraits, self.edited, self.inverted) < 2 or self.portraits < 100:
            raise ValueError("expected at least 100 portraits, 2 edited and 2 inverted")


# What the shipped networks are held to: figure -> (at least or at most, the goal).
GOALS = {
    "clip/zero_shot": (">=", 0.95),
    "clip/probe_r2": (">=", 0.90),
    "clip/retrieval_of_100": (">=", 0.80),
    "generator/error": ("<=", 0.03),
    "generator/read_r2": (">=", 0.90),
    "directions/own_least_graded": (">=", 1.5),
    "directions/on_least": (">=", 0.95),
    "directions/others_most": ("<=", 0.25),
    "directions/zero_is_identity": (">=", 1.0),
    "directions/down_least_graded": (">=", 1.5),
    "directions/off_least": (">=", 0.95),
    # a hairline is the less to be seen the nearer hair and skin are to each other, in drawings too: two of 171 pairs show it
    "edits/together_at_1_within_20_percent": (">=", 1.0),
    "edits/learned_least": (">=", 0.8),
    "edits/learned_alone_least": (">=", 0.8),
    "edits/told_reached": (">=", 8.0),
    "inverter/error_one_pass": ("<=", 0.05),
    "inverter/error_refined": ("<=", 0.03),
    "inverter/edit_ratio_least": (">=", 0.7),
    "features/error": ("<=", 0.02),
    "features/error_ratio_most": ("<=", 0.5),
    "features/trait_ratio_least": (">=", 0.9),
    "features/others_ratio": ("<=", 1.0),
    "speed/drawn": (">=", 100.0),
}
_OWN = 1000  # portraits of which the one that is inverted worst tells what is none


def reached(figures: Figures) -> dict[str, bool]:
    """Whether each goal is reached, for the goals whose figure was measured."""
    return {
        name: figures[name] >= goal if sign == ">=" else figures[name] <= goal
        for name, (sign, goal) in GOALS.items()
        if name in figures
    }


def measure(
    networks: Networks,
    config: EvaluationConfig,
    *,
    parts: Sequence[str] = PARTS,
    progress: Callable[[str], None] = lambda part: None,
) -> Figures:
    """Measure some or all of PARTS, on portraits that no training has seen."""
    n, seed, some = networks, config.seed, config.portraits
    work: dict[str, Callable[[], Figures]] = {
        "clip": lambda: measure_clip(n.clip, count=some, seed=seed),
        "generator": lambda: (
            measure_generator(n.generator, n.reader, count=some, seed=seed + 1)
            | measure_edited(n.generator, n.directions, count=min(40, config.edited), seed=seed + 7)
        ),
        "inverter": lambda: measure_inverter(
            n.generator, n.inverter, n.reader, n.directions,
            count=config.inverted, seed=seed + 2, refinement=config.refinement,
        )
        | measure_own_distance(n.generator, n.inverter, seed=seed + 8),
        "features": lambda: (
            {} if n.features is None else measure_features(
                n.generator, n.inverter, n.features, n.reader, n.directions, count=config.detailed, seed=seed + 8
            )
            | measure_slider(n.generator, n.inverter, n.features, n.directions, seed=seed + 8)
        ),
        "directions": lambda: (
            measure_directions(n.generator, n.reader, n.directions, count=config.edited, seed=seed + 3)
            | measure_drawn(n.reader, count=min(64, config.edited), seed=seed + 3)
        ),
        "edits": lambda: (
            measure_pairs(n.generator, n.reader, n.directions, count=min(16, config.edited), seed=seed + 4)
            | measure_pairs(n.generator, n.reader, n.directions, count=min(16, config.edited), seed=seed + 4, alpha=2.0)
            | measure_learned(n.generator, n.directions, seed=seed + 5)
            | measure_told(n.generator, n.reader, n.clip, count=min(100, config.edited), seed=seed + 6)
        ),
        "speed": lambda: measure_speed(n.generator, n.inverter, n.clip, count=128),
    }  # fmt: skip
    figures: Figures = {}
    for part in parts:
        figures |= work[part]()
        progress(part)
    return figures


def measure_clip(clip: ImageTextEncoder, *, count: int, seed: int) -> Figures:
    """Zero-shot accuracy over yes/no traits, how well a linear probe reads graded ones, and retrieval among 100 captions.

    `count` portraits are measured; the probe is fitted on three times as many others.
    """
    people = traits.sample(4 * count, seed=seed)
    vectors = clip.images(draw(people))
    truth, seen = people[:count], vectors[:count]
    accuracies = {}
    for name in traits.YES_NO:
        low, high = clip.texts(captions.question(name))
        said, true = seen @ (high - low) > 0, truth[:, traits.column(name)].numpy() > 0.5
        accuracies[name] = float((said[true].mean() + 1 - said[~true].mean()) / 2)
    probe = _probe(vectors[count:], people[count:, _GRADED].numpy())
    read = r_squared(probe(seen), truth[:, _GRADED].numpy())
    texts = clip.texts([each.text for each in captions.describe(truth, seed=seed, mentions=10)])
    hits = [
        (seen[start : start + 100] @ texts[start : start + 100].T).argmax(axis=1) == np.arange(100)
        for start in range(0, count - 99, 100)
    ]
    return {
        "clip/zero_shot": float(np.mean(list(accuracies.values()))),
        **{f"clip/zero_shot/{name}": value for name, value in accuracies.items()},
        "clip/probe_r2": float(read.mean()),
        **{f"clip/probe_r2/{name}": float(value) for name, value in zip(traits.GRADED, read, strict=True)},
        "clip/retrieval_of_100": float(np.mean(hits)),
    }


@torch.no_grad()
def measure_generator(generator: Generator, reader: Reader, *, count: int, seed: int) -> Figures:
    """How far generated portraits are from the drawings of the same traits, and how well their traits can be read."""
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    truth, errors, readings_made, readings_drawn = traits.from_latents(z), [], [], []
    for part in z.split(16):
        made = generator(part).clamp(-1, 1)
        drawn = to_rgb(draw(traits.from_latents(part), made.shape[-1]))
        errors.append((made - drawn).abs().mean(dim=(1, 2, 3)) / 2)
        readings_made.append(reader(made))
        readings_drawn.append(reader(drawn))
    read_made, read_drawn = torch.cat(readings_made), torch.cat(readings_drawn)
    made_r2, drawn_r2 = (r_squared(read.numpy(), truth.numpy()) for read in (read_made, read_drawn))
    right = ((read_made > 0.5) == (truth > 0.5))[:, _YES_NO].float().mean()
    return {
        "generator/error": float(torch.cat(errors).mean()),
        "generator/read_r2": float(made_r2.mean()),
        "generator/read_r2_graded": float(made_r2[_GRADED].mean()),
        "generator/read_yes_no": float(right),
        **{f"generator/read_r2/{name}": float(value) for name, value in zip(traits.NAMES, made_r2, strict=True)},
        "reader/r2_on_drawings": float(drawn_r2.mean()),
    }


_CELLS = 8  # of a portrait's side

# Edits after which small contrasts are easily lost, or what was taken off leaves traces.
HARD_EDITS: Mapping[str, Mapping[str, float]] = {
    "dark_skin": {"darker_skin": 3},
    "dark_skin_light_hair": {"darker_skin": 3, "lighter_hair": 3},
    "dark_skin_glasses": {"darker_skin": 3, "glasses": 2},
    "without_glasses": {"glasses": -3},
    "hat": {"hat": 2},
    "without_hat": {"hat": -3},
}


@torch.no_grad()
def measure_edited(generator: Generator, directions: Mapping[str, Direction], *, count: int, seed: int) -> Figures:
    """How far edited portraits are from the drawings of the edited traits at their worst place, for each of HARD_EDITS.

    That is the largest mean error, as a share of the range, of a cell of a grid over each portrait, averaged over portraits.
    """
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    latent = Latent(generator.mapping(z), z)
    figures: Figures = {}
    scores = score_map(generator)
    for name, edit in HARD_EDITS.items():
        worst = []
        for some in (latent[rows] for rows in torch.arange(count).split(8)):
            w = some.ws[:, 0] + sum(alpha * directions[each].step for each, alpha in edit.items())
            drawn = to_rgb(draw(traits.from_scores(scores(w)), generator.config.resolution))
            made = generator.synthesis.draw(edited_styles(generator, some, edit, directions)).clamp(-1, 1)
            error = (made - drawn).abs().mean(dim=1, keepdim=True) / 2
            worst.append(torch.nn.functional.adaptive_avg_pool2d(error, _CELLS).amax(dim=(1, 2, 3)))
        figures[f"generator/edited/{name}"] = float(torch.cat(worst).mean())
    return {"generator/edited_most": max(figures.values()), **figures}


@torch.no_grad()
def measure_directions(
    generator: Generator,
    reader: Reader,
    directions: Mapping[str, Direction],
    *,
    count: int,
    seed: int,
) -> Figures:
    """What each direction does to its own trait and to the others, in standard deviations, from `count` random portraits."""
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    latent = Latent(generator.mapping(z), z)
    spread = traits.sample(20_000, seed=seed).std(dim=0)
    start = readings(generator, reader, generator.synthesis.styles(latent.ws))
    figures: Figures = {}
    strengths = [alpha for alpha in range(-3, 4) if alpha]
    for trait, name in NAMES.items():
        own = traits.column(trait)
        read = {
            alpha: readings(generator, reader, edited_styles(generator, latent, {name: alpha}, directions)) for alpha in strengths
        }
        means = torch.stack([read.get(alpha, start)[:, own].mean() for alpha in range(-3, 4)])
        rise = (read[2] - start) / spread
        others = [i for i in range(len(traits.TRAITS)) if i != own]
        figures[f"directions/own/{name}"] = float(rise[:, own].mean())
        figures[f"directions/down/{name}"] = float((start - read[-2])[:, own].mean() / spread[own])
        figures[f"directions/others/{name}"] = float(rise[:, others].abs().mean())
        figures[f"directions/least_step/{name}"] = float((means.diff() / spread[own]).min())
        if trait in traits.YES_NO:
            figures[f"directions/on/{name}"] = float((read[2][:, own] > 0.5).float().mean())
            figures[f"directions/off/{name}"] = float((read[-2][:, own] < 0.5).float().mean())
    still = generator.synthesis.draw(edited_styles(generator, latent[:4], dict.fromkeys(directions, 0.0), directions))
    same = torch.equal(still, generator.synthesis(latent.ws[:4]))
    graded = [name for trait, name in NAMES.items() if trait in traits.GRADED]
    return {
        "directions/own_least_graded": min(figures[f"directions/own/{name}"] for name in graded),
        "directions/down_least_graded": min(figures[f"directions/down/{name}"] for name in graded),
        "directions/off_least": min(value for name, value in figures.items() if name.startswith("directions/off/")),
        "directions/on_least": min(value for name, value in figures.items() if name.startswith("directions/on/")),
        "directions/others_most": max(value for name, value in figures.items() if name.startswith("directions/others/")),
        "directions/least_step": min(value for key, value in figures.items() if key.startswith("directions/least_step/")),
        "directions/zero_is_identity": float(same),
        **figures,
    }


@torch.no_grad()
def measure_drawn(reader: Reader, *, count: int, seed: int) -> Figures:
    """The bound of graded directions: what the reader sees of the same move in drawings, where nothing is lost.

    A move that raises what is read by one standard deviation on average is done twice. Less than 2 comes of it, because a
    trait ends at its range, and a hat or bangs hide a hairline.
    """
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    scores = traits.normalise(z) @ traits.axes().T
    spread = traits.sample(20_000, seed=seed).std(dim=0)

    def read(column: int, shift: float) -> float:
        moved = scores.clone()
        moved[:, column] += shift
        return float(reader(to_rgb(draw(traits.from_scores(moved))))[:, column].mean())

    figures: Figures = {}
    for column in _GRADED:
        start, low, high = read(column, 0.0), 0.0, 4.0
        for _ in range(7):
            middle = (low + high) / 2
            low, high = (middle, high) if (read(column, middle) - start) / spread[column] < 1 else (low, middle)
        name = NAMES[traits.NAMES[column]]
        figures[f"directions/drawn/{name}"] = float((read(column, low + high) - start) / spread[column])
    return figures | {"directions/drawn_least_graded": min(figures.values())}


def measure_inverter(
    generator: Generator,
    inverter: Inverter,
    reader: Reader,
    directions: Mapping[str, Direction],
    *,
    count: int,
    seed: int,
    refinement: Refinement,
) -> Figures:
    """How far a portrait is from its inversion, in one pass and refined, and whether an edit then moves it as it should."""
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    whole = to_rgb(draw(traits.crisp(traits.from_latents(z)), generator.config.resolution))
    images = torch.nn.functional.avg_pool2d(whole, whole.shape[-1] // inverter.config.resolution)
    once = invert(generator, inverter, images).ws
    refined = torch.cat([invert(generator, inverter, part, refinement=refinement).ws for part in images.split(16)])
    with torch.no_grad():
        errors = {
            name: float((torch.cat([generator.synthesis(part) for part in ws.split(16)]) - whole).abs().mean() / 2)
            for name, ws in (("one_pass", once), ("refined", refined))
        }
        ratios = []
        for trait in ("smile", "age", "hair_length", "eye_size"):
            edit = {NAMES[trait]: 1.0}
            column = traits.column(trait)
            original, inverted = (
                (
                    readings(generator, reader, edited_styles(generator, Latent(ws), edit, directions))
                    - readings(generator, reader, generator.synthesis.styles(ws))
                )[:, column].mean()
                for ws in (generator.mapping(z), refined)
            )
            ratios.append(float(inverted / original))
    return {
        "inverter/error_one_pass": errors["one_pass"],
        "inverter/error_refined": errors["refined"],
        "inverter/refinement_steps": float(refinement.steps),
        "inverter/edit_ratio_least": min(ratios),
        "inverter/edit_ratio_most": max(ratios),
    }


def measure_own_distance(generator: Generator, inverter: Inverter, *, seed: int, count: int = _OWN) -> Figures:
    """How far portraits are from their inversions in one pass, as `Inversion` measures it: the median, and the farthest of them.

    What is farther off is not of this world. Refined, portraits are nearer than that.
    """
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    distances = []
    for some in z.split(50):
        whole = to_rgb(draw(traits.crisp(traits.from_latents(some)), generator.config.resolution))
        images = torch.nn.functional.avg_pool2d(whole, whole.shape[-1] // inverter.config.resolution)
        distances.append(invert(generator, inverter, images).distance)
    every = torch.cat(distances)
    return {"inverter/own_distance_median": float(every.median()), "inverter/own_distance_most": float(every.max())}


def measure_speed(generator: Generator, inverter: Inverter, clip: ImageTextEncoder, *, count: int) -> Figures:
    """Portraits drawn, generated, embedded and inverted per second here and now."""
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(1))
    people = traits.from_latents(z)
    pixels = draw(people)
    images = to_rgb(pixels)
    with torch.no_grad():
        return {
            "speed/drawn": _rate(count, lambda: draw(people)),
            "speed/generated": _rate(count, lambda: [generator(part) for part in z.split(16)]),
            "speed/embedded": _rate(count, lambda: clip.images(pixels)),
            "speed/inverted": _rate(count, lambda: [inverter(part) for part in images.split(16)]),
        }


def r_squared(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The share of each column's variance that is explained, [N, T] and [N, T] -> [T]."""
    return np.asarray(1 - ((said - truth) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0))


def _probe(vectors: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A linear layer fitted by ridge regression."""
    design = np.hstack([vectors, np.ones((len(vectors), 1))]).astype(np.float64)
    weights = np.linalg.solve(design.T @ design + 1e-4 * np.eye(design.shape[1]), design.T @ truth)
    return lambda given: np.hstack([given, np.ones((len(given), 1))]) @ weights


def _rate(count: int, work: Callable[[], object]) -> float:
    """How many per second, at the second go."""
    work()
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)
