"""CLIP's vision transformer as plain blocks, with room for a person's token after CLS.

The first blocks are frozen and see the image alone, so what they make of it can be kept; the last ones see [CLS, person,
patches...]. Of the very last one only CLS is read, so nothing else is computed there.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.errors import ConfigError, TasteError

_PARTS = ("transformer", "class_embedding", "positional_embedding", "ln_post", "proj")


class Attention(nn.Module):
    """torch's multi-head self-attention with its four projections as linear layers of their own, which adapters can be put on."""

    def __init__(self, whole: nn.MultiheadAttention):
        super().__init__()
        self.heads = whole.num_heads
        weight, bias = whole.in_proj_weight.detach(), whole.in_proj_bias
        biases: Any = (None,) * 3 if bias is None else bias.detach().chunk(3)
        self.q, self.k, self.v = (_linear(w, b) for w, b in zip(weight.chunk(3), biases, strict=True))
        out = whole.out_proj
        self.out = _linear(out.weight.detach(), None if out.bias is None else out.bias.detach())

    def forward(self, x: Tensor, queries: int) -> Tensor:
        """x: [N, T, W]. Return what the first `queries` tokens gather from all, [N, queries, W]."""
        q, k, v = (self._heads(y) for y in (self.q(x[:, :queries]), self.k(x), self.v(x)))
        attended = functional.scaled_dot_product_attention(q, k, v)
        tokens: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return tokens

    def _heads(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)


class TransformerBlock(nn.Module):
    """One of open_clip's residual attention blocks, with the same weights."""

    def __init__(self, block: Any):
        super().__init__()
        self.ln_1, self.attn, self.ls_1 = block.ln_1, Attention(block.attn), block.ls_1
        # A container of its own around the same layers: adapters that are put in here leave the encoder as it is.
        self.ln_2, self.mlp, self.ls_2 = block.ln_2, nn.Sequential(OrderedDict(block.mlp.named_children())), block.ls_2

    def forward(self, x: Tensor, *, only_cls: bool = False) -> Tensor:
        """[N, T, W] -> [N, T, W], or [N, 1, W] where only CLS is wanted."""
        queries = 1 if only_cls else x.shape[1]
        x = x[:, :queries] + self.ls_1(self.attn(self.ln_1(x), queries))
        x = x + self.ls_2(self.mlp(self.ln_2(x)))
        return x


class VisionTransformer(nn.Module):
    """open_clip's vision transformer in two parts: `embed` up to the first of the last `blocks` blocks, `forward` from there."""

    def __init__(self, visual: Any, *, blocks: int, name: str):
        """visual: frozen, in eval mode. blocks: 0 is all of them. name: of the encoder, for messages.

        Raises TasteError for a tower that is built otherwise, ConfigError for more blocks than it has.
        """
        super().__init__()
        _check(visual, name)
        whole = list(visual.transformer.resblocks)
        if blocks > len(whole):
            raise ConfigError(f"blocks={blocks}: the vision tower of {name} has {len(whole)}; 0 adapts all of them")
        first = len(whole) - (blocks or len(whole))
        # In a list, so that what is frozen is neither fitted nor kept nor switched to training with the rest.
        self._frozen = [visual, nn.ModuleList(TransformerBlock(block) for block in whole[:first]).eval()]
        self.blocks = nn.ModuleList(TransformerBlock(block) for block in whole[first:])
        self.ln_post = visual.ln_post
        self.proj = visual.proj
        self.width = int(visual.class_embedding.shape[0])
        self.requires_grad_(False)

    def embed(self, x: Tensor) -> Tensor:
        """Return prepared pixels [N, 3, S, S] as tokens [N, T, W] before the first block that is adapted."""
        visual, blocks = self._frozen
        with torch.no_grad():
            x = visual._embeds(x)
            for block in blocks:
                x = block(x)
        return x

    def forward(self, x: Tensor, person: Tensor | None) -> Tensor:
        """Return tokens [N, T, W], with a person's token for each [N, W], as embeddings [N, D], rows of length 1."""
        if person is not None:
            x = torch.cat([x[:, :1], person[:, None].to(x.dtype), x[:, 1:]], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.ln_post(self.blocks[-1](x, only_cls=True)[:, 0])
        if self.proj is not None:
            x = x @ self.proj
        return functional.normalize(x.float(), dim=-1)


def _check(visual: Any, name: str) -> None:
    """Refuse whatever is not CLIP's own vision transformer, read at its CLS token."""
    why = None
    if missing := [part for part in _PARTS if not hasattr(visual, part)]:
        why = f"it is a {type(visual).__name__} without {missing[0]}"
    elif getattr(visual, "attn_pool", None) is not None or getattr(visual, "pool_type", "tok") != "tok":
        why = "it pools over its patches"
    elif not all(type(getattr(block, "attn", None)) is nn.MultiheadAttention for block in visual.transformer.resblocks):
        why = "its attention is of another kind"
    elif not all(type(getattr(block, "mlp", None)) is nn.Sequential for block in visual.transformer.resblocks):
        why = "its MLPs are of another kind"
    if why:
        raise TasteError(
            f"taste=lora can't adapt the vision tower of {name}: {why}. It adapts CLIP's vision transformers "
            "(encoder=portraits, vit_b_32, vit_b_16, vit_l_14); for this encoder take taste=mlp or taste=bayes"
        )


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer
