"""`beholder directions`: the directions of a generator, listed and drawn from their low to their high end; what was published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from beholder import images, plots
from beholder.commands import _photo_input
from beholder.config import setting
from beholder.errors import ConfigError, EditError, nearest
from beholder.progress import Progress
from beholder.runs import Run
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from beholder.editing.directions import Direction
    from beholder.editing.stylegan import StyleGAN

ALPHAS = (-3, -2, -1, 0, 1, 2, 3)


@dataclass(frozen=True)
class DirectionsSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder directions",
        "beholder directions draw=smile,glasses out=directions.png",
        "beholder directions catalogue=ffhq",
    )
    generator: str = setting("portraits", "whose directions")
    draw: str | None = setting(None, 'draw them from -3 to 3: "all", or names with commas between')
    out: str | None = setting(None, "with draw: where the picture goes, a .png, .jpg or .webp file; null: into the run folder")
    seeds: list[int] = setting([48, 7, 12, 33], "the pictures they are drawn on; of all together only the first")
    catalogue: str | None = setting(None, "instead: what was published for ffhq or car, and which file holds it")
    force: bool = setting(False, "take directions that were made for another generator")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("seeds must name at least one picture, such as seeds=[7]")
        if self.catalogue is not None and self.draw is not None:
            raise ConfigError("draw goes with generator=NAME; a catalogue has no vectors")
        if self.out is not None:
            if self.draw is None:
                raise ConfigError("out is where drawn directions go: give draw=all, or draw=smile,glasses")
            _photo_input.check_out(self.out, tuple(_photo_input.FORMATS))

    @property
    def run_folder(self) -> str:
        """A list is printed alone; a picture goes where it should."""
        return "found" if self.draw is None else "always" if self.out is None else "existing"


def main(settings: DirectionsSettings, run: Run) -> None:
    if settings.catalogue is not None:
        _print_catalogue(settings.catalogue, run)
        return
    from beholder.editing.stylegan import StyleGAN

    editor = StyleGAN.load(settings.generator, Workspace(settings.workspace), force=settings.force)
    table = listed(editor.directions)
    run.metrics({"directions": len(table)})
    run.results(table)
    if table.empty:
        print(f"{settings.generator} has no directions yet; beholder directions import and beholder directions learn bring some")
        return
    text = _columns(table)
    run.summary(f"# Directions of {settings.generator}\n\n```\n{text}\n```\n")
    print(text)
    if settings.draw is not None:
        _draw(settings, editor, _chosen(settings.draw, list(editor.directions)), run)


def listed(directions: "Mapping[str, Direction]") -> pd.DataFrame:
    """A row for each direction."""
    rows = [
        {
            "name": each.name,
            "space": each.space,
            "layers": f"{each.layers[0]}..{each.layers[1] - 1}",
            "alpha": f"{each.range[0]:g}..{each.range[1]:g}",
            "step": f"{each.scale:.3g}",
            "labels": _arrow(each.labels),
        }
        for each in directions.values()
    ]
    return pd.DataFrame(rows, columns=["name", "space", "layers", "alpha", "step", "labels"])


def _arrow(labels: tuple[str, str]) -> str:
    return " -> ".join(end or "?" for end in labels) if any(labels) else ""


def _columns(table: pd.DataFrame) -> str:
    """A table as text, each column as wide as it needs."""
    rows = [list(table.columns), *table.astype(str).values.tolist()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _chosen(draw: str, known: Sequence[str]) -> list[str]:
    if draw == "all":
        return list(known)
    names = [name.strip() for name in draw.split(",")]
    for name in names:
        if name not in known:
            raise EditError(f"draw: {name!r} is not a direction{nearest(name, list(known))}")
    return names


def _draw(settings: DirectionsSettings, editor: "StyleGAN", names: Sequence[str], run: Run) -> None:
    """One picture with all of `names` on the first portrait, and for each of a few one with all portraits."""
    latent = editor.generate(settings.seeds)
    few = len(names) <= 3
    shown = range(len(latent)) if few else range(1)
    rows = []
    with Progress("draw", total=len(names) * len(shown) * len(ALPHAS), unit="pictures") as progress:
        for name in names:
            about = editor.directions[name]
            means = "\n".join(f"{sign} {end}" for sign, end in zip("−+", about.labels, strict=True) if end)
            for row in shown:
                rows.append((name, means, editor.edit(latent[row], [{name: alpha} for alpha in ALPHAS])))
                progress.advance(len(ALPHAS))
    title = f"{settings.generator}: {'directions' if len(names) > 1 else names[0]} by alpha"
    place = plots.save(run.place, "directions" if len(names) > 1 else names[0], plots.strips(rows, ALPHAS, title=title))
    if settings.out is not None:
        _photo_input.save(settings.out, images.decode(place.read_bytes()))
    print(settings.out or place.uri)


def _print_catalogue(domain: str, run: Run) -> None:
    from beholder.editing.directions import published

    if domain not in published.CATALOGUE:
        raise ConfigError(f"catalogue={domain}: there is none{nearest(domain, list(published.CATALOGUE))}")
    table = pd.DataFrame(
        [
            {
                "name": each.name,
                "family": each.family,
                "published": f"{each.range[0]:g}..{each.range[1]:g}" if each.range else "?",
                "bring": each.file or "nothing",
                "where": each.where,
                "labels": _arrow(each.labels),
                "sign": "not published" if each.source == "none" else each.source,
            }
            for each in published.CATALOGUE[domain]
        ]
    )
    run.metrics({"directions": len(table)})
    run.results(table)
    text = _columns(table)
    run.summary(f"# Published directions for {domain}\n\n```\n{text}\n```\n")
    print(text)
    print()
    for source, said in published.SOURCES.items():
        print(f"sign {'not published' if source == 'none' else source}: {said}")
    if domain == "ffhq":
        print(f"\nNot vectors, so not among these: StyleCLIP's mappers ({', '.join(published.MAPPERS)})")
        print("Any text: format=styleclip with fs3.npy, S_mean_std and two texts")
    print(f"\nbeholder directions import catalogue={domain} name=NAME generator=NAME file=FILE")
