"""Directions: named moves in a generator's W space, found from labels, measured, and applied with a strength.

alpha is a strength: 0 is the identity, 1 raises a graded trait by one standard deviation on average (or leads from
without towards with), -1 goes the other way. Several directions add up.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from beholder.errors import EditError, nearest


@dataclass(frozen=True)
class Direction:
    """A named move.

    vector: what alpha 1 adds to w, float32 [w_dim]. layers: the rows of w+ it is added to, first and past the last.
    model: the generator it was made for. says: how a person would call its two ends.
    """

    name: str
    vector: Tensor
    model: str
    layers: tuple[int, int]
    says: tuple[str, str] = ("", "")


def apply(ws: Tensor, edit: Mapping[str, float], directions: Mapping[str, Direction]) -> Tensor:
    """Move w+ [N, num_ws, w_dim] along an edit's directions by their alphas; an edit of nothing returns `ws` itself.

    Raises EditError for a direction nobody knows.
    """
    for name, alpha in edit.items():
        if name not in directions:
            raise EditError(f"{name} is not a direction{nearest(name, list(directions))}")
        if alpha != 0:
            move = torch.zeros_like(ws[:1])
            first, last = directions[name].layers
            move[:, first:last] = alpha * directions[name].vector
            ws = ws + move
    return ws


def find(w: Tensor, labels: Tensor) -> Tensor:
    """Find the moves in W that change one label each and leave the others alone.

    w: [N, w_dim], labels: [N, T] (numbers, or 0 and 1). Solves w = mean + labels * moves by least squares over labels in
    their standard deviations, so a label that often comes with another one does not drag it along.
    Returns float32 [T, w_dim]: the move for one standard deviation of each label. Raises EditError for too few examples.
    """
    if len(w) <= labels.shape[1] + 1:
        raise EditError(f"{labels.shape[1]} labels need more than {labels.shape[1] + 1} examples, got {len(w)}")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be found")
    standard = ((labels - labels.mean(dim=0)) / spread).double()
    return torch.linalg.lstsq(standard, (w - w.mean(dim=0)).double()).solution.float()


def calibrate(
    direction: Direction, ws: Tensor, read: Callable[[Tensor], Tensor], spread: float, *, tolerance: float = 0.01
) -> Direction:
    """Scale a direction so that alpha 1 raises what `read` reads by `spread` on average.

    ws: w+ of portraits to try it on [N, num_ws, w_dim]; read: w+ -> readings [N].
    Raises EditError where no scale up to eight times the present one gets there.
    """
    start = read(ws).mean()

    def rise(scale: float) -> float:
        return float(read(apply(ws, {direction.name: scale}, {direction.name: direction})).mean() - start)

    low, high = (0.0, 0.0), (1.0, rise(1.0))
    while high[1] < spread:
        if high[0] >= 8:
            raise EditError(f"direction {direction.name} raises its trait by {high[1]:.3f} at most, not by {spread:.3f}")
        low, high = high, (2 * high[0], rise(2 * high[0]))
    for _ in range(12):  # regula falsi: what the move does is nearly a line in its scale
        scale = low[0] + (high[0] - low[0]) * (spread - low[1]) / (high[1] - low[1])
        risen = rise(scale)
        if abs(risen - spread) <= tolerance * spread:
            break
        low, high = ((scale, risen), high) if risen < spread else (low, (scale, risen))
    return replace(direction, vector=direction.vector * scale)


def save(path: Path, directions: Sequence[Direction]) -> None:
    """Write directions to one safetensors file, their names, layers, words and model in its metadata."""
    tensors = {each.name: each.vector.contiguous() for each in directions}
    about = {each.name: {"model": each.model, "layers": each.layers, "says": each.says, "space": "w"} for each in directions}
    save_file(tensors, path, metadata={"directions": json.dumps(about)})


def load(path: Path) -> dict[str, Direction]:
    """Read the directions of a file, in the order they were written. Raises EditError where it is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["directions"])
            return {
                name: Direction(name, file.get_tensor(name), each["model"], tuple(each["layers"]), tuple(each["says"]))
                for name, each in about.items()
            }
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise EditError(f"{path} is no file of directions: {str(error).splitlines()[0]}") from None
