"""Named tensors -> the feature networks in a file of StyleFeatureEditor, beside a generator or alone."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from beholder.editing.features.published_features import PublishedFeatures, PublishedFeaturesConfig
from beholder.editing.generator import Generator
from beholder.errors import EditError
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_MARK = "inverter.fs_backbone.conv.0.weight"
_COUNTS = ".num_batches_tracked"  # of training, which nothing depends on
_PARTS = ("encoder.", "inverter.")
_DEEPEST = 4


def find(value: Any) -> dict[str, LazyTensor]:
    """Return the tensors of feature networks under their published names, with latent_avg where it lies near; {} for none."""
    waiting: list[tuple[dict[Any, Any], tuple[dict[Any, Any], ...]]] = [(value, ())] if isinstance(value, dict) else []
    while waiting:
        here, above = waiting.pop(0)
        for name in here:
            prefix = str(name).removesuffix(_MARK)
            if prefix == name or not isinstance(here[name], LazyTensor):
                continue
            named = {str(key).removeprefix(prefix): item for key, item in here.items() if isinstance(item, LazyTensor)}
            found = {key: item for key, item in named.items() if key.startswith(_PARTS) and not key.endswith(_COUNTS)}
            mean = next((each["latent_avg"] for each in (named, *above) if isinstance(each.get("latent_avg"), LazyTensor)), None)
            return found if mean is None else found | {"latent_avg": mean}
        if len(above) < _DEEPEST:
            waiting += [(item, (here, *above)) for item in here.values() if isinstance(item, dict)]
    return {}


def assemble(stored: Mapping[str, LazyTensor], generator: Generator, *, size: int) -> PublishedFeatures:
    """Build the feature networks of a generator from tensors found in a file of `size` bytes.

    Raises RefusedError where they are none of this generator.
    """
    if sum(math.prod(value.shape) for value in stored.values()) > size:
        raise RefusedError("its tensors have more numbers than the file has bytes")
    try:
        config = PublishedFeaturesConfig.of({name: value.shape for name, value in stored.items()})
        with torch.device("meta"):
            networks = PublishedFeatures(config)
        networks.check(generator.config)
    except (ValueError, EditError) as error:
        raise RefusedError(str(error)) from None
    tensors: dict[str, Tensor] = {}
    for name, value in networks.state_dict().items():
        if name == "latent_avg":
            tensors[name] = _mean(stored.get(name), generator)
        elif name.endswith(_COUNTS):
            tensors[name] = torch.zeros((), dtype=torch.long)
        elif name not in stored or stored[name].shape != tuple(value.shape):
            has = list(stored[name].shape) if name in stored else "nothing"
            raise RefusedError(f"{printable(name)} is {has}, expected {list(value.shape)}")
        else:
            tensors[name] = stored[name].read()
            if not torch.isfinite(tensors[name]).all():
                raise RefusedError(f"{printable(name)} has numbers that are not finite")
    networks.load_state_dict(tensors, assign=True)
    return networks.eval().requires_grad_(False)


def _mean(stored: LazyTensor | None, generator: Generator) -> Tensor:
    """What the backbone's w+ is added to: one w, or one for each row."""
    rows, width = generator.config.num_ws, generator.config.w_dim
    if stored is None:
        return generator.mapping.w_avg.expand(rows, width).clone()
    if stored.shape[-1:] != (width,) or math.prod(stored.shape) not in (width, rows * width):
        raise RefusedError(f"its mean w has shape {list(stored.shape)}")
    return stored.read().reshape(-1, width).expand(rows, width).clone()
