"""NVIDIA's names, which are this project's own: networks pickled with their source text, or their state alone.

The text is never run, and not even kept. Of a whole network's attributes only those are read that change what it computes: where
one is not as in a published StyleGAN2, the file is refused.
"""

import math
from collections.abc import Mapping

import torch

from beholder.editing.checkpoints.generator_search import FoundGenerator
from beholder.editing.checkpoints.state_dict import check_filter
from beholder.safe_pickle.interpreter import ObjectStub, RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_PARTS = ("mapping.", "synthesis.")


def tensors(found: FoundGenerator) -> tuple[dict[str, LazyTensor], float | None]:
    """Return a generator's tensors under our names, and the clamp of its convolutions. Raises RefusedError.

    Filters are looked at and left out, and so is what belongs to neither mapping nor synthesis.
    """
    clamps = {clamp for name, layer in found.layers.items() if (clamp := _check(name, layer)) is not _NO_CONVOLUTION}
    if len(clamps) > 1:
        raise RefusedError("its layers are clamped differently")
    result: dict[str, LazyTensor] = {}
    for name, value in found.tensors.items():
        if name.endswith(".resample_filter"):
            if name.startswith(_PARTS):
                check_filter(name, value, total=1.0)
        elif name.startswith(_PARTS):
            result[name] = value
    for name, layer in found.layers.items():
        if layer.attributes.get("use_noise") is False:
            result |= _silence(name, result)
    if found.mean is not None and "mapping.w_avg" not in result and len(found.mean.shape) == 1:
        result["mapping.w_avg"] = found.mean
    return result, clamps.pop() if clamps else None


_NO_CONVOLUTION = -1.0


def _check(name: str, layer: ObjectStub) -> float | None:
    """Refuse what the generator does not compute; returns a convolution's clamp."""
    says = layer.attributes
    where = printable(name) or "the network"
    if says.get("architecture", "skip") != "skip":
        raise RefusedError(f"{where} has architecture {printable(says['architecture'])}; only skip is known")
    if "activation" in says:
        expected = "linear" if name.endswith((".affine", ".embed")) else "lrelu"
        if says["activation"] != expected:
            raise RefusedError(f"{where} has activation {printable(says['activation'])}; only {expected} is known there")
    shape = layer.part("_parameters").get("weight")
    width = shape.shape[1] if isinstance(shape, LazyTensor) and len(shape.shape) > 1 and shape.shape[1] else 1
    rate = 0.01 if name.startswith("mapping.fc") else 1.0
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


def _silence(name: str, tensors: Mapping[str, LazyTensor]) -> dict[str, LazyTensor]:
    """The strength of the noise of a layer that has none."""
    key = f"{name}.noise_strength"
    return {} if key in tensors else {key: LazyTensor.of(torch.zeros(()))}
