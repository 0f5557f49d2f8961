"""A small generator with directions in every space, an encoder of colours, and a surrogate of the two with random weights."""

import numpy as np
import torch

from beholder.editing.directions import Direction
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.stylegan import StyleGAN
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo, SurrogateNetwork, SurrogateSizes

ROWS, W_DIM, E = 6, 8, 12
NAMES = ("smile", "hat", "light")


class Colours:
    """An encoder: the colours of the four quarters of a picture, as a row of length 1."""

    size = 8

    def images(self, pixels: np.ndarray) -> np.ndarray:
        middle = pixels.shape[1] // 2
        parts = [pixels[:, rows, columns].mean(axis=(1, 2)) for rows in _halves(middle) for columns in _halves(middle)]
        found = np.concatenate(parts, axis=1) - 127.5
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def editor(seed: int = 0) -> StyleGAN:
    torch.manual_seed(seed)
    generator = Generator(GeneratorConfig(resolution=16, z_dim=8, w_dim=W_DIM, channel_base=64, channel_max=8))
    return StyleGAN(generator, directions=directions())


def directions(turned: float = 0.0) -> dict[str, Direction]:
    """A move in w, one in w+ and one in the styles. turned: by how much the first is another one."""
    rng = np.random.default_rng(0)

    def unit(*shape: int) -> torch.Tensor:
        found = torch.from_numpy(rng.normal(size=shape))
        return found / found.norm()

    smile, hat, light = unit(W_DIM), unit(2, W_DIM), unit(8)
    if turned:
        smile = smile + turned * torch.ones(W_DIM, dtype=torch.float64)
    found = (
        Direction("smile", "w", smile / smile.norm(), 2.0, (0, ROWS)),
        Direction("hat", "w+", hat, 2.0, (2, 4), range=(-1.0, 2.0)),
        Direction("light", "s", light, 1.0, (0, 1)),
    )
    return {each.name: each for each in found}


def info(encoder_id: str = "colours", seed: int = 0) -> SurrogateInfo:
    return SurrogateInfo.of(editor(seed), generator="tiny", encoder_id=encoder_id)


def surrogate(seed: int = 1) -> Surrogate:
    torch.manual_seed(seed)
    network = SurrogateNetwork(SurrogateSizes(ROWS, W_DIM, len(NAMES), E, parts=10, width=16, blocks=1))
    for buffer in (network.centre, network.seeing, network.steps):
        buffer.copy_(torch.randn(buffer.shape))
    return Surrogate(info(), network)


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(0, middle), slice(middle, None)
