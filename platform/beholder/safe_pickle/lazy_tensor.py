"""Numbers that lie in a file and are read when they are asked for; their shapes are known before."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from beholder.safe_pickle.interpreter import RefusedError

MOST_SIDES = 8  # of a tensor


@dataclass(frozen=True)
class LazyTensor:
    """A tensor of a file: its shape, and how to read it as float32 in row-major order."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]

    @classmethod
    def of(cls, tensor: Tensor) -> "LazyTensor":
        """A tensor that is in memory already."""
        return cls(tuple(tensor.shape), lambda: tensor.float().contiguous())

    def turned(self, shape: tuple[int, ...], turn: Callable[[Tensor], Tensor]) -> "LazyTensor":
        """The same numbers seen another way: `turn` makes a tensor of `shape` of them."""
        return LazyTensor(shape, lambda: turn(self.read()).contiguous())

    def reshaped(self, shape: tuple[int, ...]) -> "LazyTensor":
        """The same numbers in as many of other sides."""
        return self.turned(shape, lambda tensor: tensor.reshape(shape))


@dataclass(frozen=True)
class LazyStorage:
    """A row of numbers in a file: how many, of what kind, and how to get at their bytes."""

    numel: int
    dtype: torch.dtype
    raw: Callable[[], bytes | memoryview]

    def tensor(self, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> LazyTensor:
        """A view of the row. Raises RefusedError where it reaches past the row's end, repeats numbers or skips many."""
        if len(shape) != len(stride) or len(shape) > MOST_SIDES or min((offset, *shape, *stride), default=0) < 0:
            raise RefusedError(f"a tensor claims shape {list(shape)[:8]}, stride {list(stride)[:8]} and offset {offset}")
        count = math.prod(shape)
        span = 1 + sum((side - 1) * step for side, step in zip(shape, stride, strict=True)) if count else 0
        if count > span or span > 4 * count or offset + span > self.numel:
            raise RefusedError(f"a tensor claims shape {list(shape)} of a storage of {self.numel:,} numbers")
        return LazyTensor(shape, lambda: torch.as_strided(self._part(offset, span), shape, stride).float().contiguous())

    def _part(self, offset: int, span: int) -> Tensor:
        raw, size = memoryview(self.raw()), self.dtype.itemsize
        if len(raw) != self.numel * size:
            raise RefusedError(f"a storage claims {self.numel:,} numbers in {len(raw):,} bytes")
        part = bytearray(raw[offset * size : (offset + span) * size])
        return torch.frombuffer(part, dtype=self.dtype) if span else torch.empty(0, dtype=self.dtype)
