"""Applying an edit: latents moved along its directions, to the styles that a picture is drawn from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from beholder.editing.directions.direction import Direction
from beholder.editing.directions.edit_text import check
from beholder.editing.generator import Generator
from beholder.editing.latent import Latent
from beholder.errors import EditError


def edited_styles(
    generator: Generator, latent: Latent, edit: Mapping[str, float], directions: Mapping[str, Direction]
) -> tuple[Tensor, ...]:
    """Return the styles of latents moved along an edit's directions by their alphas, as `Synthesis.styles` gives them.

    Moves in z come first, then those in w and w+, then those in s. Within a space moves are summed, always in the same order,
    so the order of an edit doesn't matter; an edit of nothing gives the styles of the latents as they are.
    Raises EditError for an unknown direction, an alpha that is no number, a direction of another shape of generator, and a move
    in z of latents whose z nobody knows.
    """
    for each in active_directions(edit, directions):
        each[0].check(generator.config)
    styles = generator.synthesis.styles(edited_ws(generator, latent, edit, directions))
    return _move_styles(styles, generator, [each for each in active_directions(edit, directions) if each[0].space == "s"])


def edited_ws(generator: Generator, latent: Latent, edit: Mapping[str, float], directions: Mapping[str, Direction]) -> Tensor:
    """Return w+ [N, num_ws, w_dim] after the moves in z, w and w+; the very tensor of the latents where there are none."""
    moves = [each for each in active_directions(edit, directions) if each[0].space != "s"]
    ws = _move_z(latent, generator, [each for each in moves if each[0].space == "z"])
    rows = _rows([each for each in moves if each[0].space != "z"], ws[0])
    return ws if rows is None else ws + rows


def active_directions(edit: Mapping[str, float], directions: Mapping[str, Direction]) -> list[tuple[Direction, float]]:
    """Return the directions whose alpha is not 0, with it, in order of their names. Raises EditError as `edited_styles` does."""
    check(edit, directions)
    return [(directions[name], float(edit[name])) for name in sorted(edit) if edit[name] != 0]


def _rows(moves: list[tuple[Direction, float]], like: Tensor) -> Tensor | None:
    """Return what moves add to each row, summed, in the shape of `like` [num_ws, dim]; None where there are no moves."""
    if not moves:
        return None
    rows = torch.zeros_like(like)
    for direction, alpha in moves:
        first, last = direction.layers
        rows[first:last] += alpha * direction.step.to(like)
    return rows


def _move_z(latent: Latent, generator: Generator, moves: list[tuple[Direction, float]]) -> Tensor:
    """Return w+ moved by what the mapping makes of a move in z, on the rows that it touches."""
    if not moves:
        return latent.ws
    if latent.z is None:
        raise EditError(f"direction {moves[0][0].name} moves z, and of an inverted picture only w+ is known; use one in w, w+ or s")
    rows = _rows(moves, latent.z.new_zeros(latent.ws.shape[1], latent.z.shape[1]))
    assert rows is not None
    ws, before = latent.ws.clone(), generator.mapping(latent.z)
    for row in torch.unique(rows, dim=0):
        if row.any():
            touched = (rows == row).all(dim=1)
            ws[:, touched] += (generator.mapping(latent.z + row) - before)[:, touched]
    return ws


def _move_styles(styles: tuple[Tensor, ...], generator: Generator, moves: list[tuple[Direction, float]]) -> tuple[Tensor, ...]:
    sizes, result = generator.config.style_widths, list(styles)
    for direction, alpha in moves:
        first, last = direction.layers
        for layer, part in zip(range(first, last), direction.step.split(sizes[first:last]), strict=True):
            if part.any():
                result[layer] = result[layer] + alpha * part.to(result[layer])
    return tuple(result)
