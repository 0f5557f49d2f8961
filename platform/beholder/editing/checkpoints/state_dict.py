"""Named tensors -> a generator, every one of them checked against the whole before it is read.

The tensors carry this project's names, which are those of NVIDIA's networks. The sizes are those of the tensors; what a
file says of itself is not believed.
"""

import math
import re
from collections.abc import Mapping as Lookup
from dataclasses import dataclass

import torch
from torch import Tensor

from beholder.editing.features.published_features import PublishedFeatures
from beholder.editing.generator import Generator, GeneratorConfig, Mapping
from beholder.editing.published_encoder import PublishedEncoder
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

_LARGEST = 4096  # px
_WIDEST = 8192  # numbers of z or w
_DRAWS, _AT_ONCE = 10_000, 500
_EMBED = "mapping.embed.weight"


@dataclass(frozen=True)
class ReadGenerator:
    """A generator, ready to draw, what had to be put in the place of what was missing, and the networks that came with it."""

    generator: Generator
    notes: tuple[str, ...] = ()
    encoder: PublishedEncoder | None = None
    features: PublishedFeatures | None = None


def assemble(
    tensors: Lookup[str, LazyTensor], *, size: int, conv_clamp: float | None = None, class_index: int | None = None
) -> ReadGenerator:
    """Make a generator of its tensors, which lie in a file of `size` bytes.

    class_index: of a class-conditional one, the class that it is to draw. Noise pictures that are missing are drawn anew, always
    the same; a missing mean w is measured over 10,000 latents.
    Raises RefusedError for anything else that is missing or too much, for a wrong shape and for numbers that are not finite.
    """
    notes = []
    if _EMBED in tensors:
        tensors, classes = _of_one_class(tensors, class_index)
        notes.append(f"class {class_index} of the {classes} that it draws")
    elif class_index is not None:
        raise RefusedError(f"it has no classes, so there is no class_index={class_index}")
    config = sizes(tensors, conv_clamp=conv_clamp)
    expected = shapes(config)
    found: dict[str, Tensor] = {}
    for name in tensors:
        if name not in expected:
            raise RefusedError(f"it holds {printable(name)}, which no StyleGAN2 generator of {config.resolution} px has")
    for name, shape in expected.items():
        if name in tensors:
            if tensors[name].shape != shape:
                raise RefusedError(f"{name} has shape {list(tensors[name].shape)}, expected {list(shape)} beside the others")
        elif not name.endswith(".noise_const") and name != "mapping.w_avg":
            raise RefusedError(f"{name} {list(shape)} is missing")
    if (numbers := sum(math.prod(stored.shape) for stored in tensors.values())) > size:
        raise RefusedError(f"its tensors have {numbers:,} numbers in {size:,} bytes, so some lie in the same place")
    rng = torch.Generator().manual_seed(0)
    for name, shape in expected.items():
        if name in tensors:
            found[name] = tensors[name].read()
            if not torch.isfinite(found[name]).all():
                raise RefusedError(f"{name} has numbers that are not finite")
        else:
            found[name] = torch.randn(shape, generator=rng) if name.endswith(".noise_const") else torch.zeros(shape)
    if any(name.endswith(".noise_const") and name not in tensors for name in expected):
        notes.append("the file has no noise pictures: they were drawn anew")
    with torch.random.fork_rng(devices=[]):
        generator = Generator(config)
    generator.load_state_dict(found, assign=True)
    generator.eval().requires_grad_(False)
    if "mapping.w_avg" not in tensors:
        notes.append(f"the file has no mean w: it was measured over {_DRAWS:,} latents")
        generator.mapping.w_avg.copy_(_mean_w(generator.mapping, config.z_dim, rng))
    return ReadGenerator(generator, tuple(notes))


def _of_one_class(tensors: Lookup[str, LazyTensor], class_index: int | None) -> tuple[dict[str, LazyTensor], int]:
    """The tensors of a generator that draws one class alone, as exactly as it is drawn, and how many there were.

    A class is embedded, brought to a mean square of 1 and laid beside z; so it adds the same to the first layer whatever z is,
    which goes into that layer's bias.
    """
    embed, first = tensors[_EMBED], tensors.get("mapping.fc0.weight")
    sides = len(embed.shape) == 2 and first is not None and len(first.shape) == 2
    if not sides or first is None or 0 in embed.shape or first.shape[1] <= embed.shape[0]:
        raise RefusedError("it is class-conditional in an unknown way: its classes don't fit its first layer")
    (width, classes), (out, both) = embed.shape, first.shape
    if class_index is None:
        raise RefusedError(f"it is class-conditional; choose one of its {classes} classes with class_index=0 .. {classes - 1}")
    if not 0 <= class_index < classes:
        raise RefusedError(f"it has no class {class_index}; there are 0..{classes - 1}")
    bias, embed_bias = tensors.get("mapping.fc0.bias"), tensors.get("mapping.embed.bias")
    if bias is None or bias.shape != (out,) or embed_bias is None or embed_bias.shape != (width,):
        raise RefusedError("a bias of its classes or its first layer is missing or of another shape")

    def added() -> Tensor:
        embedded = embed.read()[:, class_index].double() / math.sqrt(classes) + embed_bias.read().double()
        embedded = embedded * (embedded.square().mean() + 1e-8).rsqrt()
        return (bias.read() + first.read()[:, both - width :].double() @ embedded / math.sqrt(both)).float()

    def narrowed(weight: Tensor) -> Tensor:
        return weight[:, : both - width] * math.sqrt((both - width) / both)

    rest = {name: value for name, value in tensors.items() if not name.startswith("mapping.embed.")}
    rest["mapping.fc0.weight"] = first.turned((out, both - width), narrowed)
    rest["mapping.fc0.bias"] = LazyTensor((out,), added)
    return rest, classes


