"""Tastes in a workspace, models/<name>/ with taste-<digest>.safetensors and the card.json that names it.

The card is what counts: a taste takes the place of another in the moment its card is written, and not half of it before. Where
people are very many, the card names a folder beside it with their shards (`person_shards`); neither card nor tensors know anybody.
What people's judgements say of images lies in a folder of its own (`effect_shards`), which the card names as well.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder import artifacts
from beholder.errors import ArtifactError, TasteError, nearest
from beholder.storage import Place
from beholder.taste import bayes
from beholder.taste.bayes import BayesTaste
from beholder.taste.contract import Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset
from beholder.taste.effect_shards import EffectShards
from beholder.taste.image_effects import ImageEffects
from beholder.taste.person_shards import PersonShards, ShardedPeople, ShardedTrust
from beholder.taste.shrinkage import ShrunkTaste, Weights
from beholder.taste.taste_loadings import TasteLoadings


@dataclass(frozen=True)
class RegisteredTaste:
    """A taste in the registry, as it is served (shrunk by its card's trust), and its card: about, settings, figures, config, ...

    effects: of images, by what people said of them; None where they were not learned.
    """

    name: str
    taste: Taste
    card: dict[str, Any]
    effects: EffectShards | None = None


@dataclass(frozen=True)
class StoredTaste:
    """A taste as it lies in the registry: what a process can be sent that is to load it."""

    name: str
    info: TasteInfo
    tensors: dict[str, np.ndarray]
    card: dict[str, Any]
    effects: EffectShards | None = None

    def load(self, *, device: str | None = None) -> RegisteredTaste:
        """Return the taste, ready to be asked. device: of an image tower in it, in place of the one that its settings name.

        Raises TasteError where its tensors and settings don't fit each other.
        """
        settings = self.card["settings"]
        if device is not None and "encoder" in settings:
            settings = settings | {"encoder": settings["encoder"] | {"device": device}}
        if isinstance(self.info.people, ShardedPeople):
            shards = self.info.people.shards
            sharded = bayes.load(replace(self.info, people=()), self.tensors, settings).with_shards(shards)
            weights = {attribute: ShardedTrust(shards, row) for row, attribute in enumerate(self.info.attributes)}
            return RegisteredTaste(self.name, ShrunkTaste(sharded, weights), self.card, self.effects)
        from beholder.taste import taste_factory  # and torch with it, which those who ask for names and cards do without

        taste = taste_factory.load(self.info, self.tensors, settings)
        served = ShrunkTaste(taste, self.card["trust"]) if self.card.get("trust") else taste
        return RegisteredTaste(self.name, served, self.card, self.effects)


def write(
    models: Place,
    name: str,
    taste: Taste,
    *,
    figures: dict[str, float],
    config: dict[str, Any],
    commit: str | None,
    trust: Weights | None = None,
) -> Place:
    """Put a taste into the registry under a name, in the place of one of that name.

    trust: how far each person is to be served their own taste, as `shrinkage.weigh` returns it.
    """
    card = _new_card(taste, figures, config, commit) | {"trust": trust or {}}
    return artifacts.replace(models / name, "taste", taste.tensors(), card)


def write_sharded(
    models: Place,
    name: str,
    taste: BayesTaste,
    shards: PersonShards,
    *,
    figures: dict[str, float],
    config: dict[str, Any],
    commit: str | None,
) -> Place:
    """Put a taste that knows nobody into the registry, with the shards of the people that it is to know; they lie in its folder."""
    card = _new_card(taste, figures, config, commit) | {"people": shards.card()}
    return artifacts.replace(models / name, "taste", taste.tensors(), card, keep=[shards.folder.name])


def write_effects(
    models: Place, name: str, effects: ImageEffects, axes: TasteLoadings, dataset: JudgementDataset, *, seed: int
) -> EffectShards:
    """Put the effects of images into the folder of a taste, in the place of those there; dataset: names their numbers."""
    digest = hashlib.sha256()
    for column in (effects.fitted, *vars(effects.contributions).values()):
        digest.update(np.ascontiguousarray(column).tobytes())
    folder, card = models / name, artifacts.read_card(models / name / artifacts.CARD)
    place = folder / f"effects-{digest.hexdigest()[:16]}"
    shards = EffectShards.write(place, effects, axes, dataset.images, dataset.people, dataset.attributes, seed=seed)
    artifacts.write_card(folder / artifacts.CARD, card | {"effects": shards.card()})
    for entry in folder.files():
        old = entry.path.partition("/")[0]
        if old.startswith("effects-") and old != place.name:
            (folder / entry.path).delete()
    return shards


def forget(models: Place, user_id: str) -> list[str]:
    """Take a person out of every taste that knows them; return the names of these.

    What people share was learned from them too, and stays.
    """
    changed = []
    for name in names(models):
        card, info = _card(models, name)
        effects = _effects(models / name, card)
        judged = effects is not None and effects.without_person(user_id)
        if user_id not in info.people:
            changed += [name] * judged
            continue
        if isinstance(info.people, ShardedPeople):
            shards = info.people.shards.without_person(user_id)
            artifacts.write_card(models / name / artifacts.CARD, card | {"people": shards.card()})
            changed.append(name)
            continue
        from beholder.taste import taste_factory  # as above

        try:
            left, tensors, settings = taste_factory.forget(info, _tensors(models / name, card), card["settings"], user_id)
        except KeyError as error:
            raise _unreadable(models / name, error) from None
        trust = {
            attribute: {who: w for who, w in own.items() if who != user_id} for attribute, own in card.get("trust", {}).items()
        }
        card |= {"about": left.to_dict(), "settings": settings, "trust": trust}
        artifacts.replace(models / name, "taste", tensors, card, keep=[effects.folder.name] if effects else [])
        changed.append(name)
    return changed


def names(models: Place) -> list[str]:
    """Return the names of the tastes that are there."""
    return artifacts.names(models)


def info(models: Place, name: str) -> TasteInfo:
    """Return what a taste is for, from its card alone. Raises TasteError as `read` does."""
    return _card(models, name)[1]


def read(models: Place, name: str, *, encoder_id: str | None = None) -> RegisteredTaste:
    """Return a taste by name.

    Raises TasteError where it is not there, can't be read, or was made for another encoder than `encoder_id`.
    """
    return stored(models, name, encoder_id=encoder_id).load()


def stored(models: Place, name: str, *, encoder_id: str | None = None) -> StoredTaste:
    """Return a taste by name as it is stored, without loading an encoder. Raises TasteError as `read` does."""
    card, info = _card(models, name)
    try:
        tensors, _ = _tensors(models / name, card), card["settings"]
    except KeyError as error:
        raise _unreadable(models / name, error) from None
    if encoder_id is not None and info.encoder_id != encoder_id:
        raise TasteError(
            f"taste {name!r} was fitted to embeddings of {info.encoder_id}, not of {encoder_id}; "
            f"choose that encoder, or train a taste on this one"
        )
    return StoredTaste(name, info, tensors, card, _effects(models / name, card))


def _tensors(folder: Place, card: Mapping[str, Any]) -> dict[str, np.ndarray]:
    try:
        return artifacts.read_folder(folder, card, finite=False)
    except ArtifactError as error:
        raise _unreadable(folder, error) from None


def _card(models: Place, name: str) -> tuple[dict[str, Any], TasteInfo]:
    folder = models / name
    if not (folder / artifacts.CARD).is_file():
        raise TasteError(f"no taste {name!r} in {models.uri}{nearest(name, names(models))}; beholder train makes one")
    try:
        card = artifacts.read_card(folder / artifacts.CARD)
        info = TasteInfo.from_dict(card["about"])
        if "people" in card:
            info = replace(info, people=ShardedPeople(PersonShards.of_card(folder, card["people"])))
        return card, info
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from None


def _effects(folder: Place, card: Mapping[str, Any]) -> EffectShards | None:
    """Return the effects that a card names; None where it names none."""
    if "effects" not in card:
        return None
    try:
        return EffectShards.of_card(folder, card["effects"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from None


def _new_card(taste: Taste, figures: dict[str, float], config: dict[str, Any], commit: str | None) -> dict[str, Any]:
    return {
        "about": taste.info.to_dict(),
        "settings": taste.settings(),
        "figures": figures,
        "config": config,
        "commit": commit,
    }


def _unreadable(folder: Place, error: Exception) -> TasteError:
    return TasteError(f"{folder.uri} holds no readable taste: {str(error).splitlines()[0]}")
