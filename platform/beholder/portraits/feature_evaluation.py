"""Feature editing, measured on portraits with detail that the generator can't make: what is kept, and what an edit does to it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder.editing.directions import Direction
from beholder.editing.features.detail_drawing import DetailDrawing, refine
from beholder.editing.features.feature_networks import FeatureNetworks
from beholder.editing.generator import Generator, to_pixels, to_rgb
from beholder.editing.inversion import Inverter, Refinement, invert
from beholder.editing.latent import Detail, Latent
from beholder.portraits import overlays, traits
from beholder.portraits.overlays import Overlay
from beholder.portraits.reader import Reader
from beholder.portraits.renderer import draw
from beholder.portraits.trait_directions import NAMES, score_map

_SHOWN = 128  # pixels of a picture on a sheet
EDITED = ("smile", "age", "hair_length", "hair_lightness", "skin", "eye_size", "face_width", "glasses", "beard", "hat")


@dataclass(frozen=True)
class DetailedPortraits:
    """Portraits with detail over them: w [N, w_dim] that they are drawings of, the detail, and the pictures [N, 3, R, R]."""

    w: Tensor
    detail: Overlay
    images: Tensor


@torch.no_grad()
def detailed_portraits(generator: Generator, *, count: int, seed: int, kinds: Sequence[str] = overlays.KINDS) -> DetailedPortraits:
    """Draw portraits, each with one detail of one of some kinds over it."""
    z = traits.normalise(torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed)))
    size = generator.config.resolution
    detail = overlays.overlay(count, size, seed=seed, kinds=tuple(kinds))
    pictures = to_rgb(draw(traits.from_scores(z @ traits.axes().T), size))
    return DetailedPortraits(generator.mapping.w(z), detail, detail.over(pictures))


class KeptPortraits:
    """Pictures inverted in w+ alone, in one pass, and with their detail, in order to be drawn both ways.

    steps: of refinement of F_k.
    """

    def __init__(
        self,
        generator: Generator,
        inverter: Inverter,
        networks: FeatureNetworks,
        directions: Mapping[str, Direction],
        images: Tensor,
        *,
        steps: int,
    ) -> None:
        self.generator, self.directions = generator, directions
        small = torch.nn.functional.avg_pool2d(images, images.shape[-1] // inverter.config.resolution)
        self.ws = invert(generator, inverter, small).ws
        self.drawings = []
        with torch.no_grad():
            for image, ws in zip(images.split(1), self.ws.split(1), strict=True):
                own, features = networks.keep(generator, image, ws, noise="none")
                features = refine(
                    generator, features, own, image, at=networks.at, steps=steps, edges=0.5, noise="none", until=networks.seen
                )  # fmt: skip
                latent = Latent(own, details=(Detail(ws[0], features[0]),))
                self.drawings.append(DetailDrawing(generator, networks, directions, latent, noise="none"))

    def with_detail(self, edit: Mapping[str, float]) -> Tensor:
        """RGB [N, 3, R, R] through features."""
        return torch.cat([drawing.draw(edit) for drawing in self.drawings]).clamp(-1, 1)

    @torch.no_grad()
    def in_w(self, edit: Mapping[str, float]) -> Tensor:
        """RGB [N, 3, R, R] of w+ alone."""
        move = sum(alpha * self.directions[name].step for name, alpha in edit.items())
        return torch.cat([self.generator.synthesis(ws + move, noise="none") for ws in self.ws.split(1)]).clamp(-1, 1)


@torch.no_grad()
def measure_features(
    generator: Generator,
    inverter: Inverter,
    networks: FeatureNetworks,
    reader: Reader,
    directions: Mapping[str, Direction],
    *,
    count: int,
    seed: int,
    edited: Sequence[str] = EDITED,
    refinement_steps: int = Refinement().feature_steps,
) -> dict[str, float]:
    """Measure what features keep of detail, and how edits go through them, beside w+ alone.

    Errors are mean absolute differences of pixels as a share of the range, over `count` portraits with seen kinds of detail and
    over half as many with kinds that no training saw: through features in one pass and after some steps of refinement, in w+ alone
    in one pass and after 50.
    "trait_ratio" is how far an edit (alpha 2 of yes/no traits, else 1) moves its own trait through features as a share of what it
    moves it in w+; "others" how far, in standard deviations, the other traits move on average; both as the reader sees them where
    the same people are drawn without detail. "trait_ratio_detailed" is how far it moves under detail, as a share of what drawings
    of before and after move under the same detail. "detail_kept" is 1 minus the error below the detail of the edited picture
    against the drawing of the edited traits under the same detail, as a share of the error of w+ alone there.
    """
    figures: dict[str, float] = {}
    for name, kinds, some in (("", overlays.KINDS, count), ("_unseen", overlays.UNSEEN, max(2, count // 2))):
        seen = detailed_portraits(generator, count=some, seed=seed, kinds=kinds)
        once, kept = (
            KeptPortraits(generator, inverter, networks, directions, seen.images, steps=steps) for steps in (0, refinement_steps)
        )
        figures |= {
            f"features/error_one_pass{name}": _error(once.with_detail({}), seen.images),
            f"features/error{name}": _error(kept.with_detail({}), seen.images),
            f"features/error_in_w{name}": _error(kept.in_w({}), seen.images),
        }
    few = detailed_portraits(generator, count=min(count, 24), seed=seed)
    small = torch.nn.functional.avg_pool2d(few.images, few.images.shape[-1] // inverter.config.resolution)
    with torch.enable_grad():
        refined = torch.cat([invert(generator, inverter, part, refinement=Refinement()).ws for part in small.split(12)])
    drawn = torch.cat([generator.synthesis(part, noise="none") for part in refined.split(12)]).clamp(-1, 1)
    figures["features/error_in_w_refined"] = _error(drawn, few.images)
    least = min(figures["features/error_in_w"], figures["features/error_in_w_refined"])
    figures["features/error_ratio_most"] = figures["features/error"] / least
    figures |= _measure_edits(
        generator, inverter, networks, reader, directions, count=count, seed=seed + 1, edited=edited, steps=refinement_steps
    )
    return figures


def _measure_edits(
    generator: Generator, inverter: Inverter, networks: FeatureNetworks, reader: Reader, directions: Mapping[str, Direction],
    *, count: int, seed: int, edited: Sequence[str], steps: int,
) -> dict[str, float]:  # fmt: skip
    spread, scores = traits.sample(20_000, seed=seed).std(dim=0), score_map(generator)
    seen = detailed_portraits(generator, count=count, seed=seed)
    plain = to_rgb(draw(traits.from_scores(scores(seen.w)), generator.config.resolution))
    bare, kept = (KeptPortraits(generator, inverter, networks, directions, images, steps=steps) for images in (plain, seen.images))
    unedited = reader(kept.with_detail({}))
    start = {"w": reader(bare.in_w({})), "features": reader(bare.with_detail({}))}
    figures: dict[str, float] = {}
    for trait in edited:
        own, name = traits.column(trait), NAMES[trait]
        edit = {name: 2.0 if trait in traits.YES_NO else 1.0}
        move = edit[name] * directions[name].step
        rises = {
            "w": (reader(bare.in_w(edit)) - start["w"]) / spread,
            "features": (reader(bare.with_detail(edit)) - start["features"]) / spread,
        }
        rest = [column for column in range(len(traits.TRAITS)) if column != own]
        figures[f"features/trait_ratio/{name}"] = float(rises["features"][:, own].mean() / rises["w"][:, own].mean())
        for way, rise in rises.items():
            figures[f"features/others_{way}/{name}"] = float(rise[:, rest].abs().mean())
        target = seen.detail.over(to_rgb(draw(traits.from_scores(scores(seen.w + move)), generator.config.resolution)))
        below, through, in_w = seen.detail.cover, kept.with_detail(edit), kept.in_w(edit)
        moved = (reader(through) - unedited)[:, own].mean() / (reader(target) - reader(seen.images))[:, own].mean()
        figures[f"features/trait_ratio_detailed/{name}"] = float(moved)
        figures[f"features/edited_error/{name}"] = _error(through, target)
        figures[f"features/edited_error_in_w/{name}"] = _error(in_w, target)
        figures[f"features/detail_kept/{name}"] = 1 - _error(through, target, below) / _error(in_w, target, below)
    names = [NAMES[trait] for trait in edited]

    def mean(key: str) -> float:
        return float(np.mean([figures[f"features/{key}/{name}"] for name in names]))

    return {
        "features/trait_ratio_least": min(figures[f"features/trait_ratio/{name}"] for name in names),
        "features/trait_ratio_mean": mean("trait_ratio"),
        "features/trait_ratio_detailed_mean": mean("trait_ratio_detailed"),
        "features/others_ratio": mean("others_features") / mean("others_w"),
        "features/detail_kept_least": min(figures[f"features/detail_kept/{name}"] for name in names),
        "features/edited_error": mean("edited_error"),
        "features/edited_error_in_w": mean("edited_error_in_w"),
        **figures,
    }


@torch.no_grad()
def measure_slider(
    generator: Generator, inverter: Inverter, networks: FeatureNetworks, directions: Mapping[str, Direction], *, seed: int,
    rounds: int = 20,
) -> dict[str, float]:  # fmt: skip
    """Milliseconds of a move of a slider of one picture: through features, of w+ alone, and of its layers above the features alone.

    Medians over rounds in which the three take turns, so that whatever else the machine does, they share.
    """
    seen = detailed_portraits(generator, count=1, seed=seed)
    kept = KeptPortraits(generator, inverter, networks, directions, seen.images, steps=0)
    styles = generator.synthesis.styles(kept.ws)
    begun = generator.synthesis.begin(styles, at=networks.at, noise="none")
    name, seconds = next(iter(directions)), np.empty((rounds, 3))
    ways: tuple[Callable[[dict[str, float]], object], ...] = (
        kept.with_detail,
        kept.in_w,
        lambda edit: generator.synthesis.finish(begun, styles, at=networks.at, noise="none"),
    )
    for turn in range(rounds):
        for column, way in enumerate(ways):
            began = time.perf_counter()
            way({name: turn / rounds + 0.1})
            seconds[turn, column] = time.perf_counter() - began
    through, in_w, above = (float(value) for value in 1000 * np.median(seconds, axis=0))
    return {
        "features/slider_ms": through,
        "features/slider_ms_in_w": in_w,
        "features/slider_ms_above": above,
        "features/slider_ratio": through / in_w,
    }


def _error(made: Tensor, wanted: Tensor, weight: Tensor | None = None) -> float:
    error = (made - wanted).abs().mean(dim=1, keepdim=True) / 2
    return float(error.mean() if weight is None else (error * weight).sum() / weight.sum())


def detail_sheet(
    generator: Generator, inverter: Inverter, networks: FeatureNetworks, directions: Mapping[str, Direction], *, seed: int
) -> np.ndarray:
    """A row for each kind of detail: the picture, w+ alone, features, and three edits in w+ and through features, uint8 RGB.

    Pictures are at most 128 px wide on it.
    """
    edits: tuple[dict[str, float], ...] = ({}, {"smile": 2.0}, {"lighter_hair": 2.0}, {"glasses": 2.0})
    lines = []
    for at, kind in enumerate((*overlays.KINDS, *overlays.UNSEEN)):
        seen = detailed_portraits(generator, count=1, seed=seed + at, kinds=(kind,))
        steps = Refinement().feature_steps
        kept = KeptPortraits(generator, inverter, networks, directions, seen.images, steps=steps)
        row = torch.cat([seen.images, *(each for edit in edits for each in (kept.in_w(edit), kept.with_detail(edit)))])
        small = torch.nn.functional.avg_pool2d(row, max(1, row.shape[-1] // _SHOWN))
        lines.append(np.concatenate(list(to_pixels(small)), axis=1))
    return np.concatenate(lines)
