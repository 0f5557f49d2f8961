"""Step: what a format's reader finds, and what it has to be told."""

from dataclasses import dataclass

import numpy as np

from beholder.editing.directions.direction import Space
from beholder.editing.generator import GeneratorConfig
from beholder.errors import ConfigError
from beholder.safe_pickle.interpreter import RefusedError


@dataclass(frozen=True)
class SourceDirection:
    """One unit of a published strength, not yet scaled to ours.

    values: float64 in the shape of the space. layers: what it touches; None: every row. limits: the published range of
    strengths in these units, if the file tells one. notes: what a person should know of how the file was taken.
    """

    values: np.ndarray
    space: Space
    layers: tuple[int, int] | None = None
    limits: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceHints:
    """What the user tells of a file that does not tell it itself.

    space: z, w or w+. layers: first and past the last row of w+ that it moves. component: which one of several, a number or a name.
    convs_only: channels are told by layers numbered without those to RGB.
    """

    space: str | None = None
    layers: list[int] | None = None
    component: str | None = None
    convs_only: bool = False

    def __post_init__(self) -> None:
        if self.space not in (None, "z", "w", "w+"):
            raise ConfigError(f"space must be z, w or w+, not {self.space!r}")
        if self.layers is not None and (len(self.layers) != 2 or not 0 <= self.layers[0] < self.layers[1]):
            raise ConfigError(f"layers must be [first, past the last], got {self.layers}")

    @property
    def span(self) -> tuple[int, int] | None:
        return None if self.layers is None else (self.layers[0], self.layers[1])

    def pick(self, rows: np.ndarray, what: str = "vectors") -> int:
        """The number of the wanted row. Raises RefusedError where there are several and none is named, or there is no such one."""
        if self.component is None:
            if len(rows) == 1:
                return 0
            raise RefusedError(f"it holds {len(rows)} {what}; say which with component=0 .. component={len(rows) - 1}")
        if not self.component.isdecimal() or int(self.component) >= len(rows):
            raise RefusedError(f"it has no {what} {self.component!r}; there are 0..{len(rows) - 1}")
        return int(self.component)


def row_step(values: np.ndarray, config: GeneratorConfig, hints: SourceHints, *, default: Space) -> SourceDirection:
    """A vector, or one for each row of w+, as a step.

    values: [dim], [1, dim], [rows, w_dim], [1, rows, w_dim] or [1, rows * w_dim]. Rows that are all the same are a vector of W,
    however many they are. Raises RefusedError for another shape than this generator's.
    """
    rows, dim = config.num_ws, config.w_dim
    wanted = f"{dim} numbers (w), {rows} x {dim} (w+)" + (f" or {config.z_dim} (z)" if config.z_dim != dim else "")
    if values.ndim > 3 or (values.ndim == 3 and len(values) != 1):
        raise RefusedError(f"it holds numbers of shape {list(values.shape)}; this generator's directions have {wanted}")
    each = _rows_of(values, dim)
    if each is not None and hints.space in (None, "w", "w+"):
        if (each == each[0]).all() and (hints.space != "w+" or len(each) != rows):
            return SourceDirection(each[0], "w", hints.span)
        if hints.space == "w":
            raise RefusedError(f"it holds {len(each)} different rows, which are a direction in w+, not in w")
        if len(each) != rows:
            raise RefusedError(
                f"it holds {len(each)} different rows of {dim} numbers, a direction in w+ of another generator: "
                f"this one has {rows} rows ({config.resolution} px)"
            )
        first, last = hints.span or (0, rows)
        return SourceDirection(each[first:last], "w+", (first, last))
    flat = values.reshape(-1)
    space: Space = hints.space or default  # type: ignore[assignment]
    width = config.z_dim if space == "z" else dim
    if space not in ("z", "w") or len(flat) != width:
        raise RefusedError(f"it holds numbers of shape {list(values.shape)}; this generator's directions have {wanted}")
    return SourceDirection(flat, space, hints.span)


def _rows_of(values: np.ndarray, dim: int) -> np.ndarray | None:
    """The rows of w+ in values of any of its shapes, [rows, dim]; None where there are not several of them."""
    count, over = divmod(values.size, dim)
    flat = values.ndim == 1 or (values.ndim == 2 and len(values) == 1)
    return values.reshape(count, dim) if not over and count > 1 and (flat or values.shape[-1] == dim) else None
