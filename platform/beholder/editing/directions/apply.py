"""Moving: latents along an edit's directions, to the styles that a picture is drawn from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from beholder.editing.directions.direction import Direction
from beholder.editing.directions.edit_text import check
from beholder.editing.generator import Generator
from beholder.editing.latent import Latent
from beholder.errors import EditError


def moved(
    generator: Generator, latent: Latent, edit: Mapping[str, float], directions: Mapping[str, Direction]
) -> tuple[Tensor, ...]:
    """The styles of latents moved along an edit's directions by their alphas, as `Synthesis.styles` gives them.

    Moves in z come first, then those in w and w+, then those in s. Within a space moves are summed, always in the same order,
    so the order of an edit doesn't matter; an edit of nothing gives the styles of the latents as they are.
    Raises EditError for an unknown direction, an alpha that is no number, a direction of another shape of generator, and a move
    in z of latents whose z nobody knows.
    """
    for each in chosen(edit, directions):
        each[0].check(generator.config)
    styles = generator.synthesis.styles(moved_ws(generator, latent, edit, directions))
    return _move_styles(styles, generator, [each for each in chosen(edit, directions) if each[0].space == "s"])


def moved_ws(generator: Generator, latent: Latent, edit: Mapping[str, float], directions: Mapping[str, Direction]) -> Tensor:
    """w+ [N, num_ws, w_dim] after the moves in z, w and w+; the very tensor of the latents where there are none."""
    moves = [each for each in chosen(edit, directions) if each[0].space != "s"]
    ws = _move_z(latent, generator, [each for each in moves if each[0].space == "z"])
    rows = _rows([each for each in moves if each[0].space != "z"], ws[0])
    return ws if rows is None else ws + rows


def chosen(edit: Mapping[str, float], directions: Mapping[str, Direction]) -> list[tuple[Direction, float]]:
    """The directions that an edit really moves along and how far, in order of their names. Raises EditError as `moved` does."""
    check(edit, directions)
    return [(directions[name], float(edit[name])) for name in sorted(edit) if edit[name] != 0]


def _rows(moves: list[tuple[Direction, float]], like: Tensor) -> Tensor | None:
    """What moves add to each row, summed, in the shape of `like` [num_ws, dim]; None where there are no moves."""
    if not moves:
        return None
    rows = torch.zeros_like(like)
    for direction, alpha in moves:
        first, last = direction.layers
        rows[first:last] += alpha * direction.step.to(like)
    return rows


def _move_z(latent: Latent, generator: Generator, moves: list[tuple[Direction, float]]) -> Tensor:
    """w+ moved by what the mapping makes of a move in z, on the rows that it touches."""
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
    sizes, found = generator.config.style_widths, list(styles)
    for direction, alpha in moves:
        first, last = direction.layers
        for layer, part in zip(range(first, last), direction.step.split(sizes[first:last]), strict=True):
            if part.any():
                found[layer] = found[layer] + alpha * part.to(found[layer])
    return tuple(found)
