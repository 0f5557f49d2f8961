"""Shards of image effects: what people's judgements say of images, in a folder, a file for each block of images, read by image.

Which shard is an image's follows from a hash of its image_id. A shard keeps every person's contribution apart, so that a person's
own is left out when they are asked, and taken out when they are forgotten. A shard that was written anew meanwhile is read again.
A file beside the shards has the images by which a taste's loading is found (`taste_loadings`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder import artifacts
from beholder.cache import BoundedCache
from beholder.errors import ArtifactError, BeholderError, TasteError
from beholder.storage import Place
from beholder.taste.contract import Taste
from beholder.taste.image_effects import Contributions, EffectEstimate, EffectPosterior, EffectScale, ImageEffects
from beholder.taste.person_shards import blocks_of
from beholder.taste.taste_loadings import TasteLoadings

IMAGES = 1024  # of a shard, about
CONTRIBUTIONS = 100_000  # of a shard, about, where images have very many judges
_OPEN = 8  # shards that stay in memory
_LOADINGS = "loadings.safetensors"


@dataclass(frozen=True)
class EffectShard:
    """Some images, and what people's judgements say of them. fitted: whether the taste was fitted to an image, bool [N].

    people: those whom contributions number; loadings: theirs, by attribute, float64 [A, P, K].
    """

    images: tuple[str, ...]
    people: tuple[str, ...]
    fitted: np.ndarray
    contributions: Contributions
    loadings: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rows", {image_id: row for row, image_id in enumerate(self.images)})

    def rows(self, image_ids: Sequence[str]) -> np.ndarray:
        """Return the number of each image here, int64; -1 for one that is not."""
        rows: dict[str, int] = getattr(self, "_rows")  # noqa: B009  # no field: it follows from the others
        return np.array([rows.get(image_id, -1) for image_id in image_ids], np.int64)

    def of_images(self, images: np.ndarray) -> "EffectShard":
        """Return some images, by number, and the people who judged them."""
        place = np.full(len(self.images), -1)
        place[images] = np.arange(len(images))
        own = self.contributions[np.flatnonzero(place[self.contributions.image] >= 0)]
        people, person = np.unique(own.person, return_inverse=True)
        left = Contributions(person.astype(np.int64), place[own.image], own.attribute, own.pull, own.precision)
        names = tuple(self.images[row] for row in images), tuple(self.people[row] for row in people)
        return EffectShard(*names, self.fitted[images], left, self.loadings[:, people])

    def without_person(self, user_id: str) -> "EffectShard":
        """Return the shard without a person and what they said."""
        if user_id not in self.people:
            return self
        own = self.contributions
        left = replace(self, contributions=own[np.flatnonzero(own.person != self.people.index(user_id))])
        return left.of_images(np.unique(left.contributions.image))

    def write(self, place: Place) -> None:
        """Write the shard, whole or not at all."""
        tensors = {**vars(self.contributions), "fitted": self.fitted.astype(np.uint8), "loadings": self.loadings}
        place.write_bytes(artifacts.dump(tensors, {"images": json.dumps(self.images), "people": json.dumps(self.people)}))

    @classmethod
    def read(cls, place: Place) -> "EffectShard":
        """Return the shard at a place. Raises TasteError where it can't be read."""
        try:
            stored = artifacts.parse_arrays(place.read_bytes())
            images, people = (tuple(json.loads(stored.metadata[name])) for name in ("images", "people"))
            own = Contributions(*(stored.tensors[name] for name in Contributions.__dataclass_fields__))
            shard = cls(images, people, stored.tensors["fitted"].astype(bool), own, stored.tensors["loadings"])
            sizes = {len(column) for column in vars(own).values()}
            whole = len(sizes) == 1 and len(shard.fitted) == len(images) and shard.loadings.shape[1:2] == (len(people),)
            if not whole or not all(
                map(_within, (own.image, own.person, own.attribute), (len(images), len(people), len(shard.loadings)))
            ):
                raise ValueError("its parts do not fit each other")
        except (ArtifactError, BeholderError, KeyError, TypeError, ValueError) as error:
            raise TasteError(f"{place.uri} is no readable shard of image effects: {str(error).splitlines()[0]}") from None
        return shard


