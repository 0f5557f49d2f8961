"""`beholder evaluate portraits`: what the shipped networks of the portrait world reach on fresh draws."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log

if TYPE_CHECKING:
    from beholder.portraits.evaluation import Networks


@dataclass(frozen=True)
class EvaluatePortraitsSettings:
    common: ClassVar[tuple[str, ...]] = (
        "parts",
        "portraits",
        "edited",
        "inverted",
        "sheets",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate portraits",
        "beholder evaluate portraits parts=[clip] portraits=200",
    )
    parts: list[str] = setting(
        ["clip", "generator", "inverter", "features", "directions", "edits", "speed"], "what to measure, of these"
    )
    portraits: int = setting(500, "fresh portraits that CLIP, generator and reader are measured on")
    edited: int = setting(200, "portraits that every direction is tried on")
    inverted: int = setting(40, "portraits that are inverted, once in one pass and once refined")
    detailed: int = setting(24, "portraits with detail drawn over them that features are measured on")
    refinement_steps: int = setting(50, "steps of a refined inversion")
    seed: int = setting(2_000_003, "of the draws")
    weights: str | None = setting(None, "a folder of weights to measure instead of the shipped ones")
    cards: bool = setting(False, "put the figures on the cards of these weights")
    sheets: str | None = setting(None, "a folder for contact sheets: drawings beside generated portraits, and every direction")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is measured")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.cards and self.weights is None:
            raise ConfigError("cards=true needs weights=FOLDER: the shipped cards are not written over")
        known = ["clip", "generator", "inverter", "features", "directions", "edits", "speed"]
        if unknown := set(self.parts) - set(known):
            raise ConfigError(f"parts: {', '.join(sorted(unknown))} can't be measured; known: {', '.join(known)}")
        if self.portraits < 100 or min(self.edited, self.inverted, self.detailed) < 4:
            raise ConfigError("expected portraits >= 100, edited, inverted and detailed >= 4")


def main(settings: EvaluatePortraitsSettings, run: Run) -> None:
    from beholder.editing.inversion import Refinement
    from beholder.portraits.builder import add_figures
    from beholder.portraits.evaluation import GOALS, EvaluationConfig, measure, reached

    networks = load(settings)
    config = EvaluationConfig(
        settings.portraits,
        settings.edited,
        settings.inverted,
        settings.detailed,
        settings.seed,
        Refinement(settings.refinement_steps),
    )
    with Progress("evaluate", total=len(settings.parts), unit="parts") as progress:
        figures = measure(networks, config, parts=settings.parts, progress=lambda part: progress.advance())
    run.metrics(figures)
    run.results(pd.DataFrame({"figure": list(figures), "value": list(figures.values())}))
    goals = reached(figures)
    rows = [(name, f"{figures[name]:.4f}", " ".join(map(str, GOALS[name])), _said(ok)) for name, ok in goals.items()]
    rows += [
        (f"{name}, portraits/s", f"{value:.0f}", "", "")
        for name, value in figures.items()
        if name.startswith("speed/") and name not in goals
    ]
    table = markdown_table(["figure", "value", "goal", ""], rows)
    run.summary("\n".join(["# The portrait world, measured", "", *table, ""]))
    log.info("%d of %d goals reached", sum(goals.values()), len(goals))
    print("\n".join(table))
    if settings.cards:
        add_figures(Path(str(settings.weights)), figures)
    if settings.sheets:
        _write_sheets(Path(settings.sheets), networks, settings.seed)


def load(settings: EvaluatePortraitsSettings) -> "Networks":
    """The networks to be measured: shipped, or those of a folder."""
    from dataclasses import replace

    from beholder.editing import pretrained
    from beholder.portraits import reader
    from beholder.portraits.evaluation import Networks

    def at(name: str) -> Path | None:
        return Path(settings.weights) / f"{name}.safetensors" if settings.weights else None

    clip = settings.encoder
    if settings.weights:
        clip = replace(clip, weights=str(at(pretrained.CLIP)))
    generator, features = pretrained.generator(at(pretrained.GENERATOR)), at(pretrained.FEATURES)
    return Networks(
        generator,
        pretrained.inverter(at(pretrained.INVERTER)),
        reader.load_reader(at(reader.READER)),
        pretrained.directions(at(pretrained.DIRECTIONS)),
        Encoder.load(clip),
        pretrained.features(generator, features) if features is None or features.is_file() else None,
    )


def _said(reached: bool) -> str:
    return "reached" if reached else "missed"


def _write_sheets(folder: Path, networks: "Networks", seed: int) -> None:
    from beholder import images
    from beholder.portraits import contact_sheets, feature_evaluation

    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "drawings": contact_sheets.drawings(seed=seed),
        "generated": contact_sheets.beside(networks.generator, seed=seed),
        "directions": contact_sheets.rows(networks.generator, networks.directions, seed=seed),
    }
    if networks.features is not None:
        pages["detail"] = feature_evaluation.detail_sheet(
            networks.generator, networks.inverter, networks.features, networks.directions, seed=seed
        )
    for name, pixels in pages.items():
        (folder / f"portraits-{name}.jpg").write_bytes(images.encode(pixels, format="JPEG", quality=88))
