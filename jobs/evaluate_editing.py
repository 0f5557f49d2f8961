"""`beholder evaluate editing`: pictures of a folder inverted and edited, in w+ alone and with their detail kept as features.

Figures as papers on inversion report them: L2, MS-SSIM, identity as the cosine of embeddings, FID of embeddings; a contact sheet.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import image_index, images
from beholder.config import required, setting
from beholder.editing import image_metrics
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EditError, ImageError, StorageError, nearest
from beholder.images import ImageLimits
from beholder.jobs import _placement
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.workspace import Workspace

_TOGETHER = 8  # pictures of a task
_IN_W, _FEATURES = "w+", "features"


@dataclass(frozen=True)
class EvaluateEditingSettings:
    common: ClassVar[tuple[str, ...]] = (
        "images",
        "directions",
        "strengths",
        "generator",
        "most",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate editing images=faces",
        "beholder evaluate editing images=faces directions=[smile,older] most=20",
    )
    images: str = required("pictures, a folder, glob, list or prefix; cut out around faces already, as the generator makes them")
    directions: list[str] = setting([], "what pictures are moved along, one direction at a time; none: only inversion is measured")
    strengths: list[float] = setting([1.0], "alphas of every direction")
    generator: str = setting("portraits", "a generator of the workspace, or portraits, which ships with the project")
    editor: StyleGANConfig = setting(StyleGANConfig(), "how pictures are drawn")
    refinement: Refinement = setting(Refinement(steps=0), "how closely pictures are inverted")
    shown: int = setting(8, "pictures on the contact sheet, a row each")
    most: int = setting(0, "pictures to measure, the first of them; 0: all")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings tell identity and FID")
    actors: int = setting(0, "processes that edit; 0 is one per GPU, or one per core where there is no GPU")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    force: bool = setting(False, "take directions that were made for another generator")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if min(self.shown, self.most, self.actors) < 0:
            raise ConfigError(f"shown, most and actors must be 0 or more, got {self.shown}, {self.most} and {self.actors}")
        if self.directions and not self.strengths:
            raise ConfigError("directions need strengths, as in strengths=[1,2]")

    def edits(self) -> list[dict[str, float]]:
        """Return what is drawn of each picture: its inversion first, then every direction at every strength."""
        return [{}, *({name: alpha} for name in self.directions for alpha in self.strengths)]


def main(settings: EvaluateEditingSettings, run: Run) -> None:
    editor = StyleGAN.load(settings.generator, Workspace(settings.workspace), force=settings.force, config=settings.editor)
    for name in settings.directions:
        if name not in editor.directions:
            raise EditError(f"generator {settings.generator} has no direction {name}{nearest(name, list(editor.directions))}")
    listed = image_index.list_images(settings.images, roots=settings.limits.roots).to_pylist()[: settings.most or None]
    items = [
        {"rows": [{**row, "place": start + at} for at, row in enumerate(listed[start : start + _TOGETHER])]}
        for start in range(0, len(listed), _TOGETHER)
    ]
    rows: list[dict[str, Any]] = []
    with connect(settings.ray), Progress("evaluate", total=len(listed), unit="images") as progress:
        for row in _placement.process(
            EditPictures, items, arguments=(settings,), device=settings.editor.device, actors=settings.actors
        ):  # fmt: skip
            rows.append(row)
            progress.advance(row["first"])
    report(settings, run, sorted(rows, key=lambda row: (row["place"], row["way"], row["edit"])), len(listed))


_SHOWN = 256  # pixels of a picture on the contact sheet, at most


class EditPictures:
    """A worker: pictures -> a row of figures for each way and edit; unreadable pictures are rows with a reason."""

    def __init__(self, threads: int, settings: EvaluateEditingSettings) -> None:
        import torch

        torch.set_num_threads(threads)
        self.settings = settings
        self.editor = StyleGAN.load(settings.generator, Workspace(settings.workspace), force=settings.force, config=settings.editor)
        self.encoder = Encoder.load(settings.encoder)

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for row in item["rows"]:
            about = {"image_id": row["image_id"], "place": row["place"], "first": 1}
            try:
                data = images.read(row["uri"], limits=self.settings.limits)
                pixels = images.decode_fit(data, images.Fit(self.editor.resolution), limits=self.settings.limits)
            except (ImageError, StorageError) as error:
                rows.append({**about, "way": "", "edit": 0, "reason": str(error)})
                continue
            for made in self.measure(pixels, shown=row["place"] < self.settings.shown):
                rows.append({**about, **made})
                about["first"] = 0
        return rows

    def measure(self, pixels: np.ndarray, *, shown: bool) -> list[dict[str, Any]]:
        """Return the figures of one picture, uint8 RGB [R, R, 3]."""
        found, edits = self.editor.inversion(pixels[None], refinement=self.settings.refinement), self.settings.edits()
        ways = {_IN_W: Latent(found.ws)} | ({_FEATURES: found.latent} if any(found.details) else {})
        drawn = {way: self.editor.edit(latent, edits) for way, latent in ways.items()}
        original, *embeddings = self.encoder.images(np.concatenate([pixels[None], *drawn.values()]))
        rows = []
        for way, pictures in drawn.items():
            same = np.broadcast_to(pixels, pictures.shape)
            far, alike = image_metrics.l2(pictures, same), image_metrics.ms_ssim(pictures, same)
            for at, picture in enumerate(pictures):
                embedding = embeddings.pop(0)
                row: dict[str, Any] = {"way": way, "edit": at, "reason": "", "l2": float(far[at]), "ms_ssim": float(alike[at])}
                row |= {"identity": float(original @ embedding), "embedding": embedding, "original": original}
                row["picture"] = _small(picture) if shown else b""
                row["photo"] = _small(pixels) if shown and at == 0 else b""
                rows.append(row)
        return rows


def report(settings: EvaluateEditingSettings, run: Run, rows: list[dict[str, Any]], listed: int) -> None:
    """results.csv and summary.md with a line for each way and edit, metrics, and sheet.jpg."""
    refused = [row for row in rows if row["reason"]]
    for row in refused:
        log.warning("%s is left out: %s", row["image_id"], row["reason"])
    rows = [row for row in rows if not row["reason"]]
    if not rows:
        raise ImageError(f"none of the {listed} images of {settings.images} could be read: {refused[0]['reason']}")
    lines, edits = [], settings.edits()
    for way in sorted({row["way"] for row in rows}, reverse=True):
        for at, edit in enumerate(edits):
            some = [row for row in rows if row["way"] == way and row["edit"] == at]
            line: dict[str, Any] = {"way": way, "direction": next(iter(edit), ""), "strength": next(iter(edit.values()), 0.0)}
            line |= {name: float(np.mean([row[name] for row in some])) for name in ("l2", "ms_ssim", "identity")}
            sets = [np.stack([row[name] for row in some]) for name in ("original", "embedding")]
            line["fid"] = image_metrics.frechet_distance(*sets) if len(some) > 1 else np.nan
            lines.append(line | {"images": len(some)})
    frame = pd.DataFrame(lines)
    run.results(frame)
    count = int(frame["images"].max())
    metrics: dict[str, Any] = {"images": count, "images.refused": len(refused)}
    for line in lines:
        name = f"{line['way']}/{line['direction']}@{line['strength']:g}" if line["direction"] else f"{line['way']}/inversion"
        metrics |= {f"{name}/{key}": line[key] for key in ("l2", "ms_ssim", "identity", "fid")}
    run.metrics(metrics)
    if sheet := _sheet(rows, len(edits)):
        (run.place / "sheet.jpg").write_bytes(sheet)
    cells = [
        (
            line["way"],
            line["direction"] or "inversion",
            f"{line['strength']:g}" if line["direction"] else "",
            *(f"{line[key]:.4f}" for key in ("l2", "ms_ssim", "identity", "fid")),
        )
        for line in lines
    ]
    table = markdown_table(["way", "edit", "alpha", "L2", "MS-SSIM", "identity", "FID"], cells, align="llrrrrr")
    notes = [
        f"{count} pictures by generator {settings.generator}, compared with the pictures they were made of. L2: mean squared "
        "difference of values in -1..1. Identity: cosine of embeddings, and FID: Fréchet distance of the same embeddings, by "
        f"{settings.encoder.encoder_id()}; neither is comparable with figures by ArcFace or Inception. LPIPS is left out: its "
        "weights come inside no package.",
    ]
    if _FEATURES not in {row["way"] for row in rows}:
        notes.append(f"Generator {settings.generator} has no feature networks: w+ alone was measured.")
    run.summary("\n".join([f"# Editing of {settings.images}", "", *table, "", *notes, ""]))
    print("\n".join(table))


def _small(pixels: np.ndarray) -> bytes:
    """A picture as a file for the contact sheet."""
    return images.encode(images.fit_pixels(pixels, images.Fit(min(_SHOWN, len(pixels)))))


def _sheet(rows: list[dict[str, Any]], edits: int) -> bytes | None:
    """A line for each picture that is shown: itself, then every edit, in w+ above and with features below it."""
    lines = []
    for place in sorted({row["place"] for row in rows}):
        some = [row for row in rows if row["place"] == place and row["picture"]]
        for way in sorted({row["way"] for row in some}, reverse=True):
            own = [row for row in some if row["way"] == way]
            if len(own) == edits:
                lines.append(
                    np.concatenate([images.decode(own[0]["photo"]), *(images.decode(row["picture"]) for row in own)], axis=1)
                )
    return images.encode(np.concatenate(lines), format="JPEG", quality=90) if lines else None
