"""Training the inverter of the portrait generator: drawings -> the w+ that redraws them."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from beholder.editing.generator import Generator
from beholder.editing.inversion import Inverter, InverterConfig
from beholder.portraits.generator_finetuning import cropped
from beholder.portraits.pool import Pool
from beholder.portraits.training_loop import Progress, cosine, rows, silent, train


@dataclass(frozen=True)
class InverterTraining:
    """How the inverter is trained: first on the known w alone, then also on what the generator makes of its answer."""

    network: InverterConfig = field(default_factory=InverterConfig)
    knowing_steps: int = 1500
    steps: int = 2000
    batch: int = 40
    learning_rate: float = 2e-3
    seen_at: int = 64  # the resolution at which the generator's images are compared
    seeing: float = 4.0  # weight of that comparison
    held_out: int = 1000
    seed: int = 17
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.knowing_steps <= self.steps:
            raise ValueError(f"knowing_steps ({self.knowing_steps}) must be within steps ({self.steps})")


def train_inverter(
    pool: Pool,
    generator: Generator,
    config: InverterTraining,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Inverter:
    """Train an inverter on a pool of portraits of its size, which may be less than the generator's; with a checkpoint file it goes
    on where it stopped.
    """
    generator = cropped(generator, config.network.resolution)
    torch.manual_seed(config.seed)
    inverter = Inverter(config.network).to(memory_format=torch.channels_last)
    with torch.no_grad():
        w = generator.mapping.w(pool.latents)
        inverter.centre.copy_(generator.mapping.w_avg)
        inverter.spread.copy_(w.std())
        wanted = (w - inverter.centre) / inverter.spread
    optimiser = torch.optim.AdamW(inverter.parameters(), weight_decay=0.02)

    def losses(step: int) -> dict[str, Tensor]:
        seen = rows(pool, config.batch, seed=config.seed, step=step, held_out=config.held_out)
        images = pool.batch(seen)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            common, departures = (part.float() for part in inverter.parts(images))
        found = {
            "w": functional.smooth_l1_loss(common, wanted[seen]),
            "departures": 0.1 * departures.square().mean(),
        }
        if step >= config.knowing_steps:
            ws = inverter.centre + inverter.spread * (common.unsqueeze(1) + departures)
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                redrawn = generator.synthesis(ws, until=config.seen_at)
            target = functional.avg_pool2d(images, images.shape[-1] // config.seen_at)
            found["image"] = config.seeing * (redrawn.float() - target).abs().mean()
        return found

    train(
        {"inverter": inverter},
        optimiser,
        losses,
        steps=config.steps,
        rate=lambda step: cosine(step, config.steps, peak=config.learning_rate, warmup=100),
        checkpoint=checkpoint,
        progress=progress,
    )
    return inverter.eval().requires_grad_(False)
