"""`beholder build portraits`: train every network of the portrait world again, and draw the sample; resumable."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pandas as pd

from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig, untrained
from beholder.errors import ConfigError
from beholder.progress import Progress
from beholder.runs import Run, log
from beholder.workspace import Workspace


@dataclass(frozen=True)
class BuildPortraitsSettings:
    common: ClassVar[tuple[str, ...]] = (
        "parts",
        "effort",
        "start",
        "resolution",
        "measure",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder build portraits effort=0.01",
        "beholder build portraits parts=[clip] start=networks",
    )
    parts: list[str] = setting(
        ["reader", "generator", "directions", "inverter", "features", "clip", "sample"], "what to build, of these, in this order"
    )
    effort: float = setting(1.0, "multiplies the steps of every training; 0.001 only shows that it runs")
    pool: int = setting(40_000, "portraits drawn for training")
    threads: int = setting(0, "torch threads; 0: as many as torch likes")
    start: str | None = setting(None, "weights of a generator to go on from: it is only finished, not trained from nothing")
    resolution: int = setting(512, "pixels of the generator's pictures: 128, 256 or 512; a later build goes on to larger ones")
    measure: bool = setting(True, "measure what was built and put the figures on the cards")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP to train; its weights are not read")
    common_taste: float = setting(
        0.0, "of the sample's raters: share of what is their own that is the same for every attribute; the sample that ships has 0"
    )
    workspace: str = setting("workspace", "a folder: the pool, checkpoints, weights and the sample go to <workspace>/portraits")

    def __post_init__(self) -> None:
        known = {"reader", "generator", "directions", "inverter", "features", "clip", "sample"}
        if unknown := set(self.parts) - known:
            raise ConfigError(f"parts: {', '.join(sorted(unknown))} can't be built; known: {', '.join(sorted(known))}")
        if self.resolution not in (128, 256, 512):
            raise ConfigError(f"resolution must be 128, 256 or 512, got {self.resolution}")
        if self.effort <= 0 or self.pool < 1200:
            raise ConfigError(f"effort must be above 0 and pool at least 1200, got {self.effort} and {self.pool}")


def main(settings: BuildPortraitsSettings, run: Run) -> None:
    import torch

    from beholder.editing import pretrained
    from beholder.portraits import reader
    from beholder.portraits.builder import BuildConfig, Builder, add_figures
    from beholder.portraits.raters import RatersConfig
    from beholder.portraits.sample import SampleConfig, write_sample

    if settings.threads:
        torch.set_num_threads(settings.threads)
    place = Workspace(settings.workspace).place / "portraits"
    if not place.is_local:
        raise ConfigError(f"workspace={settings.workspace}: portraits are built in a local folder")
    keep, out = Path(place.path), Path(place.path) / "weights"
    config = BuildConfig().scaled(settings.effort)
    config = replace(
        config, pool=replace(config.pool, count=settings.pool), finish=replace(config.finish, until=settings.resolution)
    )
    builder = Builder(keep, out, config, show=lambda part: PortraitSteps(part).said)
    if "reader" in settings.parts:
        builder.reader()
    if "generator" in settings.parts:
        builder.generator(Path(settings.start) if settings.start else None)
    if "directions" in settings.parts:
        builder.directions(pretrained.generator(_at(out, pretrained.GENERATOR)), reader.load_reader(_at(out, reader.READER)))
    if "inverter" in settings.parts:
        builder.inverter(pretrained.generator(_at(out, pretrained.GENERATOR)))
    if "features" in settings.parts:
        builder.features(
            pretrained.generator(_at(out, pretrained.GENERATOR)),
            pretrained.inverter(_at(out, pretrained.INVERTER)),
            reader.load_reader(_at(out, reader.READER)),
            pretrained.directions(_at(out, pretrained.DIRECTIONS)),
        )
    if "clip" in settings.parts:
        builder.clip(*untrained(settings.encoder))
    if "sample" in settings.parts:
        write_sample(keep / "sample", SampleConfig(judges=RatersConfig(common=settings.common_taste)))
    figures = _figures(out, settings) if settings.measure else {}
    if figures:
        add_figures(out, figures)
    sizes = {path.stem: path.stat().st_size for path in sorted(out.glob("*.safetensors"))}
    run.metrics(figures | {f"bytes/{name}": size for name, size in sizes.items()} | {"bytes": sum(sizes.values())})
    run.results(pd.DataFrame({"weights": list(sizes), "bytes": list(sizes.values())}))
    lines = [f"- {name}: {size / 1e6:.2f} MB" for name, size in sizes.items()]
    run.summary("\n".join(["# Portraits, built", "", f"In {keep}.", "", *lines, ""]))
    log.info("built %s in %s", ", ".join(settings.parts), keep)


class PortraitSteps:
    """A part's progress: a bar that is opened at its first figures and closed at its last."""

    def __init__(self, part: str):
        self.part = part
        self.bar: Progress | None = None

    def said(self, step: int, steps: int, figures: dict[str, float]) -> None:
        if self.bar is None:
            self.bar = Progress(self.part, total=steps, unit="steps").__enter__()
        self.bar.advance(step - self.bar.done)
        log.info("%s %d/%d %s", self.part, step, steps, " ".join(f"{name}={value:.4f}" for name, value in figures.items()))
        if step == steps:
            self.bar.__exit__()


def _at(out: Path, name: str) -> Path:
    return out / f"{name}.safetensors"


def _figures(out: Path, settings: BuildPortraitsSettings) -> dict[str, float]:
    """Everything measured on fresh draws, where all parts are there."""
    from beholder.editing import pretrained
    from beholder.portraits import reader
    from beholder.portraits.evaluation import EvaluationConfig, Networks, measure

    names = (pretrained.GENERATOR, pretrained.INVERTER, reader.READER, pretrained.DIRECTIONS, pretrained.CLIP)
    if not all(_at(out, name).is_file() for name in names):
        return {}
    generator, features = pretrained.generator(_at(out, pretrained.GENERATOR)), _at(out, pretrained.FEATURES)
    networks = Networks(
        generator,
        pretrained.inverter(_at(out, pretrained.INVERTER)),
        reader.load_reader(_at(out, reader.READER)),
        pretrained.directions(_at(out, pretrained.DIRECTIONS)),
        Encoder.load(replace(settings.encoder, weights=str(_at(out, pretrained.CLIP)))),
        pretrained.features(generator, features) if features.is_file() else None,
    )
    return measure(networks, EvaluationConfig())
