"""The TensorFlow generation's format: a pickle of three networks, each a list of named arrays. No TensorFlow is needed.

Convolutions are kept height first (HWIO), those that double the size turned by 180 degrees, dense layers transposed, and the
styles' biases without the 1 that is added to them.
"""

from typing import Any

import torch
from torch import Tensor

from beholder.safe_pickle.interpreter import DictStub, RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor
from beholder.safe_pickle.stubs import ArrayStub


def tensors(network: DictStub) -> dict[str, LazyTensor]:
    """Return a generator's tensors under our names and the way round that we keep them. Raises RefusedError."""
    found: dict[str, LazyTensor] = {}
    for name, stored in _variables("", network, 0).items():
        if "Label" in name:
            raise RefusedError("it is class-conditional in TensorFlow's way, which can't be read; convert it to PyTorch first")
        if "ToRGB_lod" in name:
            raise RefusedError("it grew while it was trained (ToRGB_lod); only skip connections are known")
        if name in ("lod", "synthesis/lod"):
            continue
        key = _key(name)
        if key is None:
            raise RefusedError(f"it holds {printable(name)}, which no StyleGAN2 generator has")
        found[key] = _turn(name, stored)
    return found


def _variables(prefix: str, network: Any, depth: int) -> dict[str, LazyTensor]:
    """Every array by its name, those of the networks inside under their names."""
    state = network.state if isinstance(network, DictStub) and network.kind == "Network" else None
    if not isinstance(state, dict) or not isinstance(state.get("variables"), list) or depth > 1:
        raise RefusedError("a network in it is not of the published layout (expected a list of variables)")
    version = state.get("version")
    if not isinstance(version, int) or version < 4:
        raise RefusedError(f"its networks are of version {printable(version)}; from version 4 on they are known")
    found: dict[str, LazyTensor] = {}
    for pair in state["variables"]:
        match pair:
            case (str(name), ArrayStub(stored=stored)):
                found[prefix + name] = stored
            case (str(name), float(number)):  # a single number is kept outside an array
                found[prefix + name] = LazyTensor.of(torch.tensor(number))
            case _:
                raise RefusedError("a variable in it is no named array")
    components = state.get("components")
    for name, inner in components.items() if isinstance(components, dict) else ():
        if name not in ("mapping", "synthesis"):
            raise RefusedError(f"it holds the network {printable(name)}, which no StyleGAN2 generator has")
        found |= _variables(f"{prefix}{name}/", inner, depth + 1)
    return found


def _key(name: str) -> str | None:
    """Our name of an array."""
    match name.split("/"):
        case ["dlatent_avg"]:
            return "mapping.w_avg"
        case ["mapping", layer, ("weight" | "bias") as part] if layer.startswith("Dense"):
            return f"mapping.fc{layer[5:]}.{part}"
        case ["synthesis", noise] if noise.startswith("noise") and noise[5:].isdigit() and len(noise) < 8:
            j = int(noise[5:])
            size = 2 ** ((j + 5) // 2)
            return f"synthesis.b{size}.{'conv0' if j % 2 else 'conv1'}.noise_const"
        case ["synthesis", "4x4", "Const", "const"]:
            return "synthesis.b4.const"
        case ["synthesis", size, layer, part] if layer in _LAYERS and part in _PARTS:
            return f"synthesis.b{size.partition('x')[0]}.{_LAYERS[layer]}.{_PARTS[part]}"
    return None


_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
_PARTS = {
    "weight": "weight",
    "bias": "bias",
    "noise_strength": "noise_strength",
    "mod_weight": "affine.weight",
    "mod_bias": "affine.bias",
}


def _turn(name: str, stored: LazyTensor) -> LazyTensor:
    """An array the way round that we keep it."""
    shape = stored.shape
    if len(shape) == 4 and name.endswith("/weight"):

        def turn(weight: Tensor) -> Tensor:
            weight = weight.permute(3, 2, 0, 1)
            return weight.flip(2, 3) if "Conv0_up" in name else weight

        return stored.turned((shape[3], shape[2], shape[0], shape[1]), turn)
    if len(shape) == 2 and name.endswith("weight"):
        return stored.turned(shape[::-1], lambda weight: weight.T)
    if name.endswith("/mod_bias"):
        return stored.turned(shape, lambda bias: bias + 1)
    if name.startswith("synthesis/noise") and len(shape) == 4:
        return stored.reshaped(shape[2:])
    if name.endswith("/const") and len(shape) == 4:
        return stored.reshaped(shape[1:])
    return stored
