"""The one training loop of the portrait world: steps, a schedule, checkpoints, progress."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from beholder.portraits.pool import Pool

Progress = Callable[[int, int, dict[str, float]], None]
_SAVE_EVERY = 90.0  # seconds


def silent(step: int, steps: int, figures: dict[str, float]) -> None:
    """A progress that says nothing."""


def train(
    parts: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    losses: Callable[[int], dict[str, Tensor]],
    *,
    steps: int,
    rate: Callable[[int], float],
    after: Callable[[int], None] = lambda step: None,
    clip: float | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Take `steps` steps down the sum of the losses.

    losses: step -> named, weighted losses; everything random in them must follow from the step alone, so that a training
    that was interrupted and goes on from its checkpoint file is the training that was not. rate: step -> learning rate.
    after: called behind each step. clip: the largest norm of a gradient. progress: step, steps, running means of the losses.
    """
    step, spent, saved = 0, 0.0, time.monotonic()
    running: dict[str, float] = {}
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state.get("seconds", 0.0)
    began = time.monotonic()
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        found = losses(step)
        optimiser.zero_grad()
        torch.stack(list(found.values())).sum().backward()
        if clip is not None:
            nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], clip)
        optimiser.step()
        step += 1
        after(step)
        running = {name: 0.95 * running.get(name, loss.item()) + 0.05 * loss.item() for name, loss in found.items()}
        if step % 50 == 0 or step == steps:
            progress(step, steps, running)
        if checkpoint is not None and (time.monotonic() - saved > _SAVE_EVERY or step == steps):
            _save(checkpoint, parts, optimiser, step, spent + time.monotonic() - began)
            saved = time.monotonic()


def cosine(step: int, steps: int, *, peak: float, warmup: int, floor: float = 0.01) -> float:
    """A learning rate that climbs for `warmup` steps and comes down along a cosine to `floor` of its peak."""
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps))) * min(1.0, (step + 1) / warmup)


def rows(pool: Pool, count: int, *, seed: int, step: int, held_out: int) -> Tensor:
    """Which portraits of the pool a step sees, [count]; never the last `held_out`."""
    rng = torch.Generator().manual_seed(seed * 10**6 + step)
    return torch.randint(len(pool.traits) - held_out, (count,), generator=rng)


def seconds(checkpoint: Path) -> float:
    """How long a training has taken so far, interruptions left out."""
    return float(torch.load(checkpoint, weights_only=True).get("seconds", 0.0))


def _save(path: Path, parts: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Write a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: part.state_dict() for name, part in parts.items()}
    aside = path.with_suffix(".part")
    torch.save({"parts": weights, "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}, aside)
    aside.replace(path)
