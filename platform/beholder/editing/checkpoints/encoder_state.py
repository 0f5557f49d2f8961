"""Named tensors -> the encoder that lies beside a generator in a file of pSp, e4e or ReStyle."""

import math
from typing import Any

import torch
from torch import Tensor

from beholder.editing.checkpoints.generator_search import FoundGenerator
from beholder.editing.generator import Generator
from beholder.editing.published_encoder import PublishedEncoder, config_of
from beholder.safe_pickle.interpreter import DictStub, RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_COUNTS = ".num_batches_tracked"  # of training, which nothing depends on


def read(found: FoundGenerator, generator: Generator, *, size: int) -> tuple[PublishedEncoder | None, tuple[str, ...]]:
    """Return the encoder of a generator that was found in a file of `size` bytes, and what is to be said of it.

    None where there is none, and where it is none that is known: the generator is of use without it.
    """
    if not found.encoder:
        return None, ()
    try:
        return _assemble(found, generator, size=size), ()
    except (RefusedError, ValueError) as error:
        return None, (f"its encoder was left out: {error}",)


def _assemble(found: FoundGenerator, generator: Generator, *, size: int) -> PublishedEncoder:
    sizes = generator.config
    stored = {name: value for name, value in found.encoder.items() if not name.endswith(_COUNTS)}
    if sum(math.prod(value.shape) for value in stored.values()) > size:
        raise RefusedError("its tensors have more numbers than the file has bytes")
    config = config_of(
        {name: value.shape for name, value in stored.items()}, _option(found, "encoder_type"), _option(found, "dataset_type"),
        resolution=sizes.resolution, num_ws=sizes.num_ws, w_dim=sizes.w_dim,
    )  # fmt: skip
    with torch.device("meta"):
        encoder = PublishedEncoder(config)
    expected = {name: value for name, value in encoder.state_dict().items() if not name.endswith(_COUNTS)}
    own = {"latent_avg": _mean(found, generator), "spread": _spread(generator)}
    tensors: dict[str, Tensor] = {}
    for name, value in expected.items():
        if name in own:
            tensors[name] = own[name]
            continue
        if name not in stored or stored[name].shape != tuple(value.shape):
            has = list(stored[name].shape) if name in stored else "nothing"
            raise RefusedError(f"{printable(name)} is {has}, expected {list(value.shape)}")
        tensors[name] = stored[name].read()
        if not torch.isfinite(tensors[name]).all():
            raise RefusedError(f"{printable(name)} has numbers that are not finite")
    for name in encoder.state_dict():
        if name.endswith(_COUNTS):
            tensors[name] = torch.zeros((), dtype=torch.long)
    encoder.load_state_dict(tensors, assign=True)
    return encoder.eval().requires_grad_(False)


def _option(found: FoundGenerator, name: str) -> str:
    """A setting with which it was trained; empty where the file does not say it."""
    options: Any = found.options
    if isinstance(options, DictStub) and isinstance(options.state, dict):
        options = options.state
    said = options.get(name) if isinstance(options, dict) else None
    return said if isinstance(said, str) else ""


def _mean(found: FoundGenerator, generator: Generator) -> Tensor:
    """What its offsets are added to, for each row."""
    options: Any = found.options
    if isinstance(options, DictStub) and isinstance(options.state, dict):
        options = options.state
    shape = (generator.config.num_ws, generator.config.w_dim)
    if isinstance(options, dict) and options.get("start_from_latent_avg") is False:
        return torch.zeros(shape)
    mean: LazyTensor | None = found.mean
    if mean is None:
        return generator.mapping.w_avg.expand(shape).clone()
    if mean.shape[-1:] != shape[1:] or math.prod(mean.shape) not in (shape[1], shape[0] * shape[1]):
        raise RefusedError(f"its mean w has shape {list(mean.shape)}")
    return mean.read().reshape(-1, shape[1]).expand(shape).clone()


@torch.no_grad()
def _spread(generator: Generator) -> Tensor:
    """How far w varies around its mean."""
    z = torch.randn(1000, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    spread: Tensor = (generator.mapping(z)[:, 0] - generator.mapping.w_avg).square().mean().sqrt()
    return spread
