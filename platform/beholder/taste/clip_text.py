"""Attributes and questions as CLIP's text tower embeds them, optionally with a person's token in the sentence."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.encoder import Encoder
from beholder.errors import TasteError

# What a question begins with and a description does not: "who looks more friendly?" asks for "friendly".
_ASKING = re.compile(
    r"^((who|which|what|person|one|face|image|of|the|two|these|this|is|are|looks?|seems?|appears?|more|most)\s+)+", re.IGNORECASE
)


def bare(question: str) -> str:
    """Return what a question asks about, without the asking. Raises TasteError where nothing is left."""
    subject = _ASKING.sub("", question.strip().rstrip("?!. ").strip() + " ").strip()
    if not subject:
        raise TasteError(f"expected a question in words such as 'looks friendly', got {question!r}")
    return subject


class PromptTemplates:
    """Prompts: texts -> unit embeddings, the mean over the templates. The text tower stays as it is."""

    def __init__(self, encoder: Encoder, templates: Sequence[str]):
        self._encoder, self._templates = encoder, list(templates)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return embeddings of texts, float32 [A, D], rows of length 1."""
        embeddings = self._encoder.texts(self._prompts(texts)).reshape(len(texts), len(self._templates), -1).mean(axis=1)
        return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Return token numbers, int64 [A, templates, L], cut off behind the longest text."""
        ids = self._encoder.tokens(self._prompts(texts))
        longest = int(ids.argmax(dim=1).max()) + 1
        return ids[:, :longest].reshape(len(texts), len(self._templates), -1)

    def _prompts(self, texts: Sequence[str]) -> list[str]:
        return [template.format(text) for text in texts for template in self._templates]


class PersonTextEncoder(nn.Module):
    """CLIP's text tower with a person's token before the end of the text; it has no position, and the end keeps its own."""

    def __init__(self, model: Any, *, name: str):
        """model: open_clip's CLIP, frozen. Raises TasteError for a text tower that is built otherwise."""
        super().__init__()
        parts = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection", "attn_mask")
        if any(not hasattr(model, part) for part in parts) or model.attn_mask is None or model.text_pool_type != "argmax":
            raise TasteError(
                f"person=text can't put a person's token into the text tower of {name}: it is not CLIP's own; take person=image"
            )
        self._model = [model]  # in a list, so that what is frozen is neither fitted nor kept
        self.width = int(model.token_embedding.weight.shape[1])

    def forward(self, ids: Tensor, person: Tensor) -> Tensor:
        """Return embeddings [N, D], rows of length 1.

        ids: token numbers [N, K, L] of N texts in K templates. person: a token for each text [N, W].
        """
        model = self._model[0]
        count, templates, length = ids.shape
        if length >= len(model.attn_mask):
            raise TasteError(f"a text of {length} tokens leaves no room for a person's among the {len(model.attn_mask)} there are")
        flat = ids.flatten(0, 1)
        x = model.token_embedding(flat) + model.positional_embedding[:length]
        end = flat.argmax(dim=1)
        before = (torch.arange(length, device=flat.device) < end[:, None])[..., None]
        nothing = x.new_zeros(len(x), 1, self.width)
        # Everything up to the end stays, the rest moves one place on, and the person takes the place between.
        x = torch.cat([x * before, nothing], dim=1) + torch.cat([nothing, x * ~before], dim=1)
        at = torch.arange(length + 1, device=flat.device) == end[:, None]
        x = torch.where(at[..., None], person.repeat_interleave(templates, 0)[:, None].to(x.dtype), x)
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[: length + 1, : length + 1]))
        x = x[torch.arange(len(x), device=flat.device), end + 1]
        projection = model.text_projection
        x = projection(x) if isinstance(projection, nn.Linear) else x if projection is None else x @ projection
        x = functional.normalize(x.float(), dim=-1).reshape(count, templates, -1).mean(dim=1)
        return functional.normalize(x, dim=-1)
