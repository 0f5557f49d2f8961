"""The dataset that a surrogate is trained on: fresh latents under random edits, drawn and encoded, in blocks that are kept."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch

from beholder.config import setting
from beholder.editing.directions import edited_styles
from beholder.editing.generator import to_pixels
from beholder.editing.latent import Latent
from beholder.editing.layer_cache import Still
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import ImageEncoder
from beholder.errors import ConfigError
from beholder.storage import Place

_BLOCK = 200  # samples in a file
_MOST_MOVES = 2


@dataclass(frozen=True)
class SurrogateDatasetConfig:
    """What the surrogate's dataset is drawn from."""

    inverted: float = setting(
        0.4, "share of the samples whose latents lie as far from the generator's own as those of inverted pictures"
    )
    originals: float = setting(0.06, "share of the samples that are not edited; the others move along one direction or two")
    bfloat16: bool = setting(True, "draw in bfloat16: twice as fast on a CPU, a third of a grey level off on average")
    batch: int = setting(16, "pictures drawn at a time")
    seed: int = setting(1_000_003, "seed of the latents and the edits")

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"dataset.batch must be at least 1, got {self.batch}")
        for name in ("inverted", "originals"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"dataset.{name} is a share, 0..1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class SurrogateDataset:
    """ws: w+ before the edit [N, num_ws, w_dim]; alphas of the edits [N, K]; embeddings of the pictures [N, E]; all float32."""

    directions: tuple[str, ...]
    ws: np.ndarray
    alphas: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.ws)


@dataclass(frozen=True)
class DatasetBlocks:
    """The files of a surrogate's dataset: each has the samples of a range of their numbers, whatever there is beside it."""

    folder: Place
    directions: tuple[str, ...]
    samples: int

    @classmethod
    def at(cls, folder: Place, editor: StyleGAN, config: SurrogateDatasetConfig, *, samples: int, made_for: str) -> "DatasetBlocks":
        """Return the blocks below `folder` of an editor's samples. made_for: names generator and encoder."""
        directions = tuple(editor.directions)
        return cls(folder / _key(directions, config, made_for), directions, samples)

    def __iter__(self) -> Iterator[range]:
        """Iterate over the samples' numbers, a range for each block."""
        return (range(start, min(start + _BLOCK, self.samples)) for start in range(0, self.samples, _BLOCK))

    def has(self, block: range) -> bool:
        """Tell whether a block is written."""
        return self._place(block).is_file()

    def write(self, block: range, part: Mapping[str, np.ndarray]) -> None:
        """Write what `draw_block` returned, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, **part)  # type: ignore[arg-type]  # numpy's stubs take the names for its own options
        self._place(block).write_bytes(buffer.getvalue())

    def read(self) -> SurrogateDataset:
        """Read the samples of all blocks, in order."""
        parts = [_parse(self._place(block).read_bytes()) for block in self]
        whole = {name: np.concatenate([part[name] for part in parts]).astype(np.float32) for name in parts[0]}
        return SurrogateDataset(self.directions, **whole)

    def _place(self, block: range) -> Place:
        count = len(block)
        return self.folder / (f"{block.start:07d}.npz" if count == _BLOCK else f"{block.start:07d}-{count}.npz")


def open_dataset(
    folder: Place,
    editor: StyleGAN,
    encoder: ImageEncoder,
    config: SurrogateDatasetConfig,
    *,
    samples: int,
    made_for: str,
    progress: Callable[[int], None] = lambda count: None,
) -> SurrogateDataset:
    """Return the dataset in `folder`; blocks that are not there yet are drawn and kept, so drawing that was stopped goes on.

    made_for: names generator and encoder. progress: called with how many more samples are there, those kept from before too.
    """
    blocks = DatasetBlocks.at(folder, editor, config, samples=samples, made_for=made_for)
    missing = [block for block in blocks if not blocks.has(block)]
    offsets = inversion_offsets(editor, config) if missing else None
    for block in blocks:
        if block in missing:
            blocks.write(block, draw_block(editor, encoder, config, block, offsets))
        progress(len(block))
    return blocks.read()


def random_alphas(ranges: list[tuple[float, float]], count: int, *, originals: float, rng: np.random.Generator) -> np.ndarray:
    """Return random edits, float32 [count, K], along no direction, one or two, uniform over their ranges."""
    low, high = (np.array([ends[side] for ends in ranges]) for side in (0, 1))
    alphas = np.zeros((count, len(ranges)), np.float32)
    for row in range(count):
        if rng.random() >= originals:
            moves = min(1 + int(rng.random() < 0.6), _MOST_MOVES, len(ranges))
            columns = rng.choice(len(ranges), moves, replace=False)
            alphas[row, columns] = rng.uniform(low[columns], high[columns])
    return alphas


def draw_block(
    editor: StyleGAN, encoder: ImageEncoder, config: SurrogateDatasetConfig, block: range, offsets: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Draw and encode the samples of these numbers: ws [N, num_ws, w_dim], alphas [N, K] and embeddings [N, E].

    What comes out depends on the seed and the first number. offsets: as `inversion_offsets` returns them.
    """
    rng, count = np.random.default_rng([config.seed, block.start]), len(block)
    latent = editor.generate([int(seed) for seed in rng.integers(0, 2**32, count)])
    if offsets is not None:
        mixed = rng.normal(size=(count, len(offsets))) / np.sqrt(len(offsets)) * (rng.random(count) < config.inverted)[:, None]
        shift = torch.from_numpy(np.einsum("na,arw->nrw", mixed, offsets).astype(np.float32)).to(latent.ws)
        latent = Latent(latent.ws + shift, latent.z)
    ranges = [slider.range for slider in editor.directions.values()]
    alphas = random_alphas(ranges, count, originals=config.originals, rng=rng)
    names = list(editor.directions)
    edits = [{names[k]: float(row[k]) for k in np.flatnonzero(row)} for row in alphas]
    embeddings = [
        _embed(editor, encoder, latent[at : at + config.batch], edits[at : at + config.batch], config)
        for at in range(0, count, config.batch)
    ]
    kept = {"ws": latent.ws.cpu().numpy(), "alphas": alphas, "embeddings": np.concatenate(embeddings)}
    return {name: value.astype(np.float16 if name != "alphas" else np.float32) for name, value in kept.items()}


