"""`beholder build surrogate`: what edits of a generator's pictures look like to an encoder, learned by a network; resumable.

Samples, fresh latents under random edits, are drawn and encoded once, block by block by processes that hold both models, and kept
in the workspace's `lessons`; one task then trains the network, which goes on from its last epochs after a stop. Recommendations
find the result in the workspace.
"""

from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray

from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError
from beholder.jobs import _placement
from beholder.jobs._epoch_log import follow
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.recommending.surrogate import surrogate_dataset, surrogate_model, surrogate_training
from beholder.recommending.surrogate.surrogate_dataset import DatasetBlocks, SurrogateDatasetConfig
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo
from beholder.recommending.surrogate.surrogate_training import SurrogateTrainingConfig
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

_FEWEST = 20  # samples
_FOLDER = "lessons"  # of the workspace: the name under which version 0.1.0 kept them


@dataclass(frozen=True)
class BuildSurrogateSettings:
    common: ClassVar[tuple[str, ...]] = (
        "generator",
        "encoder",
        "samples",
        "out",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder build surrogate",
        "beholder build surrogate generator=ffhq encoder=vit_l_14 samples=20000",
    )
    generator: str = setting(generator_store.SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds its pictures")
    samples: int = setting(16_000, "pictures that are drawn, encoded and learned from")
    dataset: SurrogateDatasetConfig = setting(SurrogateDatasetConfig(), "what the samples are drawn from")
    training: SurrogateTrainingConfig = setting(SurrogateTrainingConfig(), "the network and its training")
    actors: int = setting(0, "processes that draw and encode samples; 0 is one per GPU, or one per core where there is no GPU")
    threads: int = setting(0, "torch threads of the training; 0: all cores of the largest machine")
    out: str | None = setting(None, "a .safetensors file to write instead, as the shipped one; null: where recommendations look")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.samples < _FEWEST:
            raise ConfigError(f"samples must be at least {_FEWEST}, got {self.samples}")
        if min(self.actors, self.threads) < 0:
            raise ConfigError(f"actors and threads must be 0 or more, got {self.actors} and {self.threads}")
        if self.out is not None and not self.out.endswith(".safetensors"):
            raise ConfigError(f"out must be a .safetensors file, got {self.out}")

    def editor(self) -> StyleGAN:
        """Load the generator with its directions. Raises ConfigError where it has none."""
        editor = StyleGAN.load(self.generator, Workspace(self.workspace), config=self.drawing)
        if not editor.directions:
            raise ConfigError(f"generator {self.generator} has no directions: `beholder directions learn` or `import` finds some")
        return editor

    def info(self, editor: StyleGAN) -> SurrogateInfo:
        """Return what the surrogate is of."""
        return SurrogateInfo.of(editor, generator=self.generator, encoder_id=self.encoder.encoder_id())

    def blocks(self, editor: StyleGAN) -> DatasetBlocks:
        """Return the files of the dataset in the workspace."""
        folder = Workspace(self.workspace).place / _FOLDER
        return DatasetBlocks.at(folder, editor, self.dataset, samples=self.samples, made_for=self.info(editor).made_for)


def main(settings: BuildSurrogateSettings, run: Run) -> None:
    editor = settings.editor()
    info = settings.info(editor)
    place = surrogate_model.place_of(info, Workspace(settings.workspace)) if settings.out is None else Place.at(settings.out)
    fetch(settings.encoder.resolved())
    with connect(settings.ray):
        draw(settings, settings.blocks(editor))
        began = perf_counter()
        threads = settings.threads or int(_placement.largest_node())
        with follow("train") as epochs:
            surrogate, figures = ray.get(train.options(num_cpus=threads).remote(settings, threads, epochs))
    values = asdict(settings)
    card = {
        "what": "the embedding of an edited picture, predicted from its latent and edit without drawing it",
        "data": f"{settings.samples} pictures that the generator made of random latents under random edits; no photographs",
        "command": "beholder build surrogate",
        "licence": "MIT, like the project",
        "settings": {name: values[name] for name in ("samples", "dataset", "training")},
        "figures": {name: round(value, 5) for name, value in figures.items()},
    }
    surrogate.save(place, card=card)
    size = len(place.read_bytes())
    run.results(pd.DataFrame([{"surrogate": place.uri, "samples": settings.samples, "bytes": size, **figures}]))
    run.metrics({"samples": settings.samples, "bytes": size, "seconds": perf_counter() - began, **figures})
    lines = [
        f"A surrogate of generator {settings.generator} and encoder {info.encoder_id}, {len(info.directions)} directions.",
        f"  {place.uri}, {size / 1e6:.1f} MB, from {settings.samples:,} samples",
        f"  on held-out samples: {figures['error']:.1%} of the variance of embeddings missed, cosine {figures['cosine']:.4f}",
        "  `beholder evaluate surrogate` says what that is worth",
    ]
    run.summary("# A surrogate, built\n\n```\n" + "\n".join(lines) + "\n```\n")
    print("\n".join(lines))
    log.info("built %s", place.uri)


def draw(settings: BuildSurrogateSettings, blocks: DatasetBlocks) -> None:
    """Draw and encode the blocks that are not there yet, each a task; they are written as they are done."""
    missing = [block for block in blocks if not blocks.has(block)]
    with Progress("draw", total=settings.samples, unit="pictures") as progress:
        progress.advance(settings.samples - sum(map(len, missing)))
        if not missing:
            return
        offsets = offsets_of.options(num_cpus=1, **_placement.one_gpu(settings.encoder.device)).remote(settings)
        items = [{"start": block.start, "stop": block.stop} for block in missing]
        rows = _placement.process(
            DrawBlock, items, arguments=(settings, [offsets]), device=settings.encoder.device, actors=settings.actors
        )
        for row in rows:
            log.info("samples %d to %d are drawn", row["start"], row["stop"] - 1)
            progress.advance(row["stop"] - row["start"])


@ray.remote
def offsets_of(settings: BuildSurrogateSettings) -> np.ndarray | None:
    """Compute once, for all blocks, how far inversions lie from what was inverted."""
    return surrogate_dataset.inversion_offsets(settings.editor(), settings.dataset)


class DrawBlock:
    """A process that holds generator and encoder, and draws, encodes and writes a block of samples at a time."""

    def __init__(self, threads: int, settings: BuildSurrogateSettings, offsets: list[Any]) -> None:
        import torch

        torch.set_num_threads(threads)
        self.settings, self.editor, self.encoder = settings, settings.editor(), Encoder.load(settings.encoder)
        self.blocks = settings.blocks(self.editor)
        self.offsets: np.ndarray | None = ray.get(offsets[0])

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        block = range(int(item["start"]), int(item["stop"]))
        part = surrogate_dataset.draw_block(self.editor, self.encoder, self.settings.dataset, block, self.offsets)
        self.blocks.write(block, part)
        return [item]


@ray.remote
def train(settings: BuildSurrogateSettings, threads: int, epochs: Any) -> tuple[Surrogate, dict[str, float]]:
    """Train the network on the samples that are drawn. epochs: an EpochLog."""
    import torch

    torch.set_num_threads(threads)
    editor = settings.editor()
    return surrogate_training.fit(
        editor, settings.info(editor), settings.blocks(editor).read(), settings.training,
        checkpoints=Workspace(settings.workspace).place / _FOLDER, progress=epochs.write.remote,
    )  # fmt: skip