@dataclass(frozen=True)
class EffectShards:
    """The shards of a folder. attributes: of the taste, in order, and the scale of each; shards: how many; seed: of the hash."""

    folder: Place
    attributes: tuple[str, ...]
    scales: tuple[EffectScale, ...]
    shards: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_open", BoundedCache(_OPEN))

    def __reduce__(self) -> tuple[Any, ...]:
        return EffectShards, (self.folder, self.attributes, self.scales, self.shards, self.seed)

    @classmethod
    def write(
        cls,
        folder: Place,
        effects: ImageEffects,
        axes: TasteLoadings,
        images: Sequence[str],
        people: Sequence[str],
        attributes: Sequence[str],
        *,
        seed: int,
        shard_images: int = IMAGES,
    ) -> "EffectShards":
        """Write effects into a folder. images, people, attributes: names of their numbers; images nobody judged are left out."""
        whole = EffectShard(tuple(images), tuple(people), effects.fitted, effects.contributions, effects.loadings)
        judged = np.unique(effects.contributions.image)
        count = max(1, -(-len(judged) // shard_images), -(-len(effects.contributions) // CONTRIBUTIONS))
        shards = cls(folder, tuple(attributes), effects.scales, count, seed)
        axes.write(folder / _LOADINGS)
        block = shards.shard_of([images[row] for row in judged.tolist()])
        for shard in range(shards.shards):
            whole.of_images(judged[block == shard]).write(shards.place(shard))
        return shards

    def place(self, shard: int) -> Place:
        """Return the file of a shard."""
        return self.folder / f"images-{shard:06d}.safetensors"

    def shard_of(self, image_ids: Sequence[str]) -> np.ndarray:
        """Return the shard of each image, int64 [N]."""
        return blocks_of(image_ids, blocks=self.shards, seed=self.seed)

    def read(self, shard: int) -> EffectShard:
        """Return a shard; the last few stay in memory until their files change."""
        cache: BoundedCache[int, tuple[Any, Any]] = getattr(self, "_open")  # noqa: B009  # no field: a copy opens its own
        place = self.place(shard)
        version = place.version()
        kept = cache.get_or_make(shard, lambda: (version, EffectShard.read(place)))
        if kept[0] != version:
            kept = version, EffectShard.read(place)
            cache.put(shard, kept)
        found: EffectShard = kept[1]
        return found

    def of(self, image_ids: Sequence[str], attribute: str, taste: Taste | None, user_id: str = "") -> EffectEstimate:
        """Return the effects of images on an attribute for a person, by what others said; 0 for images that nobody else judged.

        taste: the person's loading follows from it; None where there are no factors. An attribute that is not known has no effects.
        """
        count = len(image_ids)
        found = EffectEstimate(np.zeros(count), np.zeros(count), np.zeros(count, np.int64))
        if attribute not in self.attributes or not count:
            return found
        row, block = self.attributes.index(attribute), self.shard_of(image_ids)
        loading = self.loadings().of(taste, [user_id], attribute)[0]
        for number in np.unique(block):
            shard, here = self.read(int(number)), np.flatnonzero(block == number)
            at = shard.rows([image_ids[each] for each in here.tolist()])
            here, at = here[at >= 0], at[at >= 0]
            if not len(at):
                continue
            images, back = np.unique(at, return_inverse=True)
            some = shard.of_images(images)
            me = some.people.index(user_id) if user_id in some.people else -1
            own = some.contributions
            own = own[np.flatnonzero((own.attribute == row) & (own.person != me))]
            variances = self.scales[row].variances(some.fitted, 1 + len(loading))
            estimate = EffectPosterior.of(own, some.loadings[row], variances).estimate(loading)
            for name, values in vars(found).items():
                values[here] = getattr(estimate, name)[back]
        return found

    def loadings(self) -> TasteLoadings:
        """Return what a person's loading is found by; it stays in memory."""
        cache: BoundedCache[int, tuple[Any, Any]] = getattr(self, "_open")  # noqa: B009  # as above
        found: TasteLoadings = cache.get_or_make(-1, lambda: (None, TasteLoadings.read(self.folder / _LOADINGS)))[1]
        return found

    def all(self) -> Iterator[EffectShard]:
        """Yield every shard, none of which stays in memory."""
        for shard in range(self.shards):
            yield EffectShard.read(self.place(shard))

    def without_person(self, user_id: str) -> bool:
        """Take a person out of every file that they are in; returns whether there was one."""
        found = False
        for number, shard in enumerate(self.all()):
            if user_id in shard.people:
                shard.without_person(user_id).write(self.place(number))
                found = True
        return found

    def card(self) -> dict[str, Any]:
        """Return what a card says of the shards, as JSON."""
        scales = [scale.to_dict() for scale in self.scales]
        return {
            "folder": self.folder.name,
            "attributes": list(self.attributes),
            "scales": scales,
            "shards": self.shards,
            "seed": self.seed,
        }

    @classmethod
    def of_card(cls, folder: Place, card: Mapping[str, Any]) -> "EffectShards":
        """Return the shards that a card in a folder names. Raises KeyError, TypeError or ValueError for what is none."""
        name = card["folder"]
        if not isinstance(name, str) or "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} is no folder of shards")
        scales = tuple(EffectScale.from_dict(each) for each in card["scales"])
        attributes = tuple(str(each) for each in card["attributes"])
        if len(scales) != len(attributes) or int(card["shards"]) < 1:
            raise ValueError("expected a scale for each attribute, and one shard or more")
        return cls(folder / name, attributes, scales, int(card["shards"]), int(card["seed"]))


def _within(numbers: np.ndarray, count: int) -> bool:
    """Return whether numbers are in 0..count-1."""
    return not len(numbers) or (int(numbers.min()) >= 0 and int(numbers.max()) < count)
