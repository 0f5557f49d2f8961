"""Kinds: the one place that knows every kind of taste, to fit and to load by name."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError, TasteError, nearest
from beholder.taste import ensemble
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.contract import Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset
from beholder.taste.ensemble import EnsembleConfig
from beholder.taste.lora import LoraConfig
from beholder.taste.mlp import MlpConfig
from beholder.taste.pixel_taste import CachedEncoder, FromPixels
from beholder.taste.population import PopulationConfig
from beholder.taste.training import TrainingHooks

KINDS = ("population", "bayes", "mlp", "blend", "lora")
NETWORKS = ("mlp", "lora")  # the kinds that the training loop fits, on one worker or many
LOOKING = ("lora",)  # the kinds that take pixels
WORDS = ("lora",)  # the kinds that take any words for an attribute
Progress = Callable[[int, int, dict[str, float]], None]  # step, steps, figures


@dataclass(frozen=True)
class TasteConfig:
    """Which kind, and the knobs of each."""

    kind: str = setting("bayes", "population, bayes, mlp, blend or lora")
    population: PopulationConfig = setting(PopulationConfig(), "nobody's taste")
    bayes: BayesTasteConfig = setting(BayesTasteConfig(), "a Gaussian posterior per person")
    mlp: MlpConfig = setting(MlpConfig(), "a network on frozen embeddings")
    blend: EnsembleConfig = setting(EnsembleConfig(), "a weighted sum of other tastes")
    lora: LoraConfig = setting(LoraConfig(), "CLIP with adapters and a token per person")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"taste.kind={self.kind} is no kind of taste{nearest(self.kind, list(KINDS))}")


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: TasteConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = lambda step, steps, figures: None,
    driver: TrainingHooks | None = None,
) -> Taste:
    """Fit a taste to `train`; `held_out` only chooses (when to stop, which setting).

    items: one row for each of train.images; a kind that takes embeddings is fitted to pixels through the encoder of config.lora.
    driver: for NETWORKS only, how the training loop runs.
    """
    if items.ndim == 4 and config.kind not in LOOKING:
        eyes = CachedEncoder(config.lora.encoder)
        inner = fit(train, held_out, eyes(items), config, encoder_id=encoder_id, seed=seed, progress=progress, driver=driver)
        return FromPixels(inner, eyes)
    if config.kind == "blend":
        names = config.blend.parts
        parts: list[Taste] = []
        for number, name in enumerate(names):

            def tell(step: int, steps: int, figures: dict[str, float], done: int = number) -> None:
                progress(done * steps + step, len(names) * steps, figures)

            part = replace(config, kind=name)
            parts.append(fit(train, held_out, items, part, encoder_id=encoder_id, seed=seed, progress=tell))
        return ensemble.fit(parts, held_out, items, seed=seed)
    module = importlib.import_module(f"beholder.taste.{config.kind}")
    own = getattr(config, config.kind)
    more = {"driver": driver} if driver is not None else {}
    found: Taste = module.fit(train, held_out, items, own, encoder_id=encoder_id, seed=seed, progress=progress, **more)
    return found


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Taste:
    """Rebuild a taste from what `tensors()` and `settings()` gave. Raises TasteError for an unknown kind."""
    if info.kind not in KINDS:
        raise TasteError(f"{info.kind!r} is no kind of taste{nearest(info.kind, list(KINDS))}")
    if info.kind == "blend":
        return ensemble.load(info, tensors, settings, load)
    found: Taste = importlib.import_module(f"beholder.taste.{info.kind}").load(info, tensors, settings)
    return found


def forget(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[TasteInfo, dict[str, np.ndarray], dict[str, Any]]:
    """A taste as it is written down, without a person: what was theirs alone is gone, everybody else's stays as it was.

    What all people share was learned from theirs too, and keeps it; only a new fit is wholly without.
    """
    if user_id not in info.people:
        return info, dict(tensors), dict(settings)
    row = info.people.index(user_id)
    left = replace(info, people=info.people[:row] + info.people[row + 1 :])
    if info.kind == "blend":
        return left, *ensemble.without(tensors, settings, forget, user_id)
    module = importlib.import_module(f"beholder.taste.{info.kind}")
    if info.kind == "mlp":
        return left, module.without(tensors, row, settings), dict(settings)
    return left, module.without(tensors, row) if hasattr(module, "without") else dict(tensors), dict(settings)
