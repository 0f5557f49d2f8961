"""Every kind of taste by name: fitted, loaded, and rid of a person."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError, TasteError, nearest
from beholder.taste import bayes, ensemble, lora, mlp, population
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.contract import Progress, Taste, TasteInfo, TasteKind, TasteSettings, no_progress
from beholder.taste.dataset import JudgementDataset
from beholder.taste.ensemble import EnsembleConfig
from beholder.taste.lora import LoraConfig
from beholder.taste.mlp import MlpConfig
from beholder.taste.pixel_taste import CachedEncoder, FromPixels
from beholder.taste.population import PopulationConfig
from beholder.taste.training import TrainingHooks


@dataclass(frozen=True)
class TasteConfig:
    """Which kind of taste, and the settings of each kind."""

    kind: str = setting("bayes", "population, bayes, mlp, ensemble or lora")
    population: PopulationConfig = setting(PopulationConfig(), "the taste that everybody shares")
    bayes: BayesTasteConfig = setting(BayesTasteConfig(), "a Gaussian posterior per person")
    mlp: MlpConfig = setting(MlpConfig(), "a network on frozen embeddings")
    ensemble: EnsembleConfig = setting(EnsembleConfig(), "a weighted sum of other tastes")
    lora: LoraConfig = setting(LoraConfig(), "CLIP with LoRA and a token per person")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"taste.kind={self.kind} is no kind of taste{nearest(self.kind, list(KINDS))}")


class NetworkKind(TasteKind, Protocol):
    """A kind that `training.fit` fits, on one worker or many."""

    def fit(
        self,
        train: JudgementDataset,
        held_out: JudgementDataset,
        items: np.ndarray,
        config: Any,
        *,
        encoder_id: str,
        seed: int,
        progress: Progress,
        hooks: TrainingHooks | None = None,
    ) -> Taste:
        """Fit a taste as `TasteKind.fit` does. hooks: how the training loop runs."""


class Ensemble:
    """The kind whose parts are tastes of the other kinds: its config is the whole TasteConfig, which has those of the parts."""

    def fit(
        self,
        train: JudgementDataset,
        held_out: JudgementDataset,
        items: np.ndarray,
        config: TasteConfig,
        *,
        encoder_id: str,
        seed: int,
        progress: Progress,
    ) -> Taste:
        names = config.ensemble.parts
        parts: list[Taste] = []
        for number, name in enumerate(names):

            def part_progress(step: int, steps: int, figures: dict[str, float], done: int = number) -> None:
                progress(done * steps + step, len(names) * steps, figures)

            part = replace(config, kind=name)
            parts.append(fit(train, held_out, items, part, encoder_id=encoder_id, seed=seed, progress=part_progress))
        return ensemble.fit(parts, held_out, items, seed=seed)

    def load(self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Taste:
        return ensemble.load(info, tensors, settings, load)

    def without_person(
        self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
    ) -> tuple[dict[str, np.ndarray], TasteSettings]:
        return ensemble.without_person(tensors, settings, user_id, forget)


NETWORKS: dict[str, NetworkKind] = {"mlp": mlp, "lora": lora}
KINDS: dict[str, TasteKind] = {"population": population, "bayes": bayes, **NETWORKS, "ensemble": Ensemble()}
PIXEL_KINDS = ("lora",)  # the kinds that take pixels
QUESTION_KINDS = ("lora",)  # the kinds that take any words for an attribute


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: TasteConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = no_progress,
    hooks: TrainingHooks | None = None,
) -> Taste:
    """Fit a taste to `train`; `held_out` only chooses (when to stop, which setting).

    items: one row for each of train.images; a kind that takes embeddings is fitted to pixels through the encoder of config.lora.
    hooks: for NETWORKS only, how the training loop runs.
    """
    if items.ndim == 4 and config.kind not in PIXEL_KINDS:
        encoder = CachedEncoder(config.lora.encoder)
        inner = fit(train, held_out, encoder(items), config, encoder_id=encoder_id, seed=seed, progress=progress, hooks=hooks)
        return FromPixels(inner, encoder)
    if config.kind in NETWORKS:
        own = getattr(config, config.kind)
        network = NETWORKS[config.kind]
        return network.fit(train, held_out, items, own, encoder_id=encoder_id, seed=seed, progress=progress, hooks=hooks)
    own = config if config.kind == "ensemble" else getattr(config, config.kind)
    return KINDS[config.kind].fit(train, held_out, items, own, encoder_id=encoder_id, seed=seed, progress=progress)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Taste:
    """Rebuild a taste from what `tensors()` and `settings()` gave. Raises TasteError for an unknown kind."""
    return _kind(info).load(info, tensors, settings)


def forget(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[TasteInfo, dict[str, np.ndarray], TasteSettings]:
    """Return a taste as it is stored, without a person: what was theirs alone is gone, everybody else's stays as it was.

    What all people share was learned from theirs too, and keeps it; only a new fit is wholly without.
    """
    if user_id not in info.people:
        return info, dict(tensors), dict(settings)
    left = replace(info, people=tuple(known for known in info.people if known != user_id))
    return left, *_kind(info).without_person(info, tensors, settings, user_id)


def _kind(info: TasteInfo) -> TasteKind:
    if info.kind not in KINDS:
        raise TasteError(f"{info.kind!r} is no kind of taste{nearest(info.kind, list(KINDS))}")
    return KINDS[info.kind]
