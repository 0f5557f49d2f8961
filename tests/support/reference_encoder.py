"""pSp's, e4e's and ReStyle's encoders written a second time, as formulas on the tensors of their files, sharing no code."""

import math

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
_UNITS = {"ir_se": (3, 4, 14, 3), "resnet": (3, 4, 6, 3)}


def random_state(trunk: str, *, rows: int, width: int = 16, channels: int = 3, pyramid: bool = True, seed: int = 0) -> State:
    """An encoder's tensors with random numbers, as a training script saves them; w is 8 widths wide."""
    rng = torch.Generator().manual_seed(seed)
    state: State = {}

    def weight(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=rng) / math.sqrt(math.prod(shape[1:]))

    def norm(name: str, size: int) -> None:
        state[f"{name}.weight"] = 0.5 + torch.rand(size, generator=rng)
        state[f"{name}.bias"] = 0.1 * torch.randn(size, generator=rng)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(size, generator=rng)
        state[f"{name}.running_var"] = 0.5 + torch.rand(size, generator=rng)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def slope(name: str, size: int) -> None:
        state[f"{name}.weight"] = 0.1 + 0.2 * torch.rand(size, generator=rng)

    first = ("input_layer.0", "input_layer.1", "input_layer.2") if trunk == "ir_se" else ("conv1", "bn1", "relu")
    weight(first[0], width, channels, *((3, 3) if trunk == "ir_se" else (7, 7)))
    norm(first[1], width)
    slope(first[2], width)
    at, inner = 0, width
    for stage, count in enumerate(_UNITS[trunk]):
        for _ in range(count):
            out, unit = width * 2**stage, f"body.{at}"
            if trunk == "ir_se":
                norm(f"{unit}.res_layer.0", inner)
                weight(f"{unit}.res_layer.1", out, inner, 3, 3)
                slope(f"{unit}.res_layer.2", out)
                weight(f"{unit}.res_layer.3", out, out, 3, 3)
                norm(f"{unit}.res_layer.4", out)
                weight(f"{unit}.res_layer.5.fc1", out // 16, out, 1, 1)
                weight(f"{unit}.res_layer.5.fc2", out, out // 16, 1, 1)
            else:
                weight(f"{unit}.conv1", out, inner, 3, 3)
                norm(f"{unit}.bn1", out)
                weight(f"{unit}.conv2", out, out, 3, 3)
                norm(f"{unit}.bn2", out)
            if inner != out:
                short = f"{unit}.shortcut_layer" if trunk == "ir_se" else f"{unit}.downsample"
                weight(f"{short}.0", out, inner, 1, 1)
                norm(f"{short}.1", out)
            at, inner = at + 1, out
    wide = 8 * width
    for row in range(rows):
        for layer in range(_halvings(row, pyramid)):
            weight(f"styles.{row}.convs.{2 * layer}", wide, wide, 3, 3)
            state[f"styles.{row}.convs.{2 * layer}.bias"] = 0.1 * torch.randn(wide, generator=rng)
        state[f"styles.{row}.linear.weight"] = torch.randn(wide, wide, generator=rng)
        state[f"styles.{row}.linear.bias"] = 0.1 * torch.randn(wide, generator=rng)
    if pyramid:
        for name, inner in (("latlayer1", 4 * width), ("latlayer2", 2 * width)):
            weight(name, wide, inner, 1, 1)
            state[f"{name}.bias"] = 0.1 * torch.randn(wide, generator=rng)
    return state


def offsets(state: State, x: Tensor, trunk: str, *, summed: bool) -> Tensor:
    """What is added to the mean w [N, rows, w_dim] for pictures [N, channels, 256, 256]."""

    def norm(name: str, x: Tensor) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        factor = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
        return (x - mean[:, None, None]) * factor[:, None, None] + state[f"{name}.bias"][:, None, None]

    def slope(name: str, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * state[f"{name}.weight"][:, None, None])

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, state.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2)

    if trunk == "ir_se":
        x = slope("input_layer.2", norm("input_layer.1", conv("input_layer.0", x)))
    else:
        x = slope("relu", norm("bn1", conv("conv1", x, 2)))
    at, ends = 0, []
    for stage, count in enumerate(_UNITS[trunk]):
        for number in range(count):
            unit = f"body.{at}"
            stride = 2 if number == 0 and (stage or trunk == "ir_se") else 1
            short = f"{unit}.shortcut_layer" if trunk == "ir_se" else f"{unit}.downsample"
            same = x[:, :, ::stride, ::stride]
            if f"{short}.0.weight" in state:
                same = norm(f"{short}.1", conv(f"{short}.0", x, stride))
            if trunk == "ir_se":
                y = slope(f"{unit}.res_layer.2", conv(f"{unit}.res_layer.1", norm(f"{unit}.res_layer.0", x)))
                y = norm(f"{unit}.res_layer.4", conv(f"{unit}.res_layer.3", y, stride))
                gate = conv(f"{unit}.res_layer.5.fc1", y.mean(dim=(2, 3), keepdim=True)).clamp(min=0)
                x = y / (1 + (-conv(f"{unit}.res_layer.5.fc2", gate)).exp()) + same
            else:
                y = norm(f"{unit}.bn1", conv(f"{unit}.conv1", x, stride)).clamp(min=0)
                x = (norm(f"{unit}.bn2", conv(f"{unit}.conv2", y)) + same).clamp(min=0)
            at += 1
        ends.append(x)
    pyramid = "latlayer1.weight" in state
    maps = [x, x, x]
    if pyramid:
        for level, name in ((2, "latlayer1"), (1, "latlayer2")):
            large = functional.interpolate(maps[level - 3], ends[level].shape[2:], mode="bilinear", align_corners=True)
            maps[3 - level] = large + conv(name, ends[level])
            if level == 2:
                maps[2] = maps[1]
    rows: list[Tensor] = []
    while f"styles.{len(rows)}.linear.weight" in state:
        head = f"styles.{len(rows)}"
        y = maps[0 if len(rows) < 3 else 1 if len(rows) < 7 else 2]
        for layer in range(_halvings(len(rows), pyramid)):
            y = functional.leaky_relu(conv(f"{head}.convs.{2 * layer}", y, 2), 0.01)
        flat = y[:, :, 0, 0]
        rows.append(flat @ state[f"{head}.linear.weight"].T / math.sqrt(flat.shape[1]) + state[f"{head}.linear.bias"])
        if summed and len(rows) > 1:
            rows[-1] = rows[-1] + rows[0]
    return torch.stack(rows, dim=1)


def _halvings(row: int, pyramid: bool) -> int:
    return 4 if not pyramid or row < 3 else 5 if row < 7 else 6
