"""Exact: edits drawn and encoded, so that they are judged by what they look like and not by a guess."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.editing.editor import Edit, Editor, pair

_AT_ONCE = 32  # pictures between two words of progress


class Embedder(Protocol):
    """What an encoder does with pictures: uint8 RGB [N, H, W, 3] -> float32 [N, E], rows of length 1."""

    def images(self, pixels: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Drawn:
    """Edits as pictures uint8 RGB [N, R, R, 3], and their embeddings float32 [N, E]."""

    images: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def draw(
    editor: Editor[Any],
    encoder: Embedder,
    latent: Any,
    edits: Sequence[Edit],
    *,
    progress: Callable[[int], None] = lambda count: None,
) -> Drawn:
    """Draw latents under an edit each, or one latent under all of them, and encode what was drawn.

    Raises EditError as the editor does, and for no edits at all ImageError as the encoder does. progress: told how many more
    are done.
    """
    rows = pair(len(latent), edits)
    images = [np.empty((0, editor.resolution, editor.resolution, 3), np.uint8)]
    found = []
    for start in range(0, max(len(edits), 1), _AT_ONCE):
        some = edits[start : start + _AT_ONCE]
        part = latent if len(latent) == 1 else latent[rows[start : start + _AT_ONCE]]
        images.append(editor.edit(part, some))
        found.append(encoder.images(images[-1]))
        progress(len(some))
    return Drawn(np.concatenate(images), np.concatenate(found))
