"""Rosinality's names: the same numbers as NVIDIA's, with leading sides of 1.

Karras et al.'s networks as stylegan2-pytorch keeps them, and pSp, e4e and ReStyle beside their encoders.
"""

import io
import math
from collections.abc import Mapping

import torch

from beholder.editing.checkpoints.generator_search import FoundGenerator
from beholder.editing.checkpoints.state_dict import check_filter
from beholder.editing.generator import Generator
from beholder.errors import WeightsError
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_PARTS = ("style.", "input.", "conv1.", "to_rgb1.", "convs.", "to_rgbs.", "noises.")
_FILTERS = ("blur.kernel", "upsample.kernel")


def tensors(found: FoundGenerator) -> dict[str, LazyTensor]:
    """Return a generator's tensors under our names and in our shapes. Raises RefusedError.

    Filters are looked at and left out, and so is what is of no layer of a generator.
    """
    for name, layer in found.layers.items():
        if name.startswith("style.") and layer.attributes.get("lr_mul", 0.01) != 0.01:
            raise RefusedError(f"{printable(name)} has lr_mul {printable(layer.attributes['lr_mul'])}, expected 0.01")
    return _native({name: value for name, value in found.tensors.items() if name.startswith(_PARTS)}, found.mean)


def write(generator: Generator) -> bytes:
    """The generator as a torch file with g_ema and latent_avg.

    Raises WeightsError for a generator that the format can't express: one with conv_clamp, or with z of another length than w.
    """
    config = generator.config
    if config.conv_clamp is not None or config.z_dim != config.w_dim:
        raise WeightsError(
            f"the rosinality format can't keep conv_clamp={config.conv_clamp}, z_dim={config.z_dim}, w_dim={config.w_dim}; "
            f"it knows no clamp, and z and w of one length"
        )
    names = _names(config.resolution, config.mapping_layers)
    state = {}
    for native, value in generator.state_dict().items():
        if native in names:
            theirs, shape = names[native], tuple(value.shape)
            state[theirs] = value.detach().cpu().float().reshape(_their_shape(theirs, shape)).clone()
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    for k in range(int(math.log2(config.resolution)) - 2):
        state[f"convs.{2 * k}.conv.blur.kernel"] = torch.outer(row, row)
        state[f"to_rgbs.{k}.upsample.kernel"] = torch.outer(row, row)
    file = io.BytesIO()
    torch.save({"g_ema": state, "latent_avg": generator.mapping.w_avg.detach().cpu().float().clone()}, file)
    return file.getvalue()


def _native(stored: Mapping[str, LazyTensor], mean: LazyTensor | None) -> dict[str, LazyTensor]:
    """Their tensors under our names and in our shapes."""
    resolution, layers = 4, 0
    for key, value in stored.items():
        if key.endswith(_FILTERS):
            check_filter(key, value, total=4.0)
    while f"to_rgbs.{int(math.log2(resolution)) - 2}.conv.weight" in stored and resolution < 2**13:
        resolution *= 2
    while f"style.{layers + 1}.weight" in stored and layers < 100:
        layers += 1
    names = _names(resolution, layers)
    theirs = set(names.values())
    for key in stored:
        if key not in theirs and not key.endswith(_FILTERS):
            raise RefusedError(f"it holds {printable(key)}, which no StyleGAN2 generator of {resolution} px has")
    found: dict[str, LazyTensor] = {}
    for ours, key in names.items():
        if key in stored:
            shape = _our_shape(ours, key, stored[key].shape)
            found[ours] = stored[key].reshaped(shape)
    if mean is not None:
        if len(mean.shape) not in (1, 2) or 0 in mean.shape:
            raise RefusedError(f"latent_avg has shape {list(mean.shape)}, expected one mean w")
        # of encoders one for each row of w+, all the same
        found["mapping.w_avg"] = mean.turned(mean.shape[-1:], lambda w: w.reshape(-1, w.shape[-1]).double().mean(dim=0).float())
    return found


def _names(resolution: int, layers: int) -> dict[str, str]:
    """Our names -> theirs, of everything but the mean w and the filters."""
    found = {f"mapping.fc{i}.{part}": f"style.{i + 1}.{part}" for i in range(layers) for part in ("weight", "bias")}
    found["synthesis.b4.const"] = "input.input"
    for k in range(2, int(math.log2(resolution)) + 1):
        block = f"synthesis.b{2**k}"
        convs = {"conv1": ("conv1", 0)} if k == 2 else {
            "conv0": (f"convs.{2 * (k - 3)}", 2 * k - 5), "conv1": (f"convs.{2 * (k - 3) + 1}", 2 * k - 4)
        }  # fmt: skip
        for ours, (theirs, noise) in convs.items():
            found |= _modulated(f"{block}.{ours}", theirs)
            found[f"{block}.{ours}.bias"] = f"{theirs}.activate.bias"
            found[f"{block}.{ours}.noise_strength"] = f"{theirs}.noise.weight"
            found[f"{block}.{ours}.noise_const"] = f"noises.noise_{noise}"
        theirs = "to_rgb1" if k == 2 else f"to_rgbs.{k - 3}"
        found |= _modulated(f"{block}.torgb", theirs)
        found[f"{block}.torgb.bias"] = f"{theirs}.bias"
    return found


def _modulated(ours: str, theirs: str) -> dict[str, str]:
    return {
        f"{ours}.weight": f"{theirs}.conv.weight",
        f"{ours}.affine.weight": f"{theirs}.conv.modulation.weight",
        f"{ours}.affine.bias": f"{theirs}.conv.modulation.bias",
    }


def _their_shape(theirs: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if theirs.startswith("noises."):
        return (1, 1, *shape)
    if theirs.endswith(".conv.weight") or theirs == "input.input":
        return (1, *shape)
    if theirs.startswith("to_rgb") and theirs.endswith(".bias") and ".modulation." not in theirs:
        return (1, *shape, 1, 1)
    return (1,) if theirs.endswith(".noise.weight") else shape


def _our_shape(ours: str, theirs: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the sides of 1 that `_their_shape` puts there. Raises RefusedError where they are not there."""
    ours_shape = shape
    if theirs.startswith("noises."):
        ours_shape = shape[2:]
    elif theirs.endswith(".conv.weight") or theirs == "input.input":
        ours_shape = shape[1:]
    elif _their_shape(theirs, (3,)) == (1, 3, 1, 1):
        ours_shape = shape[1:2]
    elif theirs.endswith(".noise.weight"):
        ours_shape = ()
    if _their_shape(theirs, ours_shape) != shape:
        raise RefusedError(f"{printable(theirs)} has shape {list(shape)}, not that of {ours} with sides of 1 around it")
    return ours_shape
