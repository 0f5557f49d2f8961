"""Look choices: what a photo that somebody edited says of their taste, as choices between looks."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from beholder.editing.directions.edit_text import write
from beholder.editing.editor import Edit
from beholder.editing.looks.look_directions import ASKED
from beholder.recommending.store.question import Answer, Question

STRATEGY = "learned"
_SCALES = (0.0, 0.4, 1.7)  # of a look, which the person did not make: the photo as it is, less of it, more of it
_OTHERS = 4  # looks drawn by chance among the candidates, which the person did not make either


def implied(user_id: str, image_id: str, look: Edit, others: Sequence[Edit]) -> list[tuple[Question, Answer | None]]:
    """Return the choices that a look implies which somebody made: it was liked better than none, less, more, and any other look.

    A photo that was left as it is was liked better than other looks alone.
    """
    rng = np.random.default_rng(int(hashlib.sha256(f"{user_id} {image_id}".encode()).hexdigest()[:12], 16))
    scaled = [_scaled(look, scale) for scale in _SCALES]
    drawn = [dict(others[int(row)]) for row in rng.choice(len(others), min(_OTHERS, len(others)), replace=False)]
    rejected = [each for each in [*scaled, *drawn] if each != dict(look)]
    now = datetime.now(UTC)
    result: list[tuple[Question, Answer | None]] = []
    for number, other in enumerate(rejected):
        key = hashlib.sha256(f"{user_id} {image_id} {number} {write(look)} {write(other)}".encode()).hexdigest()[:32]
        left = bool(rng.random() < 0.5)
        sides = (look, other) if left else (other, look)
        question = Question(key, user_id, image_id, sides[0], sides[1], STRATEGY, now)
        result.append((question, Answer(f"{key}-answer", key, "left" if left else "right", now)))
    return result


def _scaled(look: Edit, scale: float) -> dict[str, float]:
    """Return a look with other strengths, within their ranges."""
    result = {}
    for name, alpha in look.items():
        low, high = ASKED[name].range
        value = round(min(max(scale * alpha, low), high), 3)
        if value:
            result[name] = value
    return result
