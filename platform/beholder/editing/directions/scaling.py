"""Scaling a direction: the length of alpha 1, by what a reader sees or by the spread of the generator's own latents."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from beholder.editing.directions.apply import edited_styles
from beholder.editing.directions.direction import Direction, Labels
from beholder.editing.directions.formats.source import SourceDirection
from beholder.editing.generator import Generator
from beholder.editing.latent import Latent
from beholder.errors import EditError

Styles = tuple[Tensor, ...]
_SAMPLES, _BATCH = 4000, 500


@torch.no_grad()
def projection_spread(generator: Generator, direction: Direction) -> float:
    """Return how far one standard deviation of the generator's latents is along a direction, over 4,000 mapped from random z.

    In z, w and s it is that of the projection on the vector. In w+ the latents are the same w in all rows, so each of the R rows v
    is measured alone: sqrt(R * sum of Var(v . w)). For equal rows that moves each row as far as the same direction in w does, and
    rows that go against each other count as much as those that agree.
    Raises EditError where the direction does not fit the generator, or the latents do not vary along it.
    """
    direction.check(generator.config)
    rng = torch.Generator().manual_seed(0)
    device = generator.mapping.w_avg.device
    vector = direction.vector.to(device)
    projections = []
    for _ in range(0, _SAMPLES, _BATCH):
        z = torch.randn(_BATCH, generator.config.z_dim, generator=rng).to(device)
        z = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()  # as the mapping does
        projections.append(_project(generator, direction, z, vector))
    variances = torch.cat(projections).var(dim=0)
    spread = float((len(variances) * variances.sum()).sqrt())
    if not spread > 1e-6:
        raise EditError(f"direction {direction.name}: the generator's latents do not vary along it, so it has no alpha")
    return spread


def _project(generator: Generator, direction: Direction, z: Tensor, vector: Tensor) -> Tensor:
    """Return the projections of latents [N, 1], or in w+ on each row [N, R]."""
    first, last = direction.layers
    if direction.space == "z":
        return (z.double() @ vector)[:, None]
    ws = generator.mapping(z)
    if direction.space == "s":
        return (torch.cat(generator.synthesis.styles(ws)[first:last], dim=1).double() @ vector)[:, None]
    rows: Tensor = ws[:, 0].double() @ vector.reshape(-1, vector.shape[-1]).T
    return rows


def calibrate(
    generator: Generator,
    direction: Direction,
    latent: Latent,
    read: Callable[[Styles], Tensor],
    spread: float,
    *,
    tolerance: float = 0.01,
) -> Direction:
    """Scale a direction so that alpha 1 raises what `read` reads by `spread` on average.

    latent: of portraits to try it on; read: styles -> readings [N].
    Raises EditError where no scale up to eight times the present one gets there.
    """
    start = read(generator.synthesis.styles(latent.ws)).mean()

    def rise(alpha: float) -> float:
        return float(read(edited_styles(generator, latent, {direction.name: alpha}, {direction.name: direction})).mean() - start)

    low, high = (0.0, 0.0), (1.0, rise(1.0))
    while high[1] < spread:
        if high[0] >= 8:
            raise EditError(f"direction {direction.name} raises its trait by {high[1]:.3f} at most, not by {spread:.3f}")
        low, high = high, (2 * high[0], rise(2 * high[0]))
    for _ in range(12):  # regula falsi: what the move does is nearly a line in its scale
        alpha = low[0] + (high[0] - low[0]) * (spread - low[1]) / (high[1] - low[1])
        risen = rise(alpha)
        if abs(risen - spread) <= tolerance * spread:
            break
        low, high = ((alpha, risen), high) if risen < spread else (low, (alpha, risen))
    return replace(direction, scale=direction.scale * alpha)


_LEAST = 0.5  # alpha; a published range that is narrower all around could not be told from nothing


def scale(
    generator: Generator, step: SourceDirection, *, name: str, fingerprint: str, model: str, labels: Labels = ("", ""),
    limits: tuple[float, float] | None = None, unit: float = 1.0, flip: bool = False,
) -> Direction:  # fmt: skip
    """Return the direction of a published step, with alpha 1 one standard deviation of this generator's latents along it.

    limits: the published range of strengths (else the step's own), unit: how many steps a published strength of 1 is; both turned
    into alphas. Without a range it is -3..3. flip: the other way round, so that more is what the name says.
    Raises EditError where it does not fit the generator.
    """
    first, last = step.layers or (0, generator.config.num_ws)
    values = torch.from_numpy(step.values)
    rough = Direction.along(
        -values if flip else values, name=name, space=step.space, layers=(first, last), fingerprint=fingerprint, generator=model,
        labels=labels,
    )  # fmt: skip
    scaled = rough.with_scale(projection_spread(generator, rough))
    published = limits or step.limits
    if published is None:
        return scaled
    low, high = (strength * unit * rough.scale / scaled.scale * (-1 if flip else 1) for strength in published)
    low, high = round(min(low, high, 0.0), 2), round(max(low, high, 0.0), 2)
    if high - low < _LEAST:
        return scaled
    return replace(scaled, range=(low, high))


def rescale(generator: Generator, direction: Direction, *, name: str, fingerprint: str, model: str) -> Direction:
    """Return a direction that was made for another generator, its vector as it is, with alpha measured on this one.

    Raises EditError where it does not fit the generator.
    """
    direction.check(generator.config)
    rough = Direction.along(
        direction.step, name=name, space=direction.space, layers=direction.layers, fingerprint=fingerprint, generator=model,
        labels=direction.labels, range=direction.range,
    )  # fmt: skip
    try:
        return rough.with_scale(projection_spread(generator, rough))
    except EditError as error:
        raise EditError(f"{error}; it was made for {direction.generator or 'another generator'}") from None
