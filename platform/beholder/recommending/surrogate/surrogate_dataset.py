"""Lessons: fresh latents under random edits, drawn and encoded; what a perception learns from."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch

from beholder.config import setting
from beholder.editing.directions import edited_styles
from beholder.editing.generator import to_pixels
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import ImageEncoder
from beholder.errors import ConfigError
from beholder.storage import Place

_PART = 200  # lessons in a file
_MOST_MOVES = 2


@dataclass(frozen=True)
class SurrogateDatasetConfig:
    """What is drawn."""

    inverted: float = setting(0.4, "share of them whose latents lie as far from the generator's own as those of inverted pictures")
    originals: float = setting(0.06, "share of them that are not edited; the others move along one direction or two")
    bfloat16: bool = setting(True, "draw at this precision: twice as fast on a CPU, a third of a grey level off on average")
    batch: int = setting(16, "pictures drawn at a time")
    seed: int = setting(1_000_003, "of the draws")

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"lessons.batch must be at least 1, got {self.batch}")
        for name in ("inverted", "originals"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"lessons.{name} is a share, 0..1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class SurrogateDataset:
    """ws: w+ before the edit [N, num_ws, w_dim]; alphas of the edits [N, K]; embeddings of the pictures [N, E]; all float32."""

    directions: tuple[str, ...]
    ws: np.ndarray
    alphas: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.ws)


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
    """The lessons in `folder`; parts that are not there yet are drawn and kept, so a stopped drawing goes on where it was.

    samples: how many. made_for: names generator and encoder. progress: told how many more are done, kept ones too.
    """
    directions = tuple(editor.directions)
    own, parts = folder / _key(directions, config, made_for), []
    away = None
    for start in range(0, samples, _PART):
        count = min(_PART, samples - start)
        place = own / (f"{start:07d}.npz" if count == _PART else f"{start:07d}-{count}.npz")
        if place.is_file():
            parts.append(_parse(place.read_bytes()))
        else:
            away = _away(editor, config) if away is None else away
            parts.append(_draw(editor, encoder, config, start, count, away))
            place.write_bytes(_dump(parts[-1]))
        progress(count)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return SurrogateDataset(directions, **{name: value.astype(np.float32) for name, value in whole.items()})


def random_alphas(ranges: list[tuple[float, float]], count: int, *, originals: float, rng: np.random.Generator) -> np.ndarray:
    """Edits spread over everything that candidates can be, float32 [count, K]: of nothing, one direction or two."""
    low, high = (np.array([ends[side] for ends in ranges]) for side in (0, 1))
    alphas = np.zeros((count, len(ranges)), np.float32)
    for row in range(count):
        if rng.random() >= originals:
            moves = min(1 + int(rng.random() < 0.6), _MOST_MOVES, len(ranges))
            columns = rng.choice(len(ranges), moves, replace=False)
            alphas[row, columns] = rng.uniform(low[columns], high[columns])
    return alphas


def _draw(
    editor: StyleGAN, encoder: ImageEncoder, config: SurrogateDatasetConfig, start: int, count: int, away: np.ndarray | None
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([config.seed, start])
    latent = editor.generate([int(seed) for seed in rng.integers(0, 2**32, count)])
    if away is not None:
        mixed = rng.normal(size=(count, len(away))) / np.sqrt(len(away)) * (rng.random(count) < config.inverted)[:, None]
        shift = torch.from_numpy(np.einsum("na,arw->nrw", mixed, away).astype(np.float32)).to(latent.ws)
        latent = Latent(latent.ws + shift, latent.z)
    ranges = [slider.range for slider in editor.directions.values()]
    alphas = random_alphas(ranges, count, originals=config.originals, rng=rng)
    names = list(editor.directions)
    edits = [{names[k]: float(row[k]) for k in np.flatnonzero(row)} for row in alphas]
    embeddings = [
        _look(editor, encoder, latent[at : at + config.batch], edits[at : at + config.batch], config)
        for at in range(0, count, config.batch)
    ]
    kept = {"ws": latent.ws.cpu().numpy(), "alphas": alphas, "embeddings": np.concatenate(embeddings)}
    return {name: value.astype(np.float16 if name != "alphas" else np.float32) for name, value in kept.items()}


@torch.no_grad()
def _look(
    editor: StyleGAN, encoder: ImageEncoder, latent: Latent, edits: list[dict[str, float]], config: SurrogateDatasetConfig
) -> np.ndarray:
    """The embeddings [N, E] of latents under an edit each, all drawn together."""
    generator = editor.generator
    styles = [edited_styles(generator, latent[row], edit, editor.directions) for row, edit in enumerate(edits)]
    whole = [torch.cat(layer) for layer in zip(*styles, strict=True)]
    with torch.autocast(editor.device.partition(":")[0], torch.bfloat16, enabled=config.bfloat16):
        rgb = generator.synthesis.draw(whole, noise="none" if editor.config.noise == "none" else "const")
    return encoder.images(to_pixels(rgb.float()))


def _away(editor: StyleGAN, config: SurrogateDatasetConfig) -> np.ndarray | None:
    """How far inversions lie from what was inverted, w+ [A, num_ws, w_dim]; None where nothing inverts or none is asked for."""
    if editor.inverter is None or config.inverted == 0:
        return None
    rng = np.random.default_rng([config.seed, 2**31])
    latent = editor.generate([int(seed) for seed in rng.integers(0, 2**32, 96)])
    found = editor.invert(editor.edit(latent, [{}] * len(latent)))
    return (found.ws - latent.ws).cpu().numpy()


def _key(directions: tuple[str, ...], config: SurrogateDatasetConfig, made_for: str) -> str:
    """A folder's name that changes with whatever changes a lesson; more of the same ones share it."""
    told = {**asdict(config), "batch": None, "made_for": made_for, "directions": directions}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _dump(part: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **part)  # type: ignore[arg-type]
    return buffer.getvalue()


def _parse(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
