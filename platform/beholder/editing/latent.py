"""Latents: where pictures lie in a generator's latent space."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder.editing.generator import Generator
from beholder.errors import EditError

_SEEDS = 2**32  # numpy's legacy generator takes seeds below it


@dataclass(frozen=True, eq=False)
class Detail:
    """What w+ loses of one photo.

    editable: w+ whose moves tell how features move under an edit, float32 [num_ws, w_dim]. features: F_k, [C, at, at]: what the
    layers above resolution `at` draw on from.
    """

    editable: Tensor
    features: Tensor


@dataclass(frozen=True)
class Latent:
    """Points that a generator makes pictures of, one a row.

    ws: w+, float32 [N, num_ws, w_dim]. z: what w+ was mapped from, [N, z_dim]; None where nobody knows it, as after an inversion.
    details: for each row what w+ loses of its photo, None where nothing is kept; () where nothing is kept of any.
    """

    ws: Tensor
    z: Tensor | None = None
    details: tuple[Detail | None, ...] = ()

    def __post_init__(self) -> None:
        if self.ws.ndim != 3:
            raise EditError(f"expected w+ of shape [N, num_ws, w_dim], got {list(self.ws.shape)}")
        if self.z is not None and (self.z.ndim != 2 or len(self.z) != len(self.ws)):
            raise EditError(f"expected z of shape [{len(self.ws)}, z_dim] beside w+, got {list(self.z.shape)}")
        if self.details and len(self.details) != len(self.ws):
            raise EditError(f"expected details of {len(self.ws)} rows beside w+, got {len(self.details)}")

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, rows: int | slice | Sequence[int] | Tensor) -> "Latent":
        """Return the latents of some rows, in that order; of one row a Latent of one."""
        if isinstance(rows, int):
            rows = [rows]
        elif not isinstance(rows, slice | Tensor):
            rows = list(rows)
        places = torch.arange(len(self))[rows].tolist() if self.details else []
        details = tuple(self.details[place] for place in places)
        return Latent(self.ws[rows], None if self.z is None else self.z[rows], details)

    def to(self, device: torch.device | str) -> "Latent":
        """Return the same latents on a device; details stay where they are until they are drawn."""
        return Latent(self.ws.to(device), None if self.z is None else self.z.to(device), self.details)

    @classmethod
    def join(cls, latents: Sequence["Latent"]) -> "Latent":
        """Concatenate the rows of latents; z is kept where every part has it, a row's detail always.

        Raises EditError for nothing to join.
        """
        if not latents:
            raise EditError("expected at least one latent, got none")
        zs = [each.z for each in latents if each.z is not None]
        details: tuple[Detail | None, ...] = ()
        if any(each.details for each in latents):
            details = tuple(row for each in latents for row in each.details or (None,) * len(each))
        return cls(torch.cat([each.ws for each in latents]), torch.cat(zs) if len(zs) == len(latents) else None, details)


def z_from_seeds(seeds: Sequence[int], size: int) -> Tensor:
    """Return standard normal z of seeds, float32 [N, size]: for each seed the numbers that NVIDIA's own programs draw for it.

    Raises EditError for a seed outside 0..2^32-1.
    """
    for seed in seeds:
        if not 0 <= seed < _SEEDS:
            raise EditError(f"expected a seed between 0 and {_SEEDS - 1}, got {seed}")
    rows = [np.random.RandomState(seed).randn(size) for seed in seeds]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), size))


@torch.no_grad()
def from_seeds(generator: Generator, seeds: Sequence[int], *, truncation: float = 1.0) -> Latent:
    """Return the latents of seeds, each the same whatever the others are; truncation below 1 pulls w towards the mean."""
    z = z_from_seeds(seeds, generator.config.z_dim).to(generator.mapping.w_avg.device)
    if not len(z):
        return Latent(generator.mapping(z), z)
    # one by one: the last bits of a product of matrices depend on how many rows it has
    return Latent(torch.cat([generator.mapping(row, truncation=truncation) for row in z.split(1)]), z)
