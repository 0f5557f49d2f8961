"""Outputs of an image tower's frozen blocks, computed once for all epochs and judgements, on the device or beside it.

LoRA learns in the last blocks alone; what the blocks before them make of an image never changes. Where there is room for that of
all images it is kept on the device, else in the host's memory (pinned, so that a batch is copied while the device works), else it
is computed anew each time.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from beholder.encoder import Encoder
from beholder.errors import ConfigError
from beholder.taste.batch_limit import BatchLimit
from beholder.taste.clip_vision import VisionTransformer

Where = Literal["device", "host", "nowhere"]
_MIB = 2**20


@dataclass(frozen=True)
class FeatureRoom:
    """How much memory features may take, in bytes: on the device, and on the host beside it."""

    device: int
    host: int

    @classmethod
    def on(cls, device: str, *, cache_mib: int, gpu_share: float) -> "FeatureRoom":
        """Return the room on a device. cache_mib: on the host, where a CPU's own is the device's too. gpu_share: of what is free
        on a GPU. With cache_mib=0 there is none at all."""
        if device.startswith("cpu") or not cache_mib:
            return cls(cache_mib * _MIB, cache_mib * _MIB)
        return cls(int(gpu_share * torch.cuda.mem_get_info(device)[0]), cache_mib * _MIB)

    def place(self, size: int) -> Where:
        """Return where features of so many bytes are kept."""
        if size <= self.device:
            return "device"
        return "host" if size <= self.host else "nowhere"


class FrozenFeatures:
    """Image numbers [N] -> outputs of the frozen blocks [N, T, W], on the encoder's device and in its precision."""

    def __init__(
        self,
        tower: VisionTransformer,
        encoder: Encoder,
        items: np.ndarray,
        *,
        room: FeatureRoom,
        rows: np.ndarray | None = None,
        name: str = "lora",
    ):
        """items: pixels uint8 [M, H, W, 3], which may lie in a file: a batch of them is read at a time. rows: int64 [N], those
        that are numbered; None: all. Raises ConfigError for none."""
        self._rows = np.arange(len(items)) if rows is None else rows
        count = len(self._rows)
        if not count:
            raise ConfigError("expected at least one image, got none")
        self._tower, self._encoder, self._items = tower, encoder, items
        self._limit = BatchLimit(encoder.batch_size, name=f"{name}: images through the frozen blocks")
        self._kept: Tensor | None = None
        first = self._embed(np.arange(1))
        self.where = room.place(first.nbytes * count)
        if self.where != "nowhere":
            on_host = self.where == "host"
            pinned = on_host and not encoder.device.startswith("cpu")
            device = "cpu" if on_host else encoder.device
            self._kept = torch.empty((count, *first.shape[1:]), dtype=first.dtype, device=device, pin_memory=pinned)
            for start in range(0, count, encoder.batch_size):
                some = np.arange(start, min(start + encoder.batch_size, count))
                self._kept[start : start + len(some)] = self._embed(some)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the features of images by number, int64 [N] on the device."""
        if self._kept is None:
            return self._embed(image.cpu().numpy())
        if self.where == "device":
            return self._kept[image]
        rows = image.cpu()
        if not self._kept.is_pinned():
            return self._kept[rows].to(self._encoder.device)
        batch = torch.empty((len(rows), *self._kept.shape[1:]), dtype=self._kept.dtype, pin_memory=True)
        torch.index_select(self._kept, 0, rows, out=batch)
        return batch.to(self._encoder.device, non_blocking=True)

    def _embed(self, numbers: np.ndarray) -> Tensor:
        return torch.cat(self._limit.each(self._rows[numbers], self._through))

    def _through(self, rows: np.ndarray) -> Tensor:
        device = self._encoder.device.partition(":")[0]
        with torch.no_grad(), self._encoder.autocast():
            tokens = self._tower.embed(self._encoder.prepared(self._items[rows]))
            return tokens.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else tokens
