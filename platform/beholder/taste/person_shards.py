"""Shards of people: the posteriors of very many people in a folder, a file for each block of people, read by person.

A shard has the posteriors of about a thousand people on every attribute, and how far each is served their own taste. Which shard is
a person's follows from a hash of the user_id, so that whoever asks for one person opens one file.
"""

import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder import artifacts
from beholder.cache import BoundedCache
from beholder.errors import ArtifactError, BeholderError, TasteError
from beholder.storage import Place
from beholder.taste import gaussian
from beholder.taste.dataset import person_hashes
from beholder.taste.gaussian import Gaussian

_OPEN = 4  # shards that stay in memory


def blocks_of(user_ids: Sequence[str], *, blocks: int, seed: int) -> np.ndarray:
    """Return the block of each person, int64 [P] in 0..blocks-1: the smaller the hash, the earlier."""
    shares = person_hashes(user_ids, seed).astype(np.float64) / 2.0**64
    return np.minimum((shares * blocks).astype(np.int64), blocks - 1)


@dataclass(frozen=True)
class AttributePosteriors:
    """Posteriors of a shard's people on one attribute. known: who has one, bool [P].

    means float64 [K, F] and covariances float32 [K, F (F + 1) / 2], lower triangles, of those who have; trust float64 [P], 1 where
    nothing was held out.
    """

    known: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    trust: np.ndarray

    def posterior(self, row: int) -> Gaussian | None:
        """Return the posterior of the person of a row; None for one without."""
        if not self.known[row]:
            return None
        at = int(self.known[:row].sum())
        return Gaussian(self.means[at], gaussian.symmetric(self.covariances[at], self.means.shape[1]))

    def without(self, row: int) -> "AttributePosteriors":
        """Return those of the others."""
        at = [int(self.known[:row].sum())] if self.known[row] else []
        means, covariances = (np.delete(each, at, axis=0) for each in (self.means, self.covariances))
        return AttributePosteriors(np.delete(self.known, row), means, covariances, np.delete(self.trust, row))


@dataclass(frozen=True)
class PersonShard:
    """Some people, and their posteriors on each attribute."""

    people: tuple[str, ...]
    attributes: tuple[AttributePosteriors, ...]

    def write(self, place: Place) -> None:
        """Write the shard, whole or not at all."""
        tensors = {f"{row}.{name}": value for row, each in enumerate(self.attributes) for name, value in vars(each).items()}
        place.write_bytes(artifacts.dump(tensors, {"people": json.dumps(self.people)}))

    @classmethod
    def read(cls, place: Place) -> "PersonShard":
        """Return the shard at a place. Raises TasteError where it can't be read."""
        try:
            stored = artifacts.parse_arrays(place.read_bytes())
            people = tuple(json.loads(stored.metadata["people"]))
            names = AttributePosteriors.__dataclass_fields__
            count = len(stored.tensors) // len(names)
            rows = tuple(AttributePosteriors(*(stored.tensors[f"{row}.{name}"] for name in names)) for row in range(count))
        except (ArtifactError, BeholderError, KeyError, ValueError) as error:
            raise TasteError(f"{place.uri} is no readable shard of a taste: {str(error).splitlines()[0]}") from None
        return cls(people, rows)


