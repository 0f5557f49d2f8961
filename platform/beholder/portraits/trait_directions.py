"""The directions of the portrait generator: found from labels, scaled by what a reader sees."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from beholder.editing import generator_store
from beholder.editing.directions import Direction
from beholder.editing.directions.learning import least_squares_moves
from beholder.editing.directions.scaling import Styles, calibrate
from beholder.editing.generator import Generator
from beholder.editing.generator_store import fingerprint
from beholder.editing.latent import Latent
from beholder.portraits import traits
from beholder.portraits.reader import Reader

# What a direction is called, by the trait it raises.
NAMES = {
    "skin": "darker_skin", "hair_hue": "golden_hair", "hair_lightness": "lighter_hair", "hair_length": "longer_hair",
    "curls": "curly_hair", "bangs": "bangs", "receding": "receding_hairline", "smile": "smile", "glasses": "glasses",
    "age": "older", "face_width": "wider_face", "eye_size": "bigger_eyes", "brow_thickness": "thicker_brows",
    "beard": "beard", "lipstick": "lipstick", "head_turn": "turn_right", "earrings": "earrings", "hat": "hat",
    "background": "bluer_background",
}  # fmt: skip


_WAY = 0.75  # from without to with, at alpha 1: so alpha 2 arrives, and alpha 3 stays where the generator was trained


@dataclass(frozen=True)
class DirectionsConfig:
    """How many labelled portraits directions are found from, and on how many others they are scaled."""

    examples: int = 5000
    probes: int = 64
    seed: int = 29


def find_directions(generator: Generator, reader: Reader, config: DirectionsConfig) -> list[Direction]:
    """Find one direction per trait of TRAITS, from portraits whose labels are known, and scale it.

    alpha 1 of a graded trait raises what the reader reads by one standard deviation on average. A yes/no trait has no
    such scale, because it is on or off: there alpha 1 is three quarters of the way from the average portrait without it to the one
    with it.
    """
    rng = torch.Generator().manual_seed(config.seed)
    z = torch.randn(config.examples, traits.LATENT_SIZE, generator=rng)
    labels = traits.crisp(traits.from_latents(z))
    with torch.no_grad():
        moves = least_squares_moves(generator.mapping(z)[:, 0], labels)
        latent = Latent(generator.mapping(torch.randn(config.probes, traits.LATENT_SIZE, generator=rng)))
    spread, found, maker = labels.std(dim=0), [], fingerprint(generator)
    for column, trait in enumerate(traits.TRAITS):

        def read(at: Styles, column: int = column) -> Tensor:
            return readings(generator, reader, at)[:, column]

        whole = (0, generator.config.num_ws)
        yes_no = trait.kind == "yes/no"
        step = _WAY * moves[column] / spread[column] if yes_no else moves[column]
        rough = Direction.along(
            step, name=NAMES[trait.name], space="w", layers=whole, fingerprint=maker, generator=generator_store.SHIPPED,
            labels=(trait.low, trait.high),
        )  # fmt: skip
        found.append(rough if yes_no else calibrate(generator, rough, latent, read, float(spread[column]), tolerance=0.02))
    return found


@torch.no_grad()
def readings(generator: Generator, reader: Reader, styles: Styles) -> Tensor:
    """The traits [N, T] that the reader sees in what the generator draws of styles, small, as `Synthesis.styles` gives them."""
    until = min(reader.resolution, generator.config.resolution)
    parts = zip(*(style.split(32) for style in styles), strict=True)
    return torch.cat([reader(generator.synthesis.draw(part, until=until).clamp(-1, 1)) for part in parts])


@torch.no_grad()
def score_map(generator: Generator) -> Callable[[Tensor], Tensor]:
    """Return what reads the scores of traits [N, T] off w [N, w_dim]: the mapping was set so that they are linear in W."""
    probes = traits.normalise(torch.randn(500, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(0)))
    known = torch.cat([generator.mapping.w(probes), torch.ones(len(probes), 1)], dim=1)
    solution = torch.linalg.lstsq(known.double(), (probes @ traits.axes().T).double(), driver="gelsd", rcond=1e-5).solution

    def scores(w: Tensor) -> Tensor:
        result: Tensor = (torch.cat([w, torch.ones(len(w), 1)], dim=1).double() @ solution).float()
        return result

    return scores
