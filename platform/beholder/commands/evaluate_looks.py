"""`beholder evaluate looks`: how far a step of each direction goes on photos, a contact sheet, and how fast looks are drawn."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from beholder import image_lists, images
from beholder.config import setting
from beholder.editing.looks import calibration, landscape, look_editor
from beholder.editing.looks.contact_sheet import direction_sheet
from beholder.editing.looks.full_size import render
from beholder.editing.looks.look_directions import DIRECTIONS, NOTICEABLE
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, ImageError
from beholder.images import ImageLimits
from beholder.recommending.own_photos.look_service import look_candidates, look_encoder
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log

_LARGE = (4000, 6000)  # pixels of the photo of 24 megapixels
_EVERYTHING = {
    "warmth": 1.0, "exposure": 1.0, "contrast": 1.0, "highlights": -1.0, "shadows": 1.0, "clarity": 1.0, "sharpness": 1.0,
    "vignette": 1.0, "grain": 1.0, "saturation": 1.0, "vibrance": 1.0, "split_tone": 1.0, "fade": 1.0,
}  # fmt: skip
_GOALS = {
    "seconds of 1,000 candidates, scored": "<= 0.3",
    "thumbnails described a second": ">= 1,000",
    "seconds of 24 megapixels, one direction": "<= 2",
    "seconds of 24 megapixels, 13 directions": "<= 2",
}


@dataclass(frozen=True)
class EvaluateLooksSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate looks",
        "beholder evaluate looks images=holiday most=12",
    )
    images: str | None = setting(None, "photos to measure steps on; null: the landscapes that they are calibrated on")
    most: int = setting(24, "photos that are measured at most, spread evenly")
    speed: bool = setting(True, "measure how fast looks are drawn, too")
    sheet: bool = setting(True, "draw a contact sheet of all directions")
    calibrate: bool = setting(False, "print the steps that would be noticeable on these photos, too")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    threads: int = setting(2, "threads of the photo at full size")
    repeats: int = setting(3, "how often each speed is measured; the best is told")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if min(self.most, self.threads, self.repeats) < 1:
            raise ConfigError(
                f"expected most, threads and repeats of at least 1, got {self.most}, {self.threads} and {self.repeats}"
            )


def main(settings: EvaluateLooksSettings, run: Run) -> None:
    photos = calibration.landscapes() if settings.images is None else _read(settings.images, settings.most, settings.limits)
    rows: list[dict[str, Any]] = []
    for name in calibration.coloured():
        direction = DIRECTIONS[name]
        low, high = direction.range
        step = calibration.step_difference(direction, photos)
        rows.append(
            {"direction": name, "alpha 1": f"{direction.step:g} {direction.unit}", "CIEDE2000": step, "range": f"{low:g}..{high:g}"}
        )
    table = pd.DataFrame(rows)
    run.results(table)
    run.metrics({"photos": len(photos), "noticeable": NOTICEABLE} | {row["direction"]: row["CIEDE2000"] for row in rows})
    rows_shown = [(row["direction"], row["alpha 1"], row["range"], f"{row['CIEDE2000']:.2f}") for row in rows]
    lines = [*markdown_table(["direction", "alpha 1", "range", f"CIEDE2000 on {len(photos)} photos"], rows_shown, align="lllr"), ""]
    if settings.calibrate:
        steps = [(name, f"{calibration.calibrated_step(DIRECTIONS[name], photos):.3g}") for name in calibration.coloured()]
        lines += [*markdown_table(["direction", f"step of {NOTICEABLE:g}"], steps, align="lr"), ""]
    if settings.speed:
        figures = speeds(settings.threads, settings.repeats)
        run.metrics({f"speed/{each.what}": each.measured for each in figures} | {f"cpu/{each.what}": each.cpu for each in figures})
        cells = [(each.what, _shown(each.measured), _shown(each.cpu), _GOALS[each.what]) for each in figures]
        lines += [
            *markdown_table(["what", "measured", "alone on its cores", "goal"], cells, align="lrrr"),
            "",
            f"the best of {settings.repeats}, at a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; alone: by the "
            "time for which cores worked on it",
            "",
        ]
    if settings.sheet:
        shown = [images.shrink(each, 300) for each in (photos[0], photos[len(photos) // 2])]
        (run.place / "directions.jpg").write_bytes(images.encode(direction_sheet(shown), format="JPEG"))
        lines.append(f"{run.place.uri}/directions.jpg")
    run.summary("# Looks\n\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


@dataclass(frozen=True)
class Speed:
    """A speed as measured, and as the processor's time says that it is where nothing else runs."""

    what: str
    measured: float
    cpu: float


def speeds(threads: int, repeats: int) -> list[Speed]:
    """Return seconds of 1,000 candidates drawn and encoded on one core, thumbnails encoded a second on one core, and seconds of a
    photo of 24 megapixels under one and under 13 directions on `threads` cores: the best of so many each."""
    before = torch.get_num_threads()
    encoder, photo = Encoder.load(look_encoder(EncoderConfig())), landscape.draw(3, 480, 720)
    candidates = look_candidates()
    alphas = np.zeros((len(candidates), len(DIRECTIONS)), np.float32)
    alphas[:, look_editor.columns_of(candidates.directions)] = candidates.alphas
    pictures = np.stack([images.fit_pixels(landscape.draw(seed, 90, 90), encoder.config.fit) for seed in range(16)] * 16)
    large = landscape.draw(4, *_LARGE)
    try:
        torch.set_num_threads(1)
        scored = _best(lambda: look_editor.embeddings(photo, alphas, encoder.model.encode_light, size=encoder.size), repeats)
        encoded = _best(lambda: encoder.images(pictures), repeats)
        torch.set_num_threads(threads)
        drawn = [_best(partial(render, large, look), repeats) for look in ({"exposure": 1.0}, _EVERYTHING)]
    finally:
        torch.set_num_threads(before)
    thousand, names = 1000 / len(candidates), list(_GOALS)
    return [
        Speed(names[0], scored[0] * thousand, scored[1] * thousand),
        Speed(names[1], len(pictures) / encoded[0], len(pictures) / encoded[1]),
        Speed(names[2], drawn[0][0], drawn[0][1] / threads),
        Speed(names[3], drawn[1][0], drawn[1][1] / threads),
    ]


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the least seconds that it took, and the least that cores worked on it."""
    seconds, worked = [], []
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - began)
        worked.append(time.process_time() - cpu)
    return min(seconds), min(worked)


def _read(source: str, most: int, limits: ImageLimits) -> list[np.ndarray]:
    uris = [str(uri) for part in image_lists.iterate(source, roots=limits.roots) for uri in part["uri"].to_pylist()]
    photos = []
    for at in np.linspace(0, len(uris) - 1, min(most, len(uris))):
        try:
            photos.append(images.shrink(images.decode(images.read(uris[round(at)], limits=limits)), max(calibration.SIZE)))
        except ImageError as error:
            log.warning("%s is left out: %s", uris[round(at)], error)
    if not photos:
        raise ImageError(f"{source}: none of its files is a photo that can be read")
    return photos
