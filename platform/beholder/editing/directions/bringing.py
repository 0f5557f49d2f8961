"""Bringing: a step from elsewhere -> a direction of ours, with alpha measured on the generator it is brought to."""

import torch

from beholder.editing.directions.direction import Direction, Says
from beholder.editing.directions.formats.step import Step
from beholder.editing.directions.scaling import projection_spread
from beholder.editing.generator import Generator
from beholder.errors import EditError

_LEAST = 0.5  # alpha; a published range that is narrower all around could not be told from nothing


def bring(
    generator: Generator, step: Step, *, name: str, fingerprint: str, model: str, says: Says = ("", ""),
    limits: tuple[float, float] | None = None, unit: float = 1.0, flip: bool = False,
) -> Direction:  # fmt: skip
    """The direction of a step, scaled so that alpha 1 is one standard deviation of the projection on this generator.

    limits: the published range of strengths (else the step's own), unit: how many steps a published strength of 1 is; both turned
    into alphas. Without a range it is -3..3. flip: the other way round, so that more is what the name says.
    Raises EditError where it does not fit the generator.
    """
    first, last = step.layers or (0, generator.config.num_ws)
    values = torch.from_numpy(step.values)
    rough = Direction.along(
        -values if flip else values, name=name, space=step.space, layers=(first, last), fingerprint=fingerprint, generator=model,
        says=says,
    )  # fmt: skip
    made = rough.rescaled(projection_spread(generator, rough))
    published = limits or step.limits
    if published is None:
        return made
    low, high = (strength * unit * rough.scale / made.scale * (-1 if flip else 1) for strength in published)
    low, high = round(min(low, high, 0.0), 2), round(max(low, high, 0.0), 2)
    if high - low < _LEAST:
        return made
    return Direction(
        made.name, made.space, made.vector, made.scale, made.layers, made.fingerprint, made.generator, made.says, (low, high)
    )


def rebring(generator: Generator, direction: Direction, *, name: str, fingerprint: str, model: str) -> Direction:
    """A direction that was made for another generator, taken all the same: its vector, with alpha measured on this one."""
    direction.check(generator.config)
    rough = Direction.along(
        direction.step, name=name, space=direction.space, layers=direction.layers, fingerprint=fingerprint, generator=model,
        says=direction.says, range=direction.range,
    )  # fmt: skip
    try:
        return rough.rescaled(projection_spread(generator, rough))
    except EditError as error:
        raise EditError(f"{error}; it was made for {direction.generator or 'another generator'}") from None
