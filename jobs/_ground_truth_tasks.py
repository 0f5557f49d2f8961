"""Images drawn and encoded under every candidate, by processes that hold generator and encoder: each image is a task."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from beholder.editing import generator_store
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.jobs import _placement
from beholder.progress import Progress
from beholder.recommending.candidates import Candidates, CandidatesConfig, candidates
from beholder.recommending.surrogate.surrogate_model import SurrogateInfo
from beholder.runs import log
from beholder.simulation.ground_truth import GroundTruth, Read, open_ground_truth, read_ground_truth
from beholder.storage import Place
from beholder.workspace import Workspace

MOST_INVERTED = 1000
_PORTRAITS = 5_000_011  # seed of the portraits that are inverted


@dataclass(frozen=True)
class ImageSource:
    """Which images are drawn, under which edits. refinement: they are inverted from pictures, this closely; None: made of seeds."""

    generator: str
    drawing: StyleGANConfig
    encoder: EncoderConfig
    candidates: CandidatesConfig
    workspace: str
    refinement: Refinement | None = None

    @property
    def folder(self) -> Place:
        """Where what was drawn is kept, under the name that version 0.1.0 gave it."""
        return Workspace(self.workspace).place / "galleries"

    def editor(self) -> StyleGAN:
        """Load the generator with its directions."""
        return StyleGAN.load(self.generator, Workspace(self.workspace), config=self.drawing)

    def edits(self, editor: StyleGAN) -> Candidates:
        """Return the edits under which each image is drawn."""
        return candidates(editor.directions, self.candidates)

    def made_for(self, editor: StyleGAN) -> str:
        """Name what decides how an image looks and is encoded."""
        info = SurrogateInfo.of(editor, generator=self.generator, encoder_id=self.encoder.encoder_id())
        return info.made_for if self.refinement is None else f"{info.made_for} inverted {asdict(self.refinement)}"

    def latents(self, editor: StyleGAN, seeds: Sequence[int]) -> Latent:
        """Return a latent for each seed: the generator's own, or that of an inverted picture.

        The pictures are not the generator's own where there are others for it.
        """
        if self.refinement is None:
            return editor.generate(list(seeds))
        if self.generator == generator_store.SHIPPED:
            from beholder.portraits import renderer, traits

            pictures = renderer.draw(traits.sample(MOST_INVERTED, seed=_PORTRAITS)[list(seeds)], editor.resolution)
        else:
            pictures = editor.edit(editor.generate([_PORTRAITS + seed for seed in seeds]), [{}] * len(seeds))
        return Latent(editor.inversion(pictures, refinement=self.refinement, detail=False).ws)

    def reader(self) -> Read:
        """Return what reads traits off pictures: those of the portrait world, and none off other pictures."""
        if self.generator == generator_store.SHIPPED:
            from beholder.portraits.reader import reading

            return reading()
        return lambda pixels: np.zeros((len(pixels), 0), np.float32)


def draw(source: ImageSource, seeds: Sequence[int], *, actors: int = 0, label: str = "draw") -> GroundTruth:
    """Return the images of these seeds under every candidate; those that are not kept in the workspace yet are drawn and kept."""
    editor = source.editor()
    edits = source.edits(editor)
    fetch(source.encoder.resolved())
    items = [{"number": number, "seed": seed} for number, seed in enumerate(seeds)]
    rows: dict[int, np.ndarray] = {}
    with Progress(label, total=len(seeds) * (len(edits) + 1), unit="pictures") as progress:
        for row in _placement.process(DrawImage, items, arguments=(source,), device=source.encoder.device, actors=actors):
            rows[row["number"]] = row["ws"]
            log.info("image %d is drawn", row["seed"])
            progress.advance(len(edits) + 1)
    if source.refinement is None:
        latents = source.latents(editor, seeds)
    else:
        latents = Latent(torch.from_numpy(np.stack([rows[number] for number in range(len(seeds))])).to(editor.device))
    return read_ground_truth(source.folder, candidates=edits, seeds=seeds, made_for=source.made_for(editor), latents=latents)


class DrawImage:
    """A process that holds generator and encoder, and draws and encodes an image under every candidate at a time."""

    def __init__(self, threads: int, source: ImageSource) -> None:
        torch.set_num_threads(threads)
        self.source, self.editor, self.encoder, self.read = source, source.editor(), Encoder.load(source.encoder), source.reader()
        self.edits, self.made_for = source.edits(self.editor), source.made_for(self.editor)

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        seed = int(item["seed"])
        image = open_ground_truth(
            self.source.folder, self.editor, self.encoder, self.read, candidates=self.edits, seeds=[seed], made_for=self.made_for,
            latents=lambda seeds: self.source.latents(self.editor, seeds),
        )  # fmt: skip
        return [{**item, "ws": image.latents.ws[0].cpu().numpy()}]
