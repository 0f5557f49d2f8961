"""StyleGAN2 written a second time, from the published formulas alone, on the tensors of a rosinality file.

It shares no code with the project: styles scale the weights, one group per image; resampling puts zeros between the pixels
and convolves with 1, 3, 3, 1; in float64 unless told otherwise.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]


def random_state(resolution: int, base: int, most: int, *, dim: int = 512, layers: int = 8, seed: int = 0) -> State:
    """A rosinality generator's tensors with random numbers, spread as trained ones are, biases and noise included."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(shape, generator=rng)

    def channels(size: int) -> int:
        return min(base // size, most)

    state = {}
    for i in range(1, layers + 1):
        state[f"style.{i}.weight"], state[f"style.{i}.bias"] = normal(dim, dim, scale=100.0), normal(dim, scale=10.0)
    state["input.input"] = normal(1, channels(4), 4, 4)

    def styled(name: str, inner: int, out: int, side: int) -> None:
        state[f"{name}.conv.weight"] = normal(1, out, inner, side, side)
        state[f"{name}.conv.modulation.weight"] = normal(inner, dim)
        state[f"{name}.conv.modulation.bias"] = 1 + normal(inner, scale=0.1)

    def conv(name: str, inner: int, out: int) -> None:
        styled(name, inner, out, 3)
        state[f"{name}.noise.weight"], state[f"{name}.activate.bias"] = normal(1, scale=0.2), normal(out, scale=0.2)

    def rgb(name: str, inner: int) -> None:
        styled(name, inner, 3, 1)
        state[f"{name}.bias"] = normal(1, 3, 1, 1, scale=0.2)

    filter = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16
    conv("conv1", channels(4), channels(4))
    rgb("to_rgb1", channels(4))
    state["noises.noise_0"] = normal(1, 1, 4, 4)
    for k in range(3, int(math.log2(resolution)) + 1):
        at, inner, out = k - 3, channels(2 ** (k - 1)), channels(2**k)
        conv(f"convs.{2 * at}", inner, out)
        state[f"convs.{2 * at}.conv.blur.kernel"] = filter.clone()
        conv(f"convs.{2 * at + 1}", out, out)
        rgb(f"to_rgbs.{at}", out)
        state[f"to_rgbs.{at}.upsample.kernel"] = filter.clone()
        state[f"noises.noise_{2 * k - 5}"] = normal(1, 1, 2**k, 2**k)
        state[f"noises.noise_{2 * k - 4}"] = normal(1, 1, 2**k, 2**k)
    return state


def draw(
    state: State,
    mean: Tensor,
    z: Tensor,
    *,
    truncation: float = 1.0,
    noise: str = "const",
    clamp: float = math.inf,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Images [N, 3, R, R] of latents z [N, dim]; clamp: conv_clamp, what a convolution's result is held within."""

    def to_rgb(name: str, x: Tensor) -> Tensor:
        return (_modulated(state, name, x, w, demodulate=False, up=False) + state[f"{name}.bias"]).clamp(-clamp, clamp)

    def styled(name: str, x: Tensor, number: int, *, up: bool = False) -> Tensor:
        x = _modulated(state, name, x, w, demodulate=True, up=up)
        if noise == "const":
            x = x + state[f"noises.noise_{number}"] * state[f"{name}.noise.weight"]
        return _bent(x + state[f"{name}.activate.bias"].view(1, -1, 1, 1)).clamp(-clamp, clamp)

    state = {name: value.to(dtype) for name, value in state.items()}
    w = z.to(dtype) / (z.to(dtype).pow(2).mean(dim=1, keepdim=True) + 1e-8).sqrt()
    layer = 1
    while f"style.{layer}.weight" in state:
        weight, bias = state[f"style.{layer}.weight"], state[f"style.{layer}.bias"]
        w = _bent(w @ (weight * 0.01 / math.sqrt(weight.shape[1])).T + 0.01 * bias)
        layer += 1
    w = mean.to(dtype) + truncation * (w - mean.to(dtype))

    x = styled("conv1", state["input.input"].repeat(len(z), 1, 1, 1), 0)
    image = to_rgb("to_rgb1", x)
    at = 0
    while f"to_rgbs.{at}.conv.weight" in state:
        x = styled(f"convs.{2 * at}", x, 2 * at + 1, up=True)
        x = styled(f"convs.{2 * at + 1}", x, 2 * at + 2)
        spread = functional.pad(_between_zeros(image), (2, 2, 2, 2))[..., :-1, :-1]
        image = _filtered(spread) + to_rgb(f"to_rgbs.{at}", x)
        at += 1
    return image


def _bent(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def _modulated(state: State, name: str, x: Tensor, w: Tensor, *, demodulate: bool, up: bool) -> Tensor:
    weight = state[f"{name}.conv.weight"]  # [1, out, in, k, k]
    _, out, inner, side, _ = weight.shape
    affine = state[f"{name}.conv.modulation.weight"]
    style = w @ affine.T / math.sqrt(affine.shape[1]) + state[f"{name}.conv.modulation.bias"]
    each = weight / math.sqrt(inner * side * side) * style.view(-1, 1, inner, 1, 1)  # [N, out, in, k, k]
    if demodulate:
        each = each / (each.pow(2).sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if up:  # a transposed convolution of stride 2: zeros between the pixels, then the filter turned by 180 degrees
        x, each = functional.pad(_between_zeros(x)[..., :-1, :-1], (2, 2, 2, 2)), each.flip(3, 4)
        padding = 0
    else:
        padding = side // 2
    count, _, height, width = x.shape
    y = functional.conv2d(
        x.reshape(1, count * inner, height, width), each.reshape(count * out, inner, side, side), padding=padding, groups=count
    )
    y = y.reshape(count, out, *y.shape[2:])
    return _filtered(functional.pad(y, (1, 1, 1, 1))) if up else y


def _between_zeros(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, 2 H, 2 W]: each pixel at the even places, zeros at the odd ones."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[..., ::2, ::2] = x
    return spread


def _filtered(x: Tensor) -> Tensor:
    """Convolved with the outer product of 1, 3, 3, 1, of sum 4, without padding."""
    weights = [1 / 4, 3 / 4, 3 / 4, 1 / 4]
    height, width = x.shape[2] - 3, x.shape[3] - 3
    zero = x.new_zeros(())
    rows = sum((weight * x[..., at : at + height, :] for at, weight in enumerate(weights)), zero)
    return sum((weight * rows[..., at : at + width] for at, weight in enumerate(weights)), zero)
