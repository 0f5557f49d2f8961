"""NVIDIA's format: a pickle of whole networks with their source text. The text is never run, and not even kept.

What is read are the tensors in each layer's attributes, and of the other attributes only those that change what the network
computes: where one is not as in a published StyleGAN2, the file is refused.
"""

import math
from typing import Any

from beholder.editing.checkpoints.state_dict import ReadGenerator, assemble, check_filter
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor
from beholder.safe_pickle.stubs import ModuleStub

FORMAT = "NVIDIA (pickle of networks)"
_MOST_LAYERS, _MOST_TENSORS, _DEEPEST = 2_000, 20_000, 8


def build(whole: dict[Any, Any], *, size: int) -> ReadGenerator:
    """The generator under G_ema in a file of `size` bytes. Raises RefusedError."""
    top = whole.get("G_ema")
    if not isinstance(top, ModuleStub):
        keys = ", ".join(printable(key) for key in list(whole)[:6])
        raise RefusedError(f"it is a pickle without a generator (expected G_ema; it has {keys})")
    layers = _layers(top)
    clamps = [_check(name, layer, layers) for name, layer in layers.items()]
    given = {clamp for clamp in clamps if clamp is not _NO_CONVOLUTION}
    if len(given) > 1:
        raise RefusedError("its layers are clamped differently")
    tensors: dict[str, LazyTensor] = {}
    left = _MOST_TENSORS
    for name, layer in layers.items():
        left -= len(layer.part("_parameters")) + len(layer.part("_buffers"))
        if left < 0:
            raise RefusedError(f"its layers have more than {_MOST_TENSORS:,} tensors")
        for key, value in (layer.part("_parameters") | layer.part("_buffers")).items():
            full = f"{name}.{key}" if name else str(key)
            if isinstance(value, LazyTensor):
                if key == "resample_filter":
                    check_filter(full, value, total=1.0)
                else:
                    tensors[full] = value
            elif value is not None:
                raise RefusedError(f"{printable(full)} is no tensor")
        if layer.attributes.get("use_noise") is False:
            tensors |= _silence(name, tensors)
    return assemble(tensors, size=size, conv_clamp=given.pop() if given else None)


def _layers(top: ModuleStub) -> dict[str, ModuleStub]:
    """Every layer by its dotted name, the network itself under ""."""
    found: dict[str, ModuleStub] = {}
    waiting: list[tuple[str, ModuleStub, int]] = [("", top, 0)]
    while waiting:
        name, layer, depth = waiting.pop()
        found[name] = layer
        if len(found) + len(waiting) + len(layer.part("_modules")) > _MOST_LAYERS or depth > _DEEPEST:
            raise RefusedError(f"its network has more than {_MOST_LAYERS:,} layers, or {_DEEPEST} within each other")
        for key, inner in layer.part("_modules").items():
            if not isinstance(key, str) or not isinstance(inner, ModuleStub):
                raise RefusedError(f"a part of its network, {printable(key)}, is no layer of the published kind")
            waiting.append((f"{name}.{key}" if name else key, inner, depth + 1))
    return found


_NO_CONVOLUTION = -1.0


def _check(name: str, layer: ModuleStub, layers: dict[str, ModuleStub]) -> float | None:
    """Refuse what the generator does not compute; returns a convolution's clamp."""
    says = layer.attributes
    where = printable(name) or "the network"
    if says.get("c_dim", 0) != 0:
        raise RefusedError("it is class-conditional; only generators without classes are known")
    if says.get("architecture", "skip") != "skip":
        raise RefusedError(f"{where} has architecture {printable(says['architecture'])}; only skip is known")
    if "activation" in says:
        expected = "linear" if name.endswith(".affine") else "lrelu"
        if says["activation"] != expected:
            raise RefusedError(f"{where} has activation {printable(says['activation'])}; only {expected} is known there")
    shape = layer.part("_parameters").get("weight")
    width = shape.shape[1] if isinstance(shape, LazyTensor) and len(shape.shape) > 1 and shape.shape[1] else 1
    rate = 0.01 if name.startswith("mapping.") else 1.0
    gains = {"bias_gain": rate, "weight_gain": rate / math.sqrt(width), "act_gain": math.sqrt(2)}
    if name.endswith(("conv0", "conv1")):
        del gains["weight_gain"]  # the demodulation undoes it
    for gain, expected_gain in gains.items():
        if gain in says:
            value = says[gain]
            if not isinstance(value, int | float) or not math.isclose(value, expected_gain, rel_tol=1e-4):
                raise RefusedError(f"{where} has {gain} {printable(value)}, expected {expected_gain:.6g}")
    if not name.endswith(("conv0", "conv1", "torgb")):
        return _NO_CONVOLUTION
    clamp = says.get("conv_clamp")
    if clamp is not None and not (isinstance(clamp, int | float) and math.isfinite(clamp) and clamp > 0):
        raise RefusedError(f"{where} has conv_clamp {printable(clamp)}, expected a positive number")
    return None if clamp is None else float(clamp)


def _silence(name: str, tensors: dict[str, LazyTensor]) -> dict[str, LazyTensor]:
    """The strength of the noise of a layer that has none."""
    import torch

    key = f"{name}.noise_strength"
    return {} if key in tensors else {key: LazyTensor.of(torch.zeros(()))}
