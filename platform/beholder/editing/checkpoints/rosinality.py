"""Rosinality's format: a torch file with the generator under g_ema, or within an encoder's file under decoder.

The same numbers as NVIDIA's under other names, with leading sides of 1: Karras et al.'s networks as stylegan2-pytorch
keeps them, and pSp, e4e and ReStyle beside their encoders.
"""

import io
import math
from typing import Any

import torch

from beholder.editing.checkpoints.state_dict import ReadGenerator, assemble, check_filter
from beholder.editing.generator import Generator
from beholder.errors import WeightsError
from beholder.safe_pickle import torch_archive
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

FORMAT = "rosinality (torch file)"
ENCODER_FORMAT = "rosinality, as decoder in an encoder's file"


def read(data: bytes) -> tuple[str, ReadGenerator]:
    """The format's name and the generator in a torch file. Raises RefusedError."""
    whole = torch_archive.read(data)
    if not isinstance(whole, dict):
        raise RefusedError(f"it holds a {type(whole).__name__}, expected a dict with g_ema")
    if isinstance(whole.get("g_ema"), dict):
        kind, state = FORMAT, whole["g_ema"]
    elif isinstance(whole.get("state_dict"), dict) and any(str(key).startswith("decoder.") for key in whole["state_dict"]):
        kind = ENCODER_FORMAT
        state = {str(key)[8:]: value for key, value in whole["state_dict"].items() if str(key).startswith("decoder.")}
    else:
        keys = ", ".join(printable(key) for key in list(whole)[:6])
        raise RefusedError(f"it is a torch file without a generator (expected g_ema, or state_dict with decoder.*; it has {keys})")
    assembled = assemble(_native(state, whole.get("latent_avg")), size=len(data))
    return kind, assembled


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


def _native(state: dict[Any, Any], mean: Any) -> dict[str, LazyTensor]:
    """Their tensors under our names and in our shapes."""
    resolution, layers = 4, 0
    stored: dict[str, LazyTensor] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, LazyTensor):
            raise RefusedError(f"its generator holds {printable(key)}, which is no tensor")
        stored[key] = value
        if key.endswith(("blur.kernel", "upsample.kernel")):
            check_filter(key, value, total=4.0)
    while f"to_rgbs.{int(math.log2(resolution)) - 2}.conv.weight" in stored and resolution < 2**13:
        resolution *= 2
    while f"style.{layers + 1}.weight" in stored and layers < 100:
        layers += 1
    names = _names(resolution, layers)
    theirs = set(names.values())
    for key in stored:
        if key not in theirs and not key.endswith(("blur.kernel", "upsample.kernel")):
            raise RefusedError(f"it holds {printable(key)}, which no StyleGAN2 generator of {resolution} px has")
    found: dict[str, LazyTensor] = {}
    for ours, key in names.items():
        if key in stored:
            shape = _our_shape(ours, key, stored[key].shape)
            found[ours] = stored[key].reshaped(shape)
    if isinstance(mean, LazyTensor):
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
