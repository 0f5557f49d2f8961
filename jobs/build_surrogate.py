"""`beholder build surrogate`: what edits of a generator's pictures look like to an encoder, learned from lessons; resumable.

Lessons, fresh latents under random edits, are drawn and encoded once and kept in the workspace's `lessons`; a network is then
trained on them, which goes on from its last epoch after a stop. Recommendations find the result in the workspace.
"""

import os
from dataclasses import asdict, dataclass
from time import perf_counter

import pandas as pd

from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.progress import Progress
from beholder.recommending.surrogate import surrogate_model, surrogate_training
from beholder.recommending.surrogate.surrogate_dataset import SurrogateDatasetConfig, open_dataset
from beholder.recommending.surrogate.surrogate_model import SurrogateInfo
from beholder.recommending.surrogate.surrogate_training import SurrogateTrainingConfig
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

_FEWEST = 20  # lessons


@dataclass(frozen=True)
class BuildSurrogateSettings:
    generator: str = setting(generator_store.SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at its pictures")
    samples: int = setting(16_000, "lessons: pictures that are drawn, encoded and learned from")
    lessons: SurrogateDatasetConfig = setting(SurrogateDatasetConfig(), "what is drawn")
    perceiving: SurrogateTrainingConfig = setting(SurrogateTrainingConfig(), "the network and its training")
    threads: int = setting(0, "torch threads; 0: one for each core this process may use")
    out: str | None = setting(None, "a .safetensors file to write instead, as the shipped one; null: where recommendations look")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.samples < _FEWEST:
            raise ConfigError(f"samples must be at least {_FEWEST}, got {self.samples}")
        if self.out is not None and not self.out.endswith(".safetensors"):
            raise ConfigError(f"out must be a .safetensors file, got {self.out}")


def main(settings: BuildSurrogateSettings, run: Run) -> None:
    import torch

    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace, config=settings.drawing)
    if not editor.directions:
        raise ConfigError(f"generator {settings.generator} has no directions: `beholder directions learn` or `import` finds some")
    about = SurrogateInfo.of(editor, generator=settings.generator, encoder_id=settings.encoder.encoder_id())
    place = surrogate_model.place_of(about, workspace) if settings.out is None else Place.at(settings.out)
    with Progress("lessons", total=settings.samples, unit="pictures") as progress:
        lessons = open_dataset(
            workspace.place / "lessons", editor, Encoder.load(settings.encoder), settings.lessons,
            samples=settings.samples, made_for=about.made_for, progress=progress.advance,
        )  # fmt: skip
    began = perf_counter()
    with Progress("perceiving", total=settings.perceiving.epochs, unit="epochs") as progress:
        found, figures = surrogate_training.learn(
            editor, about, lessons, settings.perceiving, keep=workspace.place / "lessons",
            progress=lambda epoch, epochs: progress.advance(epoch - progress.done),
        )  # fmt: skip
    told = asdict(settings)
    card = {
        "what": "the embedding of an edited picture, told from its latent and edit without drawing it",
        "data": f"{len(lessons)} pictures that the generator made of random latents under random edits; no photographs",
        "command": "beholder build surrogate",
        "licence": "MIT, like the project",
        "settings": {name: told[name] for name in ("samples", "lessons", "perceiving")},
        "figures": {name: round(value, 5) for name, value in figures.items()},
    }
    found.save(place, card=card)
    size = len(place.read_bytes())
    run.results(pd.DataFrame([{"perception": place.uri, "lessons": len(lessons), "bytes": size, **figures}]))
    run.metrics({"lessons": len(lessons), "bytes": size, "seconds": perf_counter() - began, **figures})
    lines = [
        f"A perception of generator {settings.generator} and encoder {about.encoder_id}, {len(about.directions)} directions.",
        f"  {place.uri}, {size / 1e6:.1f} MB, from {len(lessons):,} lessons",
        f"  on those it never saw: {figures['error']:.1%} of the variance of embeddings missed, cosine {figures['cosine']:.4f}",
        "  `beholder evaluate surrogate` says what that is worth",
    ]
    run.summary("# A perception, built\n\n```\n" + "\n".join(lines) + "\n```\n")
    print("\n".join(lines))
    log.info("built %s", place.uri)
