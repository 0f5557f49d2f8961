"""Cache: the values used last, up to a bound, shared between threads; cachetools' caches under a lock."""

import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import Cache, LRUCache, TTLCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A mapping that drops what was used longest ago once it is full. Safe to share between threads."""

    def __init__(
        self,
        size: float,
        *,
        weigh: Callable[[V], float] | None = None,
        ttl_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """size: the most entries; with `weigh`, the most that their weights (bytes, say) may add up to.
        ttl_seconds: the age, on `clock`, at which an entry is as good as gone; None: never."""
        self._lock = threading.Lock()
        self._entries: Cache[K, V]
        if ttl_seconds is None:
            self._entries = LRUCache(size, weigh)
        else:
            self._entries = TTLCache(size, ttl_seconds, clock, weigh)

    def get(self, key: K) -> V | None:
        """Return a value, which counts as used now; None where it is not there."""
        with self._lock, contextlib.suppress(KeyError):
            return self._entries[key]
        return None

    def put(self, key: K, value: V) -> None:
        """Put a value there, as used now. One that weighs more than the whole cache may hold is not kept."""
        with self._lock:
            try:
                self._entries[key] = value
            except ValueError:  # cachetools refuses what is too heavy before it drops anything
                with contextlib.suppress(KeyError):
                    del self._entries[key]  # the older value

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made and put there where it is not.

        Nobody waits while `make` runs: two threads that miss a key at once both make it, and what the later one made stays.
        """
        with self._lock, contextlib.suppress(KeyError):
            return self._entries[key]
        value = make()
        self.put(key, value)
        return value

    def pop(self, key: K) -> V | None:
        """Drop a key; returns its value, None where it was not there."""
        with self._lock, contextlib.suppress(KeyError):  # it may grow too old in between
            return self._entries.pop(key)
        return None

    def held(self) -> list[K]:
        """Return the keys there are now."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()

    def __contains__(self, key: K) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
