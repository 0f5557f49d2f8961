"""Training the portrait CLIP: images and texts of the portrait world in one space.

Three losses, all from known truth: captions find their portraits among a batch (counting every portrait a caption is
true of), pairs of opposite statements tell the two ends of each trait apart, and a linear layer reads every trait.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from beholder.portraits import captions, traits
from beholder.portraits.pool import Pool
from beholder.portraits.training_loop import Progress, cosine, rows, silent, train

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP's preprocessing

# In open_clip's words; small enough to train and run on a few cores.
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": 4, "width": 256, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 64, "vocab_size": 49408, "width": 96, "heads": 3, "layers": 3},
}


@dataclass(frozen=True)
class ClipTraining:
    """How the portrait CLIP is trained; the last portraits of the pool are kept for measuring."""

    reading_steps: int = 500  # at first the image tower learns to read traits, which costs no texts
    steps: int = 1400
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 100
    statements: float = 0.5  # weight of the opposite statements beside the captions
    pairs: int = 8  # of opposite statements at a step
    reading: float = 2.0  # weight of the linear reading of traits
    held_out: int = 1000
    seed: int = 11
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(f"contrastive training needs a batch of at least 2, not {self.batch}")


def preprocess(images: Tensor) -> Tensor:
    """Portraits in -1..1 [N, 3, H, W] as CLIP takes them."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return ((images + 1) / 2 - mean) / std


def train_clip(
    pool: Pool,
    model: nn.Module,
    tokenize: Callable[[list[str]], Tensor],
    config: ClipTraining,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> nn.Module:
    """Train a CLIP (encode_image, encode_text, logit_scale) on a pool; with a checkpoint it goes on where it stopped."""
    torch.manual_seed(config.seed)
    with torch.no_grad():
        width = model.encode_image(preprocess(pool.batch(torch.arange(1)))).shape[1]  # type: ignore[operator]
    reader = nn.Linear(width, len(traits.TRAITS))
    parts = nn.ModuleDict({"model": model, "reader": reader})
    matrices = [p for p in parts.parameters() if p.ndim >= 2]
    others = [p for p in parts.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    spread = pool.traits.std(dim=0)
    model.train()

    def losses(step: int) -> dict[str, Tensor]:
        seen = rows(pool, config.batch, seed=config.seed, step=step, held_out=config.held_out)
        truth = pool.traits[seen]
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16), sdpa_kernel(SDPBackend.MATH):
            image = model.encode_image(preprocess(pool.batch(seen)))  # type: ignore[operator]
        image = functional.normalize(image.float(), dim=-1)
        found = {"reading": config.reading * ((reader(image * 8) - (truth - 0.5) / spread) ** 2).mean()}
        if step >= config.reading_steps:
            found |= _speaking(model, tokenize, image, truth, config.seed * 10**6 + step, config)
        return found

    def after(step: int) -> None:
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(60))  # type: ignore[operator]

    train(
        {"parts": parts},
        optimiser,
        losses,
        steps=config.steps,
        rate=lambda step: cosine(step, config.steps, peak=config.learning_rate, warmup=config.warmup),
        after=after,
        clip=1.0,
        checkpoint=checkpoint,
        progress=progress,
    )
    return model.eval()


def _speaking(
    model: nn.Module,
    tokenize: Callable[[list[str]], Tensor],
    image: Tensor,
    truth: Tensor,
    seed: int,
    config: ClipTraining,
) -> dict[str, Tensor]:
    """The losses that need texts, for unit embeddings of portraits [N, D] whose traits are [N, T]."""
    said = captions.describe(truth, seed=seed)
    names, pairs = _pairs(seed, config.pairs)
    texts = tokenize([each.text for each in said] + pairs)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16), sdpa_kernel(SDPBackend.MATH):
        text = model.encode_text(texts)  # type: ignore[operator]
    text = functional.normalize(text.float(), dim=-1)
    scale = model.logit_scale.exp()  # type: ignore[operator]
    columns = [traits.column(name) for name in names]
    return {
        "captions": _contrast(scale * text[: len(said)] @ image.T, captions.fits(truth, said)),
        "statements": config.statements * _telling(scale * image @ text[len(said) :].T, truth[:, columns], columns),
    }


def _pairs(seed: int, count: int) -> tuple[list[str], list[str]]:
    """Some traits, and for each of them a text of its low end and one of its high end."""
    rng = random.Random(seed)
    names = rng.sample(traits.NAMES, count)
    return names, [rng.choice(side) for name in names for side in captions.statements(name)]


def _contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """Cross-entropy both ways over texts x images, spread evenly over all that are true of each other."""
    wanted = fits.float()
    by_text = -(wanted / wanted.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1)
    by_image = -(wanted / wanted.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0)
    return (by_text.mean() + by_image.mean()) / 2


def _telling(logits: Tensor, truth: Tensor, columns: list[int]) -> Tensor:
    """How well images [N] tell two statements of each trait apart; a graded trait wants a graded answer."""
    yes_no = torch.tensor([traits.TRAITS[i].kind == "yes/no" for i in columns])
    wanted = torch.where(yes_no, truth, torch.sigmoid(10 * (truth - 0.5)))
    return functional.binary_cross_entropy_with_logits(logits[:, 1::2] - logits[:, 0::2], wanted)
