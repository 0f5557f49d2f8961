"""A warm taste: a person's taste and the effects of images that others have judged, learned after everybody's own tastes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.taste import image_effects, utility_table
from beholder.taste.contract import Normal, Taste, TasteInfo, TasteSettings
from beholder.taste.dataset import JudgementDataset
from beholder.taste.image_effects import ImageEffects, JudgedUtilities
from beholder.taste.taste_loadings import FACTORS, TasteLoadings


def learn_effects(
    taste: Taste, dataset: JudgementDataset, items: np.ndarray, fitted: np.ndarray
) -> tuple[ImageEffects, TasteLoadings]:
    """Return the effects that judgements tell of after people's own tastes, and what a person's loading is found by.

    items: one for each of dataset.images; fitted: those that the taste was fitted to, bool [N]. For a taste that takes pixels
    there are no factors: it would have to look at some images anew for each person who asks.
    """
    factors = 0 if taste.info.takes == "pixels" else FACTORS
    axes = TasteLoadings.learn(taste, dataset.people, items[fitted], factors=factors)
    rows = utility_table.on_rows(taste, items, dataset, dataset.comparisons)
    utilities = JudgedUtilities.of(rows, dataset, np.arange(len(items)))
    return image_effects.learn(dataset, utilities, fitted, axes.of_everybody(taste, dataset.people, dataset.attributes)), axes


class NoTaste:
    """A taste without an opinion, of row numbers: every utility is 0. With effects it is what the crowd says alone."""

    def __init__(self, info: TasteInfo):
        self.info = info

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return zeros, float32 [P, N]."""
        return np.zeros((len(user_ids), len(items)), np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return zeros without a variance."""
        return Normal(np.zeros(len(left), np.float32), np.zeros(len(left), np.float32))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return nothing."""
        return {}

    def settings(self) -> TasteSettings:
        """Return nothing."""
        return {}


@dataclass(frozen=True)
class WarmTaste:
    """A taste of row numbers, int64 [N], whose utilities have the effects of each row added.

    effects: by attribute, float [G, N, W], what G groups of people are served; loadings: by attribute, float [P, W], each person's
    own; row and group: of each person, int64. Somebody else has no effects.
    """

    taste: Taste
    effects: Mapping[str, np.ndarray]
    loadings: Mapping[str, np.ndarray]
    row: Mapping[str, int]
    group: np.ndarray

    @property
    def info(self) -> TasteInfo:
        """Return the cold taste's."""
        return self.taste.info

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return the cold utilities with the effects added, float32 [P, N]."""
        cold = self.taste.utilities(items, user_ids, attribute)
        effects = [self._effect(user_id, attribute, items) for user_id in user_ids]
        return np.asarray(cold + np.array(effects).reshape(cold.shape), np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return the cold differences with those of the effects added.

        The variance stays: the scale of a cold taste allows for effects already, as it is set by judgements that have them.
        """
        cold = self.taste.differences(left, right, user_id, attribute)
        effect = self._effect(user_id, attribute, left) - self._effect(user_id, attribute, right)
        return Normal(np.asarray(cold.mean + effect, np.float32), cold.variance)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return the cold taste's."""
        return self.taste.tensors()

    def settings(self) -> TasteSettings:
        """Return the cold taste's."""
        return self.taste.settings()

    def _effect(self, user_id: str, attribute: str, rows: np.ndarray) -> np.ndarray:
        at = self.row.get(user_id)
        if at is None:
            return np.zeros(len(rows), np.float32)
        return np.asarray(self.effects[attribute][self.group[at]][rows] @ self.loadings[attribute][at])