@torch.no_grad()
def _embed(
    editor: StyleGAN, encoder: ImageEncoder, latent: Latent, edits: list[dict[str, float]], config: SurrogateDatasetConfig
) -> np.ndarray:
    """Return the embeddings [N, E] of latents under an edit each, all drawn together."""
    generator = editor.generator
    styles = [edited_styles(generator, latent[row], edit, editor.directions) for row, edit in enumerate(edits)]
    whole = [torch.cat(layer) for layer in zip(*styles, strict=True)]
    with torch.autocast(editor.device.partition(":")[0], torch.bfloat16, enabled=config.bfloat16):
        noise: Still = "none" if editor.config.noise == "none" else "const"
        rgb = generator.synthesis.draw(whole, noise=noise, until=editor.drawn_size(encoder.size))
    return encoder.images(to_pixels(rgb.float()))


def inversion_offsets(editor: StyleGAN, config: SurrogateDatasetConfig) -> np.ndarray | None:
    """Return how far inversions lie from what was inverted, w+ [A, num_ws, w_dim]; None where there is no inverter or no use."""
    if editor.inverter is None or config.inverted == 0:
        return None
    rng = np.random.default_rng([config.seed, 2**31])
    latent = editor.generate([int(seed) for seed in rng.integers(0, 2**32, 96)])
    inverted = editor.inversion(editor.edit(latent, [{}] * len(latent), size=editor.inverter.sizes[0]), detail=False)
    return (inverted.ws - latent.ws).cpu().numpy()


def _key(directions: tuple[str, ...], config: SurrogateDatasetConfig, made_for: str) -> str:
    """Return a folder's name that changes with whatever changes a sample; more of the same samples share it."""
    parts = {**asdict(config), "batch": None, "made_for": made_for, "directions": directions}
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _parse(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
