"""Two texts -> the direction between them in CLIP space, as StyleCLIP takes it (Patashnik et al., 2021)."""

from collections.abc import Sequence

import numpy as np

from beholder.encoder import ImageTextEncoder, imagenet_templates
from beholder.errors import ConfigError, EditError


def check_templates(templates: Sequence[str] | None) -> None:
    """Raise ConfigError for templates that are not texts with one {} each."""
    if templates is not None and (not templates or any(template.count("{}") != 1 for template in templates)):
        raise ConfigError(f"templates must be texts with one {{}} each, got {list(templates)}")


def text_difference(clip: ImageTextEncoder, texts: Sequence[str], templates: Sequence[str] | None = None) -> np.ndarray:
    """Return the way from the first to the second text, float32 [D] of length 1.

    Each text is put into every template, and is the mean of their embeddings, brought to length 1. templates: None: StyleCLIP's.
    Raises EditError for texts that are the same to the encoder.
    """
    templates = imagenet_templates() if templates is None else templates
    prompts = [template.replace("{}", text) for text in texts for template in templates]
    means = clip.texts(prompts).astype(np.float64).reshape(len(texts), len(templates), -1).mean(axis=1)
    first, second = means / np.linalg.norm(means, axis=1, keepdims=True)
    length = float(np.linalg.norm(second - first))
    if length < 1e-4:
        raise EditError(f"{texts[0]!r} and {texts[1]!r} are the same to this encoder")
    return np.asarray((second - first) / length, dtype=np.float32)
