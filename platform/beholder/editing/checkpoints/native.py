"""The project's own format: a safetensors file, its tensors named as in the generator, and conv_clamp in its metadata."""

from dataclasses import asdict

import torch

from beholder import artifacts
from beholder.editing.generator import Generator
from beholder.errors import ArtifactError
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def read(data: bytes) -> tuple[dict[str, LazyTensor], float | None]:
    """Return the tensors of a safetensors file that hold plain numbers, and its conv_clamp. Raises RefusedError."""
    try:
        artifact = artifacts.parse_tensors(data, finite=False)  # `assemble` looks at the numbers
        sizes = artifact.record("network") if "network" in artifact.metadata else {}
    except ArtifactError as error:
        raise RefusedError(f"it is a broken safetensors file: {printable(error)}") from None
    clamp = sizes.get("conv_clamp")
    if clamp is not None and (isinstance(clamp, bool) or not isinstance(clamp, int | float) or not 0 < clamp < 1e6):
        raise RefusedError(f"its conv_clamp is {printable(clamp)}, expected a positive number")
    return {name: LazyTensor.of(value) for name, value in artifact.tensors.items() if value.dtype in _KINDS}, clamp


def write(generator: Generator) -> bytes:
    """Return the generator as the bytes of a safetensors file, its sizes beside the tensors."""
    tensors = {key: value.float() for key, value in generator.state_dict().items()}
    return artifacts.dump(tensors, {"network": asdict(generator.config)})
