"""The sample: portraits, and the judgements of simulated raters, as a folder that `beholder import` reads."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from beholder import images
from beholder.portraits import raters, traits
from beholder.portraits.renderer import draw


@dataclass(frozen=True)
class SampleConfig:
    """How many portraits, and who judges them."""

    portraits: int = 600
    size: int = 128
    seed: int = 31
    quality: int = 88  # of the WebP files
    judges: raters.RatersConfig = field(default_factory=raters.RatersConfig)

    def __post_init__(self) -> None:
        if self.portraits < 2:
            raise ValueError(f"a sample needs at least 2 portraits to compare, not {self.portraits}")


def write_sample(folder: Path, config: SampleConfig) -> None:
    """Write images/*.webp, the spreadsheets, traits.csv (what is true of the portraits) and truth.csv (of the raters)."""
    values = traits.sample(config.portraits, seed=config.seed)
    names = [f"portrait-{number:04d}" for number in range(config.portraits)]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(names, draw(values, config.size), strict=True):
        (folder / "images" / f"{name}.webp").write_bytes(images.encode(pixels, format="WEBP", quality=config.quality))
    frame = pd.DataFrame(values.numpy().round(4), columns=list(traits.NAMES))
    frame.insert(0, "name", names)
    frame.to_csv(folder / "traits.csv", index=False)
    standard = raters.standardised(values)
    people = raters.people(config.judges, standard)
    raters.write(folder, raters.judge(people, standard, names, seed=config.judges.seed), people)
