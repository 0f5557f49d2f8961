"""`beholder evaluate faces`: how near the squares that one detector cuts out of photos are to another's, and what each takes."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from beholder.config import required, setting
from beholder.errors import ConfigError, EditError, ImageError
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log

if TYPE_CHECKING:
    import numpy as np

    from beholder.editing.faces.alignment import Square
    from beholder.editing.faces.landmarks import Detector

NEAR = 0.02  # of a square's side: corners that are no farther apart are the same


@dataclass(frozen=True)
class EvaluateFacesSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate faces images=photos",
        "beholder evaluate faces images=photos at_most=50 threads=4",
    )
    images: str = required("photos with a face each: a folder, glob, list or prefix")
    detectors: list[str] = setting(["mtcnn", "dlib"], "the detector that is measured, and the one that it is compared with")
    at_most: int = setting(200, "photos that are looked at, evenly chosen")
    threads: int = setting(1, "cores that a detector may use")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if len(self.detectors) != 2 or self.at_most < 1 or self.threads < 1:
            raise ConfigError(
                f"expected two detectors, at_most and threads of at least 1; got {self.detectors}, {self.at_most}, {self.threads}"
            )


def main(settings: EvaluateFacesSettings, run: Run) -> None:
    import numpy as np
    import torch

    from beholder import image_index, images
    from beholder.editing.faces.landmarks import load_detector

    torch.set_num_threads(settings.threads)
    detectors = [load_detector(name) for name in settings.detectors]
    uris = image_index.list_images(settings.images)["uri"].to_pylist()
    chosen = [uris[int(at)] for at in np.linspace(0, len(uris) - 1, min(settings.at_most, len(uris)))]
    corners, seconds, found, pixels = [], np.zeros(2), np.zeros(2, int), 0
    with Progress("evaluate", total=len(chosen), unit="photos") as progress:
        for uri in chosen:
            try:
                photo = images.decode(images.read(uri))
            except ImageError as error:
                log.warning("%s: %s", uri, error)
                progress.advance()
                continue
            squares, pixels = [], pixels + photo.shape[0] * photo.shape[1]
            for row, detector in enumerate(detectors):
                began = time.process_time()
                squares.append(square_of(detector, photo))
                seconds[row] += time.process_time() - began
                found[row] += squares[row] is not None
            if squares[0] is not None and squares[1] is not None:
                away = np.hypot(*(squares[0].corners - squares[1].corners).T) / squares[1].side
                corners.append((away.mean(), away.max()))
            progress.advance()
    if not corners:
        raise EditError(f"{settings.images}: there is no photo in which both detectors found a face")
    mean, most = np.array(corners).T
    figures = {
        "photos": len(chosen),
        "compared": len(corners),
        "corners.mean.median": float(np.median(mean)),
        "corners.mean.95": float(np.quantile(mean, 0.95)),
        "corners.mean.near": float((mean <= NEAR).mean()),
        "corners.farthest.95": float(np.quantile(most, 0.95)),
        "corners.farthest.near": float((most <= NEAR).mean()),
        "megapixels.mean": pixels / len(chosen) / 1e6,
    }
    for name, spent, count in zip(settings.detectors, seconds, found, strict=True):
        figures |= {f"{name}.found": int(count), f"{name}.cpu_ms": 1000 * float(spent) / len(chosen)}
    run.metrics(figures)
    rows = [(name, f"{value:.4f}" if isinstance(value, float) else value) for name, value in figures.items()]
    table = markdown_table(["figure", "value"], rows)
    run.summary("\n".join([f"# {' beside '.join(settings.detectors)}: shares of the square's side", "", *table, ""]))
    print("\n".join(table))


def square_of(detector: "Detector", photo: "np.ndarray") -> "Square | None":
    """Return the square around the largest face of a photo, or None where there is none that is large enough."""
    from beholder.editing.faces.alignment import Square
    from beholder.editing.faces.landmarks import choose

    faces = detector.faces(photo)
    try:
        return Square.around(faces[choose(faces)].points)
    except EditError:
        return None
