"""People: what is believed of each of them, kept in memory and never older than what the store of choices says.

The prior comes from everybody's choices and is learned rarely; a person's own posterior is brought up to date whenever it is
asked for, by the few choices that are new, or from the beginning where one was taken back.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.choices.question import Choice
from beholder.recommending.choices.store import Store
from beholder.recommending.options import Event, Options
from beholder.recommending.rankers import beginning
from beholder.recommending.rankers.bayes import Bayes, BayesConfig
from beholder.recommending.rankers.features import Opinion
from beholder.taste.gaussian import Gaussian


@dataclass(frozen=True)
class PeopleConfig:
    """How much is remembered, and how often everybody is asked again."""

    kept: int = setting(2000, "people whose posteriors stay in memory; somebody else's is built again from the store")
    prior_seconds: float = setting(3600.0, "age at which the prior is learned from everybody's choices again")

    def __post_init__(self) -> None:
        if self.kept < 1 or self.prior_seconds <= 0:
            raise ConfigError(f"people.kept must be at least 1 and prior_seconds above 0, got {self.kept}, {self.prior_seconds}")


@dataclass(frozen=True, eq=False)
class Known:
    """One person as of a mark of the store. choices: all of them, in order. ranker: knows this person alone, and the prior.

    model: the version of the prior."""

    user_id: str
    mark: str
    choices: tuple[Choice, ...]
    ranker: Bayes
    model: str

    @property
    def rounds(self) -> int:
        """How many choices there are."""
        return len(self.choices)


class People:
    """Everybody's posteriors. Safe to share between threads: each request gets a ranker of its own."""

    def __init__(
        self,
        store: Store,
        understand: Callable[[Sequence[Choice]], list[Event]],
        *,
        begin: Callable[[], Options],
        ranker: BayesConfig | None = None,
        opinion: Opinion | None = None,
        config: PeopleConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """understand: choices -> events, without those that can't be understood. begin: the candidates of some face, always the
        same one, which tell how large features are."""
        self.store, self._understand, self._begin, self._clock = store, understand, begin, clock
        self._ranker, self._opinion = ranker or BayesConfig(), opinion
        self.config = config or PeopleConfig()
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._prior: Bayes | None = None
        self._model, self._learned_at = "", 0.0

    def know(self, user_id: str) -> Known:
        """A person as the store knows them now; somebody who never chose anything is as everybody is."""
        prior, model = self.prior()
        mark = self.store.mark(user_id)  # before the choices: what comes in between is seen as a change next time
        with self._lock:
            found = self._known.get(user_id)
            if found is not None and (found.mark, found.model) == (mark, model):
                self._known.move_to_end(user_id)
                return found
        choices = tuple(self.store.choices(user_id)) if mark else ()
        start, fresh = self._from_before(found, choices, model)
        beliefs = {} if start is None else {user_id: start}
        ranker = Bayes(prior.about, prior.shape, prior.prior, beliefs, prior.config, prior.opinion)
        for event in self._understand(fresh) if fresh else ():
            ranker.tell(event)
        known = Known(user_id, mark, choices, ranker, model)
        if choices:
            self._keep(known)
        return known

    def prior(self) -> tuple[Bayes, str]:
        """The ranker that knows nobody but everybody, and its version: a short text that changes with what it believes."""
        with self._learning:
            if self._prior is None or self._clock() - self._learned_at > self.config.prior_seconds:
                self._learn()
            assert self._prior is not None
            return self._prior, self._model

    def forget(self, user_id: str) -> None:
        """Drop a person from memory."""
        with self._lock:
            self._known.pop(user_id, None)

    def _learn(self) -> None:
        events = self._understand(self.store.choices())
        found = beginning.learn(events, self._begin(), self._ranker, opinion=self._opinion)
        self._prior = Bayes(found.about, found.shape, found.prior, {}, found.config, found.opinion)
        parts = (found.shape.axes, found.shape.sizes, found.prior.mean, found.prior.covariance)
        told = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts)
        self._model, self._learned_at = f"bayes-{hashlib.sha256(told).hexdigest()[:8]}", self._clock()
        with self._lock:
            self._known.clear()

    @staticmethod
    def _from_before(found: Known | None, choices: tuple[Choice, ...], model: str) -> tuple[Gaussian | None, tuple[Choice, ...]]:
        """What was believed after the first of these choices, and the choices after them."""
        if found is None or found.model != model or choices[: found.rounds] != found.choices:
            return None, choices
        return found.ranker.beliefs.get(found.user_id), choices[found.rounds :]

    def _keep(self, known: Known) -> None:
        with self._lock:
            self._known[known.user_id] = known
            self._known.move_to_end(known.user_id)
            while len(self._known) > self.config.kept:
                self._known.popitem(last=False)
