"""`beholder update`: what the judgements there are now say of images, for a taste that is fitted already.

Nothing is fitted anew: residuals are taken after everybody's taste as it is served, where somebody whom the taste does not know
is first learned from their own judgements, if it can learn; and the image effects take the place of those there.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import ray

from beholder.config import required, setting
from beholder.encoder import EncoderConfig
from beholder.errors import TasteError
from beholder.jobs import _reservation, _workspace_dataset
from beholder.jobs._reservation import ClusterRoom
from beholder.quality.person_weights import JudgementsConfig, read_weights
from beholder.ray_connection import RayConfig, connect
from beholder.runs import Run
from beholder.taste import taste_registry, warm_taste
from beholder.taste.contract import OnlineTaste
from beholder.taste.dataset import JudgementDataset
from beholder.taste.image_effects import ImageEffects
from beholder.taste.person_shards import ShardedPeople
from beholder.taste.shrinkage import ShrunkTaste
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.taste_loadings import TasteLoadings
from beholder.taste.taste_registry import StoredTaste
from beholder.workspace import Workspace


@dataclass(frozen=True)
class UpdateSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder update taste=bayes",
        "beholder update taste=ours encoder_id=mine",
    )
    taste: str = required("the taste's name in the registry")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that the taste was trained with")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    judgements: JudgementsConfig = setting(JudgementsConfig(), "how judgements count")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")


def main(settings: UpdateSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    encoder_id = settings.encoder_id or settings.encoder.encoder_id()
    stored = taste_registry.stored(workspace.models, settings.taste, encoder_id=encoder_id)
    if isinstance(stored.info.people, ShardedPeople):
        raise TasteError(f"taste {settings.taste} knows very many people, and image effects are not learned of so many yet")
    material = _workspace_dataset.from_workspace(
        workspace,
        settings.encoder,
        encoder_id=settings.encoder_id,
        attributes=list(stored.info.attributes),
        takes=stored.info.takes,
    )
    weights = read_weights(settings.judgements, workspace)
    dataset = material.dataset if weights is None else weights.on(material.dataset)
    with connect(settings.ray):
        room, kind = ClusterRoom.now(), TasteConfig(kind="lora" if stored.info.takes == "pixels" else "population")
        reservation = room.reserve(kind, items=material.items.nbytes)
        task: Any = _learn.options(**reservation.options)
        effects, axes = ray.get(task.remote(stored, dataset, ray.put(material.items)))
    taste_registry.write_effects(workspace.models, settings.taste, effects, axes, dataset, seed=0)
    counts = {
        "judgements": len(dataset),
        "people": int((dataset.counts() > 0).sum()),
        "images.judged": len(np.unique(effects.contributions.image)),
    }
    scales = {
        f"{name}/{group}.{key}": value
        for name, scale in zip(dataset.attributes, effects.scales, strict=True)
        for group, values in scale.to_dict().items()
        for key, value in values.items()
    }
    run.metrics(counts | scales)
    said = f"{counts['judgements']:,} judgements of {counts['images.judged']:,} images by {counts['people']:,} people"
    run.summary(f"# {settings.taste}: what others say of images\n\n{said}.\n")
    print(f"{settings.taste}: {said}")


@ray.remote
def _learn(stored: StoredTaste, dataset: JudgementDataset, items: np.ndarray) -> tuple[ImageEffects, TasteLoadings]:
    _reservation.begin()
    return effects_now(stored, dataset, items)


def effects_now(stored: StoredTaste, dataset: JudgementDataset, items: np.ndarray) -> tuple[ImageEffects, TasteLoadings]:
    """Return the effects of images after everybody's taste as it is served; those that the taste was fitted to stay so."""
    taste = stored.load().taste
    new = ~np.isin(np.array(dataset.people), np.array(stored.info.people))
    inner = taste.taste if isinstance(taste, ShrunkTaste) else taste
    if new.any() and isinstance(inner, OnlineTaste):
        learned = inner.learn(dataset.of_people(new), items)
        taste = replace(taste, taste=learned) if isinstance(taste, ShrunkTaste) else learned
    fitted = np.zeros(len(dataset.images), bool)
    if stored.effects is not None:
        known = {image_id for shard in stored.effects.all() for image_id in np.array(shard.images)[shard.fitted].tolist()}
        fitted = np.array([image_id in known for image_id in dataset.images], bool)
    return warm_taste.learn_effects(taste, dataset, items, fitted)
