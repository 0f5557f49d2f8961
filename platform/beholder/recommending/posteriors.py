"""People: what is believed of each of them, kept in memory and never older than what the store of choices says.

The prior comes from everybody's choices and is learned rarely; a person's own posterior is brought up to date whenever it is
asked for, by the few choices that are new, or from the beginning where one was taken back.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRanker, BayesRankerConfig
from beholder.recommending.rankers.ranker import RankerInfo
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Choice
from beholder.runs import log
from beholder.storage import Place
from beholder.taste.gaussian import Gaussian


@dataclass(frozen=True)
class PosteriorCacheConfig:
    """How much is remembered, and how often everybody is asked again."""

    kept: int = setting(2000, "people whose posteriors stay in memory; somebody else's is built again from the store")
    prior_seconds: float = setting(3600.0, "age at which the prior is learned from everybody's choices again")
    look_seconds: float = setting(2.0, "how often it is looked whether somebody else has learned a newer one")

    def __post_init__(self) -> None:
        if self.kept < 1 or min(self.prior_seconds, self.look_seconds) <= 0:
            raise ConfigError(
                f"people.kept must be at least 1, prior_seconds and look_seconds above 0, "
                f"got {self.kept}, {self.prior_seconds} and {self.look_seconds}"
            )


@dataclass(frozen=True, eq=False)
class PersonState:
    """One person as of a mark of the store. choices: all of them, in order. ranker: knows this person alone, and the prior.

    model: the version of the prior."""

    user_id: str
    mark: str
    choices: tuple[Choice, ...]
    ranker: BayesRanker
    model: str

    @property
    def rounds(self) -> int:
        """How many choices there are."""
        return len(self.choices)


@dataclass(frozen=True, eq=False)
class StoredPrior:
    """A ranker that knows everybody and nobody. version: a short text that changes with what it believes; learned_at: seconds
    since 1970."""

    ranker: BayesRanker
    version: str
    learned_at: float

    @classmethod
    def of(cls, learned: BayesRanker, learned_at: float) -> "StoredPrior":
        """Of a ranker, without the people that it knows; as it comes out of a file, to the last bit."""
        nobody = BayesRanker(learned.about, learned.shape, learned.prior, {}, learned.config, learned.opinion)
        tensors = nobody.tensors()
        told = b"".join(np.ascontiguousarray(tensors[name], "<f8").tobytes() for name in sorted(tensors))
        ranker = bayes_ranker.load(learned.about, tensors, nobody.settings(), opinion=learned.opinion)
        return cls(ranker, f"bayes-{hashlib.sha256(told).hexdigest()[:8]}", learned_at)


class PriorStore:
    """The place of one prior: of one generator, encoder, taste and set of directions."""

    def __init__(self, folder: Place, made_for: Mapping[str, Any], opinion: TastePrior | None = None) -> None:
        """made_for: whatever must be the same for a prior to mean the same, as JSON."""
        key = hashlib.sha256(json.dumps(made_for, sort_keys=True).encode()).hexdigest()[:16]
        self.place, self._opinion = folder / f"prior-{key}.safetensors", opinion

    def read(self) -> StoredPrior | None:
        """What lies there; None where nothing does, or nothing that can be read."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            data = self.place.read_bytes(_LIMIT)
            told = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["prior"])
            about = RankerInfo(**{**told["about"], "directions": tuple(told["about"]["directions"])})
            return StoredPrior.of(
                bayes_ranker.load(about, load(data), told["settings"], opinion=self._opinion), float(told["learned_at"])
            )
        except (BeholderError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def write(self, prior: StoredPrior) -> None:
        """Put a prior there, whole or not at all."""
        from safetensors.numpy import save

        ranker = prior.ranker
        told = {"about": asdict(ranker.about), "settings": ranker.settings(), "learned_at": prior.learned_at}
        tensors = {name: np.ascontiguousarray(value) for name, value in ranker.tensors().items()}
        self.place.write_bytes(save(tensors, metadata={"prior": json.dumps(told)}))


class PosteriorCache:
    """Everybody's posteriors. Safe to share between threads: each request gets a ranker of its own."""

    def __init__(
        self,
        store: Store,
        understand: Callable[[Sequence[Choice]], list[Comparison]],
        *,
        begin: Callable[[], EditSet],
        ranker: BayesRankerConfig | None = None,
        opinion: TastePrior | None = None,
        shelf: PriorStore | None = None,
        config: PosteriorCacheConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """understand: choices -> events, without those that can't be understood. begin: the candidates of some face, always the
        same one, which tell how large features are. shelf: where the prior is shared with others who serve."""
        self.store, self._understand, self._begin, self._clock = store, understand, begin, clock
        self._ranker, self._opinion, self._shelf = ranker or BayesRankerConfig(), opinion, shelf
        self.config = config or PosteriorCacheConfig()
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._known: OrderedDict[str, PersonState] = OrderedDict()
        self._prior: StoredPrior | None = None
        self._looked_at = 0.0
        self._thread: threading.Thread | None = None

    def know(self, user_id: str) -> PersonState:
        """A person as the store knows them now; somebody who never chose anything is as everybody is."""
        prior = self.prior()
        model = prior.version
        mark = self.store.mark(user_id)  # before the choices: what comes in between is seen as a change next time
        with self._lock:
            found = self._known.get(user_id)
            if found is not None and (found.mark, found.model) == (mark, model):
                self._known.move_to_end(user_id)
                return found
        choices = tuple(self.store.choices(user_id)) if mark else ()
        start, fresh = self._from_before(found, choices, model)
        beliefs = {} if start is None else {user_id: start}
        base = prior.ranker
        ranker = BayesRanker(base.about, base.shape, base.prior, beliefs, base.config, base.opinion)
        for event in self._understand(fresh) if fresh else ():
            ranker.tell(event)
        known = PersonState(user_id, mark, choices, ranker, model)
        if choices:
            self._keep(known)
        return known

    def prior(self) -> StoredPrior:
        """What everybody's choices say. Only the very first is waited for: later ones are learned beside the requests."""
        with self._learning:
            if self._prior is None:
                self._prior, self._looked_at = self._newest() or self._learn(), self._clock()
            elif self._clock() - self._looked_at > self.config.look_seconds:
                self._looked_at = self._clock()
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

    def forget(self, user_id: str) -> None:
        """Drop a person from memory."""
        with self._lock:
            self._known.pop(user_id, None)

    def _newest(self) -> StoredPrior | None:
        """What lies on the shelf, where it is fresh and newer than ours."""
        found = None if self._shelf is None else self._shelf.read()
        if found is None or self._old(found) or (self._prior is not None and found.learned_at <= self._prior.learned_at):
            return None
        return found

    def _learn(self) -> StoredPrior:
        events = self._understand(self.store.choices())
        learned = bayes_ranker.learn(events, self._begin(), self._ranker, opinion=self._opinion)
        prior = StoredPrior.of(learned, self._clock())
        if self._shelf is not None:
            self._shelf.write(prior)
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
            with self._lock:
                self._known.clear()

    def _old(self, prior: StoredPrior) -> bool:
        return self._clock() - prior.learned_at > self.config.prior_seconds

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @staticmethod
    def _from_before(
        found: PersonState | None, choices: tuple[Choice, ...], model: str
    ) -> tuple[Gaussian | None, tuple[Choice, ...]]:
        """What was believed after the first of these choices, and the choices after them."""
        if found is None or found.model != model or choices[: found.rounds] != found.choices:
            return None, choices
        return found.ranker.beliefs.get(found.user_id), choices[found.rounds :]

    def _keep(self, known: PersonState) -> None:
        with self._lock:
            self._known[known.user_id] = known
            self._known.move_to_end(known.user_id)
            while len(self._known) > self.config.kept:
                self._known.popitem(last=False)


_LIMIT = 64 * 1024 * 1024  # bytes of a file that is read
