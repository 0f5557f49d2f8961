"""Edit: which directions by how much, as a mapping name -> alpha or as text: "smile=1.4,glasses=2"."""

import math
from collections.abc import Collection, Mapping

from beholder.errors import EditError, nearest


def parse(text: str, known: Collection[str]) -> dict[str, float]:
    """Read "smile=1.4,glasses=2", spaces allowed anywhere; empty text is the edit of nothing.

    Raises EditError for what is not name=number, a name that is not in `known`, a number that is not finite, the same name twice.
    """
    edit: dict[str, float] = {}
    for part in text.split(",") if text.strip() else []:
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not number:
            raise EditError(f'{part.strip()!r} is not of the form direction=alpha; an edit looks like "smile=1.4,glasses=2"')
        if name in edit:
            raise EditError(f"{name} comes twice in the edit {text!r}; give one alpha")
        try:
            edit[name] = float(number)
        except ValueError:
            raise EditError(f"{name}={number}: expected a number, such as {name}=1.5") from None
    check(edit, known)
    return edit


def check(edit: Mapping[str, float], known: Collection[str]) -> None:
    """Raise EditError for a direction that is not known, with the nearest one, and for an alpha that is not finite."""
    for name, alpha in edit.items():
        if name not in known:
            raise EditError(f"{name} is not a direction{nearest(name, sorted(known)) or '; this generator has none yet'}")
        if not math.isfinite(alpha):
            raise EditError(f"{name}={alpha}: expected a finite number")


def write(edit: Mapping[str, float]) -> str:
    """The text of an edit, in order of the names: what `parse` reads."""
    return ",".join(f"{name}={edit[name]:g}" for name in sorted(edit))
