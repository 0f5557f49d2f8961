"""Direction: a named move in a generator's latent space, and the edits that moves add up to."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from beholder.editing.generator import GeneratorConfig
from beholder.errors import EditError

Space = Literal["z", "w", "w+", "s"]
Labels = tuple[str, str]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, eq=False)
class Direction:
    """A named move. At alpha 1 it adds `step` to its space, at alpha 0 nothing.

    space: where it moves. "z" before the mapping, "w" the same in all rows of w+ that it touches, "w+" each row in a way of
    its own, "s" the styles that the layers' affine maps make of w+.
    vector: float64 of length 1; [z_dim], [w_dim], [rows, w_dim] or the channels of the touched styles one after another.
    scale: the length of the step at alpha 1, which for imported and learned directions is one standard deviation of the
    generator's own latents along the vector, in w+ measured row by row (`scaling.projection_spread`).
    layers: what it touches, first and past the last: rows of w+ for z, w and w+; styles for s, in the order of
    `Synthesis.styles`.
    fingerprint, generator: of the generator it was made for; its name is for people. labels: how a person would call the
    low and the high end. range: the alphas that make sense.
    """

    name: str
    space: Space
    vector: Tensor
    scale: float
    layers: tuple[int, int]
    fingerprint: str = ""
    generator: str = ""
    labels: Labels = ("", "")
    range: tuple[float, float] = (-3.0, 3.0)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.space not in get_args(Space):
            raise EditError(f"direction {self.name}: space must be z, w, w+ or s, not {self.space!r}")
        wanted = 2 if self.space == "w+" else 1
        if self.vector.ndim != wanted or self.vector.dtype != torch.float64 or not self.vector.numel():
            raise EditError(
                f"direction {self.name}: expected a float64 vector of {wanted} dimension{'s'[: wanted - 1]} in {self.space}, "
                f"got {str(self.vector.dtype).removeprefix('torch.')} {list(self.vector.shape)}"
            )
        if not abs(float(self.vector.norm()) - 1) < 1e-6:
            raise EditError(f"direction {self.name}: expected a vector of length 1, got {float(self.vector.norm()):.6g}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise EditError(f"direction {self.name}: scale must be a positive number, got {self.scale}")
        first, last = self.layers
        if not 0 <= first < last or (self.space == "w+" and len(self.vector) != last - first):
            raise EditError(f"direction {self.name}: layers {first}..{last} don't fit a vector of {list(self.vector.shape)}")
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high):
            raise EditError(f"direction {self.name}: range must reach from at most 0 to at least 0, got {low}..{high}")

    @classmethod
    def along(
        cls, step: Tensor, *, name: str, space: Space, layers: tuple[int, int], fingerprint: str = "", generator: str = "",
        labels: Labels = ("", ""), range: tuple[float, float] = (-3.0, 3.0),
    ) -> "Direction":  # fmt: skip
        """The direction whose alpha 1 is `step`, in the shape of its space. Raises EditError for a step of nothing or NaN."""
        exact = step.detach().cpu().double()
        length = float(exact.norm())
        if not math.isfinite(length) or length == 0:
            what = "zeros only" if length == 0 else "values that are not finite"
            raise EditError(f"direction {name}: its vector holds {what}")
        return cls(name, space, exact / length, length, layers, fingerprint, generator, labels, range)

    @property
    def step(self) -> Tensor:
        """What alpha 1 adds, float32 in the vector's shape."""
        return (self.vector * self.scale).float()

    def with_scale(self, scale: float) -> "Direction":
        """The same way with another length of alpha 1."""
        return replace(self, scale=scale)

    def check(self, config: GeneratorConfig) -> None:
        """Raise EditError where this direction's shape is not that of a generator of these sizes."""
        first, last = self.layers
        rows = len(config.style_widths) if self.space == "s" else config.num_ws
        if last > rows:
            raise EditError(f"direction {self.name} touches layers {first}..{last}, but this generator has {rows}")
        width = {"z": config.z_dim, "w": config.w_dim, "w+": config.w_dim, "s": sum(config.style_widths[first:last])}[self.space]
        if self.vector.shape[-1] != width:
            raise EditError(
                f"direction {self.name} has {self.vector.shape[-1]} numbers in {self.space}, but this generator has {width} there"
            )

    def check_maker(self, fingerprint: str, generator: str, finished_from: Sequence[str] = ()) -> None:
        """Raise EditError where this direction was made for another generator than the one of this fingerprint and name.

        finished_from: the fingerprints of generators in which a w means what it means in this one.
        """
        if self.fingerprint not in (fingerprint, *finished_from):
            made = f"{self.generator or 'a generator without a name'} ({self.fingerprint or 'no fingerprint'})"
            raise EditError(
                f"direction {self.name} was made for {made}, not for {generator} ({fingerprint}), where it would mean something "
                f"else; force=true takes it all the same"
            )


def check_name(name: str) -> str:
    """A direction's name as it is. Raises EditError for one that can't be written in an edit or a file's name."""
    if not _NAME.fullmatch(name):
        raise EditError(f"expected a direction's name of letters, digits, '_', '-' and '.', got {name!r}")
    return name
