"""The project's own format: a safetensors file, its tensors named as in the generator, and conv_clamp in its metadata."""

import json
from dataclasses import asdict
from typing import Any

import torch

from beholder.editing.checkpoints.state_dict import ReadGenerator, assemble
from beholder.editing.generator import Generator
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

FORMAT = "safetensors"
_KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def read(data: bytes) -> ReadGenerator:
    """The generator in a safetensors file. Raises RefusedError."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        about: Any = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        sizes = json.loads(about.get("network", "{}"))
    except (SafetensorError, ValueError, KeyError, RecursionError, RuntimeError) as error:
        raise RefusedError(f"it is a broken safetensors file: {printable(error)}") from None
    clamp = sizes.get("conv_clamp") if isinstance(sizes, dict) else None
    if clamp is not None and (isinstance(clamp, bool) or not isinstance(clamp, int | float) or not 0 < clamp < 1e6):
        raise RefusedError(f"its conv_clamp is {printable(clamp)}, expected a positive number")
    for name, value in tensors.items():
        if value.dtype not in _KINDS:
            raise RefusedError(f"{printable(name)} holds {value.dtype}, expected plain numbers")
    return assemble({name: LazyTensor.of(value) for name, value in tensors.items()}, size=len(data), conv_clamp=clamp)


def write(generator: Generator) -> bytes:
    """The generator as a safetensors file, its sizes beside the tensors."""
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().float().contiguous() for key, value in generator.state_dict().items()}
    return save(tensors, metadata={"network": json.dumps(asdict(generator.config))})
