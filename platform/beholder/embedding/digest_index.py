"""A sorted array of 128-bit digests: which of many texts are known, in 16 bytes each, however long the texts are.

A table of 100 million ids takes tens of GB as Python strings; here 1.6 GB of one NumPy array, which Ray shares between processes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DigestIndex:
    """Digests of known texts. keys: uint64 [N, 2], sorted, each once; values: uint64 [N, 2], a digest that belongs to each key."""

    keys: np.ndarray
    values: np.ndarray

    @classmethod
    def build(cls, keys: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> "DigestIndex":
        """Return the index of digests given in parts, each uint64 [N, 2]; a later value takes the place of an earlier one."""
        if not keys:
            return cls(np.empty((0, 2), np.uint64), np.empty((0, 2), np.uint64))
        every, value = np.concatenate(keys), np.concatenate(values)
        order = np.lexsort((every[:, 1], every[:, 0]))  # stable: of equal keys the last one comes last
        every, value = every[order], value[order]
        last = np.append((every[1:] != every[:-1]).any(axis=1), True)[: len(every)]
        return cls(np.ascontiguousarray(every[last]), np.ascontiguousarray(value[last]))

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which digests (uint64 [M, 2]) are known, bool [M], and the values of these, uint64 [M, 2], 0 for the others."""
        if not len(self.keys) or not len(digests):
            return np.zeros(len(digests), bool), np.zeros((len(digests), 2), np.uint64)
        at = np.minimum(np.searchsorted(self.keys[:, 0], digests[:, 0]), len(self.keys) - 1)
        known = (self.keys[at] == digests).all(axis=1)
        for row in np.flatnonzero(~known & (self.keys[at, 0] == digests[:, 0])):  # two keys with one first half
            near = np.searchsorted(self.keys[:, 0], digests[row, 0], side="left")
            while near < len(self.keys) and self.keys[near, 0] == digests[row, 0]:
                if self.keys[near, 1] == digests[row, 1]:
                    at[row], known[row] = near, True
                near += 1
        return known, np.where(known[:, None], self.values[at], np.uint64(0))


def digests(texts: Iterable[str | None]) -> np.ndarray:
    """Return the digest of each text, uint64 [N, 2] (BLAKE2b of 128 bits); null gives 0."""
    blank = bytes(16)
    data = b"".join(blank if text is None else hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(data, np.uint64).reshape(-1, 2)