@dataclass(frozen=True)
class PersonShards:
    """The shards of a folder. people: how many there are in all; shards: how many files; seed: of the hash."""

    folder: Place
    people: int
    shards: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_open", BoundedCache(_OPEN))

    def __reduce__(self) -> tuple[Any, ...]:
        return PersonShards, (self.folder, self.people, self.shards, self.seed)

    def place(self, shard: int) -> Place:
        """Return the file of a shard."""
        return self.folder / f"people-{shard:06d}.safetensors"

    def read(self, shard: int) -> PersonShard:
        """Return a shard; the last few stay in memory."""
        cache: BoundedCache[int, PersonShard] = getattr(self, "_open")  # noqa: B009  # no field: a copy opens its own
        return cache.get_or_make(shard, lambda: PersonShard.read(self.place(shard)))

    def find(self, user_id: str) -> tuple[PersonShard, int] | None:
        """Return a person's shard and their row in it; None for somebody unknown. Nobody in particular ("") opens no shard."""
        if not user_id:
            return None
        shard = self.read(int(blocks_of([user_id], blocks=self.shards, seed=self.seed)[0]))
        return (shard, shard.people.index(user_id)) if user_id in shard.people else None

    @property
    def opened(self) -> int:
        """Return how many shards are in memory."""
        return len(getattr(self, "_open"))  # noqa: B009  # as above

    def all(self) -> Iterator[PersonShard]:
        """Yield every shard, none of which stays in memory."""
        for shard in range(self.shards):
            yield PersonShard.read(self.place(shard))

    def without_person(self, user_id: str) -> "PersonShards":
        """Take a person out of their shard's file; return what is left."""
        if (found := self.find(user_id)) is None:
            return self
        shard, row = found
        left = PersonShard((*shard.people[:row], *shard.people[row + 1 :]), tuple(each.without(row) for each in shard.attributes))
        left.write(self.place(int(blocks_of([user_id], blocks=self.shards, seed=self.seed)[0])))
        return replace(self, people=self.people - 1)

    def card(self) -> dict[str, Any]:
        """Return what a card says of the shards, as JSON."""
        return {"folder": self.folder.name, "people": self.people, "shards": self.shards, "seed": self.seed}

    @classmethod
    def of_card(cls, folder: Place, card: Mapping[str, Any]) -> "PersonShards":
        """Return the shards that a card in a folder names. Raises KeyError, TypeError or ValueError for what is none."""
        name = card["folder"]
        if not isinstance(name, str) or "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} is no folder of shards")
        return cls(folder / name, int(card["people"]), int(card["shards"]), int(card["seed"]))


class ShardedPeople(Sequence[str]):
    """The user_ids of shards, and of people who were met since. Only who goes through all of them reads all shards."""

    def __init__(self, shards: PersonShards, more: Sequence[str] = ()) -> None:
        self.shards, self.more = shards, tuple(more)

    def __len__(self) -> int:
        return self.shards.people + len(self.more)

    def __contains__(self, user_id: object) -> bool:
        return user_id in self.more or (isinstance(user_id, str) and self.shards.find(user_id) is not None)

    def __iter__(self) -> Iterator[str]:
        for shard in self.shards.all():
            yield from shard.people
        yield from self.more

    def __getitem__(self, at: Any) -> Any:
        return tuple(self)[at]

    def joined(self, user_ids: Sequence[str]) -> "ShardedPeople":
        """Return these people and others."""
        return ShardedPeople(self.shards, (*self.more, *(user_id for user_id in user_ids if user_id not in self)))


class ShardedPosteriors(MutableMapping[str, Gaussian]):
    """Posteriors on one attribute by user_id: those of shards, and in their place those that were learned since."""

    def __init__(self, shards: PersonShards, attribute: int, learned: Mapping[str, Gaussian] | None = None) -> None:
        self.shards, self.attribute, self.learned = shards, attribute, dict(learned or {})

    def __copy__(self) -> "ShardedPosteriors":
        return ShardedPosteriors(self.shards, self.attribute, self.learned)

    def __getitem__(self, user_id: str) -> Gaussian:
        if user_id in self.learned:
            return self.learned[user_id]
        found = self.shards.find(user_id)
        posterior = found and found[0].attributes[self.attribute].posterior(found[1])
        if not posterior:
            raise KeyError(user_id)
        return posterior

    def __setitem__(self, user_id: str, posterior: Gaussian) -> None:
        self.learned[user_id] = posterior

    def __delitem__(self, user_id: str) -> None:
        del self.learned[user_id]

    def __iter__(self) -> Iterator[str]:
        for shard in self.shards.all():
            known = shard.attributes[self.attribute].known
            yield from (user_id for user_id, one in zip(shard.people, known, strict=True) if one and user_id not in self.learned)
        yield from self.learned

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ShardedTrust(Mapping[str, float]):
    """How far each person is served their own taste on one attribute, by user_id, from shards."""

    def __init__(self, shards: PersonShards, attribute: int) -> None:
        self.shards, self.attribute = shards, attribute

    def __getitem__(self, user_id: str) -> float:
        if (found := self.shards.find(user_id)) is None:
            raise KeyError(user_id)
        return float(found[0].attributes[self.attribute].trust[found[1]])

    def __iter__(self) -> Iterator[str]:
        for shard in self.shards.all():
            yield from shard.people

    def __len__(self) -> int:
        return self.shards.people
