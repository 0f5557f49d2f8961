"""The sample: portraits, and the judgements of simulated raters, as a folder that `beholder import` reads.

Its people can look at other pictures, too, and choose by the taste that is known of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from beholder import images
from beholder.errors import ConfigError, nearest
from beholder.portraits import raters, reader, traits
from beholder.portraits.reader import Reader
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


class SimulatedPerson:
    """A simulated person. weights: what each standardised trait is worth to them, float [T]; mean, deviation [T]: of the traits."""

    def __init__(self, user_id: str, weights: np.ndarray, mean: np.ndarray, deviation: np.ndarray, reader: Reader) -> None:
        self.user_id, self.weights, self.mean, self.deviation, self.reader = user_id, weights, mean, deviation, reader

    @classmethod
    def of_sample(cls, folder: Path, user_id: str, *, attribute: str) -> "SimulatedPerson":
        """One of a sample's people, as truth.csv and traits.csv tell of them. Raises ConfigError for somebody it does not know."""
        known = pd.read_csv(folder / "truth.csv").query("moment == 'first'")
        mine = known[(known["user_id"] == user_id) & (known["attribute"] == attribute)]
        if mine.empty:
            names = [*known["user_id"].unique(), *raters.ATTRIBUTES]
            wrong = attribute if user_id in set(known["user_id"]) else user_id
            raise ConfigError(f"the sample's people don't include {wrong}{nearest(wrong, names)}")
        known_traits = pd.read_csv(folder / "traits.csv")[list(traits.NAMES)].to_numpy(np.float64)
        weights = mine[list(traits.NAMES)].to_numpy(np.float64)[0]
        return cls(user_id, weights, known_traits.mean(axis=0), np.maximum(known_traits.std(axis=0), 1e-9), reader.load_reader())

    @torch.no_grad()
    def utilities(self, pixels: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """How much they like pictures, uint8 RGB [N, R, R, 3]: float64 [N], of spread about 1 over portraits."""
        rgb = torch.from_numpy(np.stack(list(pixels))).permute(0, 3, 1, 2).float() / 127.5 - 1
        read = self.reader(rgb).double().numpy()
        found: np.ndarray = ((read - self.mean) / self.deviation) @ self.weights
        return found

    def choose(self, left: np.ndarray, right: np.ndarray) -> str:
        """left or right, of two pictures uint8 RGB [R, R, 3]: the one they like better, without noise."""
        both = self.utilities([left, right])
        return "left" if both[0] >= both[1] else "right"
