"""Caption agreement: on how many pictures an encoder sees what the vocabulary says that an alpha of a direction does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.editing.directions.text_difference import text_difference
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.editor import Editor
from beholder.encoder import ImageTextEncoder
from beholder.errors import EditError

TEMPLATES = ("a portrait of a person {}", "a picture of a person {}", "a drawing of a person {}", "a person {}")
_AT_ONCE = 50  # pictures between two calls of progress


@dataclass(frozen=True)
class CaptionAgreement:
    """What is said of one alpha of a direction, and the share of pictures of which the encoder says the same, 0..1.

    outright: that the edited picture is nearer to the text of this end than to that of the other; degrees: that it is nearer to
    this end than the unedited picture is. outright_said: whether the words claim the first, else the second.
    """

    direction: str
    alpha: float
    words: str
    outright: float
    degrees: float
    outright_said: bool

    @property
    def said(self) -> float:
        """The share for what the words claim."""
        return self.outright if self.outright_said else self.degrees


def caption_agreement(
    editor: Editor[Any],
    encoder: ImageTextEncoder,
    names: Sequence[str],
    *,
    seeds: Sequence[int],
    alphas: Sequence[float],
    progress: Callable[[int], None] = lambda count: None,
    after: Callable[[str, list[CaptionAgreement]], None] = lambda name, rows: None,
) -> list[CaptionAgreement]:
    """Measure it for directions whose two ends have labels, on the images of seeds, at each alpha both ways.

    Raises EditError for a direction without labels. progress: called with how many more pictures are done; after: with each
    direction when it is done.
    """
    vocabulary, latents = Vocabulary.of(editor.directions), editor.generate(seeds)

    def embed(edit: dict[str, float]) -> np.ndarray:
        parts = []
        for start in range(0, len(seeds), _AT_ONCE):
            some = latents[list(range(start, min(start + _AT_ONCE, len(seeds))))]
            parts.append(encoder.images(editor.edit(some, [edit] * len(some), size=encoder.size)))
            progress(len(some))
        return np.concatenate(parts)

    unedited: np.ndarray | None = None
    result: list[CaptionAgreement] = []
    for name in names:
        labels = editor.directions[name].labels
        if not all(labels):
            raise EditError(f"direction {name} has no labels to compare pictures with")
        axis = text_difference(encoder, labels, TEMPLATES)
        unedited = embed({}) if unedited is None else unedited
        for alpha in [*(-alpha for alpha in reversed(alphas)), *alphas]:
            position, before = embed({name: alpha}) @ axis, unedited @ axis
            outright, degrees = (float(np.mean(np.sign(gap) == np.sign(alpha))) for gap in (position, position - before))
            words = vocabulary.part(name, alpha)
            said = vocabulary[name].present and words in vocabulary[name].ends
            result.append(CaptionAgreement(name, alpha, words, outright, degrees, said))
        after(name, result[-2 * len(alphas) :])
    return result
