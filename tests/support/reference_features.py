"""StyleFeatureEditor's networks written a second time, as formulas on the tensors of their file, sharing no code."""

import math

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
_UNITS = {1: (3, 2), 2: (4, 2), 3: (14, 1), 4: (3, 2)}  # stage -> its units, and the stride of the first
_BLOCKS = 5


def random_state(*, rows: int, w_dim: int, features: int, width: int = 4, seed: int = 0) -> State:
    """Tensors with random numbers under the published names: `inverter.` and, for the feature editor, `encoder.`."""
    rng = torch.Generator().manual_seed(seed)
    state: State = {}

    def weight(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=rng) / math.sqrt(math.prod(shape[1:]))

    def norm(name: str, size: int) -> None:
        state[f"{name}.weight"] = 0.3 + 0.4 * torch.rand(size, generator=rng)
        state[f"{name}.bias"] = 0.1 * torch.randn(size, generator=rng)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(size, generator=rng)
        state[f"{name}.running_var"] = 0.5 + torch.rand(size, generator=rng)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def slope(name: str, size: int) -> None:
        state[f"{name}.weight"] = 0.1 + 0.2 * torch.rand(size, generator=rng)

    def body(name: str, inner: int, out: int) -> None:
        norm(f"{name}.0", inner)
        weight(f"{name}.1", out, inner, 3, 3)
        norm(f"{name}.2", out)
        slope(f"{name}.3", out)
        weight(f"{name}.4", out, out, 3, 3)
        norm(f"{name}.5", out)

    backbone = "inverter.fs_backbone"
    weight(f"{backbone}.conv.0", width, 3, 3, 3)
    norm(f"{backbone}.conv.1", width)
    slope(f"{backbone}.conv.2", width)
    inner = width
    for stage, (count, _) in _UNITS.items():
        out = width * 2 ** (stage - 1)
        for at in range(count):
            unit = f"{backbone}.block_{stage}.{at}"
            norm(f"{unit}.bn1", inner)
            weight(f"{unit}.conv1", out, inner, 3, 3)
            norm(f"{unit}.bn2", out)
            slope(f"{unit}.prelu", out)
            weight(f"{unit}.conv2", out, out, 3, 3)
            norm(f"{unit}.bn3", out)
            if at == 0:
                weight(f"{unit}.downsample.0", out, inner, 1, 1)
                norm(f"{unit}.downsample.1", out)
            inner = out
    body(f"{backbone}.content_layer", 4 * width, features)
    for row in range(rows):
        weight(f"{backbone}.styles.{row}", w_dim, 15 * width * 9)
        state[f"{backbone}.styles.{row}.bias"] = 0.1 * torch.randn(w_dim, generator=rng)
    for fuser in ("inverter.fuser", "encoder"):
        weight(f"{fuser}.conv", features, 2 * features, 1, 1)
        state[f"{fuser}.conv.bias"] = 0.1 * torch.randn(features, generator=rng)
        for block in range(_BLOCKS):
            body(f"{fuser}.body.{block}.body", features, features)
    return state


def norm(state: State, name: str, x: Tensor) -> Tensor:
    """Batch normalisation by what training saw."""
    factor = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
    return (x - state[f"{name}.running_mean"][:, None, None]) * factor[:, None, None] + state[f"{name}.bias"][:, None, None]


def _slope(state: State, name: str, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * state[f"{name}.weight"][:, None, None])


def _body(state: State, name: str, x: Tensor) -> Tensor:
    x = functional.conv2d(norm(state, f"{name}.0", x), state[f"{name}.1.weight"], padding=1)
    x = _slope(state, f"{name}.3", norm(state, f"{name}.2", x))
    return norm(state, f"{name}.5", functional.conv2d(x, state[f"{name}.4.weight"], padding=1))


def fuse(state: State, name: str, one: Tensor, other: Tensor) -> Tensor:
    """What a fuser, `inverter.fuser` or `encoder`, makes of two maps."""
    both = torch.cat([one, other], dim=1)
    x = torch.einsum("nchw,oc->nohw", both, state[f"{name}.conv.weight"][:, :, 0, 0]) + state[f"{name}.conv.bias"][:, None, None]
    for block in range(_BLOCKS):
        x = x + _body(state, f"{name}.body.{block}.body", x)
    return x


def backbone(state: State, x: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets of w+ [N, rows, w_dim] and a feature map of pictures [N, 3, 256, 256]."""
    name = "inverter.fs_backbone"
    x = functional.conv2d(x, state[f"{name}.conv.0.weight"], padding=1)
    x = _slope(state, f"{name}.conv.2", norm(state, f"{name}.conv.1", x))
    seen, content = [], x
    for stage, (count, stride) in _UNITS.items():
        for at in range(count):
            unit, step = f"{name}.block_{stage}.{at}", stride if at == 0 else 1
            y = functional.conv2d(norm(state, f"{unit}.bn1", x), state[f"{unit}.conv1.weight"], padding=1)
            y = _slope(state, f"{unit}.prelu", norm(state, f"{unit}.bn2", y))
            y = norm(state, f"{unit}.bn3", functional.conv2d(y, state[f"{unit}.conv2.weight"], padding=1, stride=step))
            if at == 0:
                x = norm(state, f"{unit}.downsample.1", functional.conv2d(x, state[f"{unit}.downsample.0.weight"], stride=step))
            x = x + y
        seen.append(functional.adaptive_avg_pool2d(x, 3).flatten(1))
        if stage == 3:
            content = _body(state, f"{name}.content_layer", x)
    pooled = torch.cat(seen, dim=1)
    rows = sum(f"{name}.styles.{row}.weight" in state for row in range(40))
    heads = [pooled @ state[f"{name}.styles.{row}.weight"].T + state[f"{name}.styles.{row}.bias"] for row in range(rows)]
    return torch.stack(heads, dim=1), content