def _mean_w(mapping: Mapping, z_dim: int, rng: torch.Generator) -> Tensor:
    """The mean w [w_dim] of random latents."""
    total = torch.zeros_like(mapping.w_avg)
    for _ in range(_DRAWS // _AT_ONCE):
        z = torch.randn(_AT_ONCE, z_dim, generator=rng)
        total += mapping.w(z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()).sum(dim=0)
    return total / _DRAWS


def sizes(tensors: Lookup[str, LazyTensor], *, conv_clamp: float | None) -> GeneratorConfig:
    """The sizes that the tensors' shapes tell. Raises RefusedError where they tell of no StyleGAN2 generator."""
    if any(name.startswith(("synthesis.input.", "synthesis.L0_")) for name in tensors):
        raise RefusedError("it is a StyleGAN3 network; this project draws with StyleGAN2")
    found = sorted(int(match[1]) for name in tensors if (match := re.fullmatch(r"synthesis\.b(\d{1,4})\.torgb\.weight", name)))
    if not found:
        raise RefusedError("it holds no StyleGAN2 generator with skip connections (no layer to RGB at 4, 8, ... px)")
    largest = found[-1]
    if found != [2**k for k in range(2, largest.bit_length())] or not 8 <= largest <= _LARGEST:
        at = printable(", ".join(map(str, found[:20])))
        raise RefusedError(f"its layers to RGB are at {at} px, expected every power of two from 4 to at most {_LARGEST}")
    needed = {"mapping.fc0.weight": 2, "synthesis.b4.conv1.affine.weight": 2}
    for name, sides in (needed | {f"synthesis.b{size}.torgb.weight": 4 for size in found}).items():
        if name not in tensors:
            raise RefusedError(f"{name} is missing")
        if len(tensors[name].shape) != sides or 0 in tensors[name].shape:
            raise RefusedError(f"{name} has shape {list(tensors[name].shape)}, expected {sides} sides")
    if (colours := tensors["synthesis.b4.torgb.weight"].shape[0]) != 3:
        raise RefusedError(f"its images have {colours} channels; only RGB is known")
    if max(wide := [*tensors["mapping.fc0.weight"].shape, tensors["synthesis.b4.conv1.affine.weight"].shape[1]]) > _WIDEST:
        raise RefusedError(f"its z or w has {max(wide):,} numbers, more than {_WIDEST:,}")
    config = GeneratorConfig.of(tensors, conv_clamp=conv_clamp)  # type: ignore[arg-type]  # only shapes are looked at
    for size in found:
        if (has := tensors[f"synthesis.b{size}.torgb.weight"].shape[1]) != config.channels(size):
            raise RefusedError(
                f"it has {has} channels at {size} px where min({config.channel_base} / {size}, {config.channel_max}) were expected"
            )
    return config


def shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor of a generator of these sizes; nothing is made of them."""
    found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (config.w_dim,)}
    for i in range(config.mapping_layers):
        found[f"mapping.fc{i}.weight"] = (config.w_dim, config.z_dim if i == 0 else config.w_dim)
        found[f"mapping.fc{i}.bias"] = (config.w_dim,)
    for size in config.resolutions:
        block, out = f"synthesis.b{size}", config.channels(size)
        layers = {"conv1": out, "torgb": out}
        if size == 4:
            found[f"{block}.const"] = (out, 4, 4)
        else:
            layers["conv0"] = config.channels(size // 2)
        for layer, inner in layers.items():
            found[f"{block}.{layer}.affine.weight"] = (inner, config.w_dim)
            found[f"{block}.{layer}.affine.bias"] = (inner,)
            found[f"{block}.{layer}.weight"] = (3, inner, 1, 1) if layer == "torgb" else (out, inner, 3, 3)
            found[f"{block}.{layer}.bias"] = (3,) if layer == "torgb" else (out,)
            if layer != "torgb":
                found[f"{block}.{layer}.noise_strength"] = ()
                found[f"{block}.{layer}.noise_const"] = (size, size)
    return found


def check_filter(name: str, stored: LazyTensor, *, total: float) -> None:
    """Raise RefusedError where a resampling filter is not the one that the generator uses: 1, 3, 3, 1 both ways."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    if stored.shape != (4, 4) or not torch.allclose(stored.read(), total * torch.outer(row, row), atol=1e-5):
        raise RefusedError(f"{printable(name)} is not the filter 1, 3, 3, 1, the only one that is known")
