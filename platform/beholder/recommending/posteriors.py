"""Posteriors: what is known of each person, kept in memory and never older than what the store of choices says.

The prior comes from everybody's choices and is learned rarely; a person's own posterior is brought up to date whenever it is
asked for, by the few choices that are new, or from the beginning where one was taken back.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder import artifacts
from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.ranker import Ranker, RankerInfo
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Choice, taste_of
from beholder.runs import log
from beholder.storage import Place

_LIMIT = 64 * 1024 * 1024  # bytes of a prior's file that are read


@dataclass(frozen=True)
class PosteriorCacheConfig:
    """How many posteriors are kept, and how often the prior is learned again."""

    kept: int = setting(500, "people whose posteriors stay in memory; somebody else's is built again from the store")
    prior_seconds: float = setting(3600.0, "age at which the prior is learned from everybody's choices again")
    check_seconds: float = setting(2.0, "how often to look for a newer prior that another replica has learned")

    def __post_init__(self) -> None:
        if self.kept < 1 or min(self.prior_seconds, self.check_seconds) <= 0:
            raise ConfigError(
                f"posteriors.kept must be at least 1, prior_seconds and check_seconds above 0, "
                f"got {self.kept}, {self.prior_seconds} and {self.check_seconds}"
            )


@dataclass(frozen=True, eq=False)
class PersonState:
    """One person as of a mark of the store. choices: all of them, in order. ranker: knows this person alone, and the prior.

    model: the version of the prior."""

    user_id: str
    mark: str
    choices: tuple[Choice, ...]
    ranker: Ranker
    model: str

    @property
    def rounds(self) -> int:
        """How many choices there are."""
        return len(self.choices)


@dataclass(frozen=True, eq=False)
class StoredPrior:
    """A ranker fitted to everybody's choices that knows nobody. version: a short text that changes with what was fitted.

    learned_at: seconds since 1970.
    """

    ranker: Ranker
    version: str
    learned_at: float

    @classmethod
    def of(cls, learned: Ranker, learned_at: float, *, taste_prior: TastePrior | None = None) -> "StoredPrior":
        """Return a ranker without the people that it knows, as it comes out of a file, to the last bit."""
        nobody = learned.of_person(None)
        tensors, settings = nobody.tensors(), nobody.settings()
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name in sorted(tensors):
            digest.update(np.ascontiguousarray(tensors[name]).tobytes())
        ranker = ranker_factory.load(learned.info, tensors, settings, taste_prior=taste_prior)
        return cls(ranker, f"{learned.info.kind}-{digest.hexdigest()[:8]}", learned_at)


class PriorStore:
    """The file of one prior: of one generator, encoder, taste, kind of ranker and set of directions."""

    def __init__(self, folder: Place, made_for: Mapping[str, Any], taste_prior: TastePrior | None = None) -> None:
        """made_for: whatever must be the same for a prior to mean the same, as JSON."""
        key = hashlib.sha256(json.dumps(made_for, sort_keys=True).encode()).hexdigest()[:16]
        self.place, self._taste_prior = folder / f"prior-{key}.safetensors", taste_prior

    def read(self) -> StoredPrior | None:
        """Return the prior of the file; None where there is none, or none that can be read."""
        try:
            stored = artifacts.parse_arrays(self.place.read_bytes(_LIMIT))
            card = stored.record("prior")
            ranker = ranker_factory.load(
                RankerInfo.from_dict(card["about"]), stored.tensors, card["settings"], taste_prior=self._taste_prior
            )
            return StoredPrior.of(ranker, float(card["learned_at"]), taste_prior=self._taste_prior)
        except (BeholderError, ValueError, KeyError, TypeError):
            return None

    def write(self, prior: StoredPrior) -> None:
        """Write a prior, whole or not at all."""
        ranker = prior.ranker
        card = {"about": ranker.info.to_dict(), "settings": ranker.settings(), "learned_at": prior.learned_at}
        self.place.write_bytes(artifacts.dump(ranker.tensors(), {"prior": card}))


class PosteriorCache:
    """Everybody's posteriors. Safe to share between threads: each request gets a ranker of its own."""

    def __init__(
        self,
        store: Store,
        comparisons: Callable[[Sequence[Choice]], list[Comparison]],
        *,
        reference: Callable[[], EditSet],
        ranker: RankerConfig | None = None,
        taste_prior: TastePrior | None = None,
        priors: PriorStore | None = None,
        config: PosteriorCacheConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """comparisons: choices -> what rankers learn from, without what can not be used. priors: where replicas share the prior.

        reference: the candidates of some image, always the same one, which tell how large regressors are.
        """
        self.store, self._comparisons, self._reference, self._clock = store, comparisons, reference, clock
        self._ranker, self._taste_prior, self._priors = ranker or RankerConfig(), taste_prior, priors
        self.config = config or PosteriorCacheConfig()
        self._learning = threading.Lock()
        self._states: BoundedCache[str, PersonState] = BoundedCache(self.config.kept)
        self._prior: StoredPrior | None = None
        self._checked_at = 0.0
        self._thread: threading.Thread | None = None

    def get(self, user_id: str) -> PersonState:
        """Return a person as the store knows them now; somebody who never chose anything has the prior."""
        prior = self.prior()
        mark = self.store.mark(user_id)  # before the choices: what comes in between is seen as a change next time
        before = self._states.get(user_id)
        if before is not None and (before.mark, before.model) == (mark, prior.version):
            return before
        choices = tuple(self.store.choices(user_id)) if mark else ()
        ranker, new = self._go_on(before, choices, prior)
        for comparison in self._comparisons(new) if new else ():
            ranker.update(comparison)
        state = PersonState(user_id, mark, choices, ranker, prior.version)
        if choices:
            self._states.put(user_id, state)
        return state

    def prior(self) -> StoredPrior:
        """Return the prior. Only the very first is waited for: later ones are learned beside the requests."""
        with self._learning:
            if self._prior is None:
                self._prior, self._checked_at = self._newest() or self._learn(), self._clock()
            elif self._clock() - self._checked_at > self.config.check_seconds:
                self._checked_at = self._clock()
                newer = self._newest()
                if newer is not None:
                    self._adopt(newer)
                elif self._old(self._prior) and not self._busy():
                    self._thread = threading.Thread(target=self._learn_again, name="prior", daemon=True)
                    self._thread.start()
            return self._prior

    def settle(self) -> None:
        """Wait for a prior that is being learned."""
        if self._thread is not None:
            self._thread.join()

    def drop(self, user_id: str) -> None:
        """Drop a person from memory, with all their tastes."""
        for key in self._states.held():
            if taste_of(key)[0] == user_id:
                self._states.pop(key)

    def _newest(self) -> StoredPrior | None:
        """Return the shared prior, where it is fresh and newer than ours."""
        shared = None if self._priors is None else self._priors.read()
        if shared is None or self._old(shared) or (self._prior is not None and shared.learned_at <= self._prior.learned_at):
            return None
        return shared

    def _learn(self) -> StoredPrior:
        usual = [
            choice for choice in self.store.choices() if not taste_of(choice.question.user_id)[1]
        ]  # other attributes are others
        comparisons = self._comparisons(usual)
        learned = ranker_factory.start(comparisons, self._reference(), self._ranker, taste_prior=self._taste_prior)
        prior = StoredPrior.of(learned, self._clock(), taste_prior=self._taste_prior)
        if self._priors is not None:
            self._priors.write(prior)
        return prior

    def _learn_again(self) -> None:
        try:
            newer = self._learn()
        except BeholderError as error:  # the store or the editor is away: the old prior is good enough until they are back
            log.warning("the prior could not be learned again: %s", error)
            return
        with self._learning:
            self._adopt(newer)

    def _adopt(self, prior: StoredPrior) -> None:
        same = self._prior is not None and self._prior.version == prior.version
        self._prior = prior
        if not same:
            self._states.clear()

    def _old(self, prior: StoredPrior) -> bool:
        return self._clock() - prior.learned_at > self.config.prior_seconds

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @staticmethod
    def _go_on(before: PersonState | None, choices: tuple[Choice, ...], prior: StoredPrior) -> tuple[Ranker, tuple[Choice, ...]]:
        """Return a ranker that knows the first of these choices, and the choices after them."""
        if before is None or before.model != prior.version or choices[: before.rounds] != before.choices:
            return prior.ranker.of_person(None), choices
        return before.ranker.of_person(before.user_id), choices[before.rounds :]
