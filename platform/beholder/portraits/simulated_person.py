"""Visitors: the sample's simulated people looking at pictures that others made, and choosing by the taste that is known of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from beholder.errors import ConfigError, nearest
from beholder.portraits import raters, reader
from beholder.portraits.reader import Reader
from beholder.portraits.traits import NAMES


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
        traits = pd.read_csv(folder / "traits.csv")[list(NAMES)].to_numpy(np.float64)
        weights = mine[list(NAMES)].to_numpy(np.float64)[0]
        return cls(user_id, weights, traits.mean(axis=0), np.maximum(traits.std(axis=0), 1e-9), reader.load_reader())

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
