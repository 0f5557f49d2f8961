"""A generator is found wherever a file has it, and nothing beside it has to be known."""

import argparse
import datetime
import enum
import io
import pathlib
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_tensors
from support import published_checkpoints as published
from support import reference_stylegan as reference
from torch import Tensor, nn

from beholder.editing.checkpoints import checkpoint
from beholder.editing.generator import Generator
from beholder.editing.generator_store import fingerprint
from beholder.safe_pickle.interpreter import RefusedError

DIM = 8
MEAN = torch.linspace(-1, 1, DIM)
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def theirs() -> State:
    """A small generator under rosinality's names, with its filters."""
    return reference.random_state(16, 64, 8, dim=DIM, layers=2)


@pytest.fixture(scope="module")
def generator(theirs: State) -> Generator:
    return checkpoint.parse(published.rosinality(theirs, MEAN))[1].generator


@pytest.fixture(scope="module")
def ours(generator: Generator) -> State:
    """The same under NVIDIA's names, with their filters."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    filters = {f"synthesis.{name}.resample_filter": torch.outer(row, row) for name in ("b8", "b8.conv0", "b8.conv1", "b16")}
    return {**generator.state_dict(), **filters}


def file(value: Any, *, zip: bool = True) -> bytes:
    into = io.BytesIO()
    torch.save(value, into, _use_new_zipfile_serialization=zip)
    return into.getvalue()


def before(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


class Level(enum.Enum):
    LOW = 1


class Settings:
    """A class of a training script."""

    def __init__(self) -> None:
        self.rate, self.where, self.level, self.inner = 0.1, pathlib.Path("out"), Level.LOW, argparse.Namespace(a=1)


class Layer(nn.Module):
    """A layer of a whole network, with tensors and layers of any names."""

    def __init__(self, state: State) -> None:
        super().__init__()
        inner: dict[str, State] = {}
        for name, value in state.items():
            first, _, rest = name.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = value
            else:
                self.register_buffer(first, value) if "kernel" in first else self.register_parameter(first, nn.Parameter(value))
        for first, tensors in inner.items():
            self.add_module(first, Layer(tensors))


WRAPPED: dict[str, Callable[[State, State], bytes]] = {
    **{
        f"under {key}": lambda theirs, ours, key=key: file({key: theirs, "latent_avg": MEAN})  # type: ignore[misc]  # binds key
        for key in ("ema", "generator_ema", "params_ema", "netG_ema", "state_dict", "model", "generator", "weights")
    },
    "under model.g_ema, beside a discriminator": lambda theirs, ours: file(
        {"model": {"d": before("d.", ours), "g_ema": theirs}, "latent_avg": MEAN}
    ),
    "bare": lambda theirs, ours: file(OrderedDict(theirs)),
    "bare, old torch": lambda theirs, ours: file(theirs, zip=False),
    "bare, NVIDIA's names": lambda theirs, ours: file(ours),
    "a list of one": lambda theirs, ours: file([{"g_ema": theirs}, 3]),
    **{
        f"with {prefix} before": lambda theirs, ours, prefix=prefix: file({"state_dict": before(prefix, theirs)})  # type: ignore[misc]
        for prefix in ("module.", "netG.", "model.", "g_ema.", "generator.", "module.generator_ema.", "_orig_mod.")
    },
    "module. within the names": lambda theirs, ours: file(
        {"G_ema": {name.replace("mapping.", "mapping.module.").replace("synthesis.", "synthesis.module."): value
                   for name, value in ours.items()}}
    ),
    "safetensors, NVIDIA's names": lambda theirs, ours: save_tensors(ours),
    "safetensors, rosinality's names": lambda theirs, ours: save_tensors(before("module.", theirs)),
    "safetensors beside whole numbers": lambda theirs, ours: save_tensors({**ours, "step": torch.tensor([3])}),
    "a whole network": lambda theirs, ours: file(Layer(theirs)),
    "a whole network, old torch": lambda theirs, ours: file({"g_ema": Layer(theirs)}, zip=False),
    "a whole network, in parallel": lambda theirs, ours: file(nn.DataParallel(Layer(ours))),
    "a whole network in a plain pickle": lambda theirs, ours: pickle.dumps(Layer(ours), 4),
    "a state in a plain pickle": lambda theirs, ours: pickle.dumps({"G_ema": ours}, 2),
    "beside what training keeps": lambda theirs, ours: file(
        {
            "g": {name: value + 1 for name, value in theirs.items()},
            "g_ema": theirs,
            "latent_avg": MEAN,
            "opts": Settings(),
            "args": argparse.Namespace(where=pathlib.PurePosixPath("x"), device=torch.device("cpu"), kind=torch.float16),
            "when": datetime.datetime(2024, 1, 2),
            "counts": defaultdict(int, a=1),
            "shape": torch.Size([1, 2]),
            "seeds": (2**63 - 1, np.random.RandomState(3).get_state(), np.array(["a", "b"]), np.float64(1.5)),
            "by": {(0, 1): "a tuple as a key", 0.5: "a number"},
            "optim": torch.optim.Adam([nn.Parameter(torch.ones(2))]).state_dict(),
            "optimiser": torch.optim.Adam([nn.Parameter(torch.ones(2))]),
            "none": None,
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WRAPPED)
def test_the_same_numbers_are_found_in_every_wrapping(way: str, theirs: State, ours: State, generator: Generator) -> None:
    made = checkpoint.parse(WRAPPED[way](theirs, ours))[1]
    assert fingerprint(made.generator) == fingerprint(generator)
    if not any("mean w" in note for note in made.notes):
        assert torch.allclose(made.generator.mapping.w_avg, MEAN)


def test_networks_of_forks_alone_and_through_torch_save(generator: Generator) -> None:
    native = dict(generator.state_dict())
    fork = published.nvidia(native, protocol=2)
    for name in (b"torch_utils.persistence", b"dnnlib.util"):
        assert b"\nc" + name in fork or b"c" + name in fork
        fork = fork.replace(b"c" + name, b"cmodels.sg2." + name)
    alone, saved = published.nvidia(native, alone=True), published.nvidia(native, saved=True)
    for data in (fork, alone, saved, published.nvidia(native, alone=True, saved=True)):
        assert fingerprint(checkpoint.parse(data)[1].generator) == fingerprint(generator)
    assert checkpoint.parse(published.nvidia(native, alone=True, saved=True, clamp=0.5))[1].generator.config.conv_clamp == 0.5


def test_an_averaged_one_is_taken_and_a_raw_one_said(theirs: State, generator: Generator) -> None:
    other = {name: value + 1 if "kernel" not in name else value for name, value in theirs.items()}
    for value in ({"g": other, "g_ema": theirs}, {"online_model": other, "ema_model": theirs}, {"ema": theirs, "generator": other}):
        assert fingerprint(checkpoint.parse(file(value))[1].generator) == fingerprint(generator)
    assert checkpoint.parse(file({"g": theirs, "latent_avg": MEAN}))[1].notes == (
        "the file has no averaged generator: the one of the last step was taken, under g",
    )
    with pytest.raises(RefusedError, match="it holds 2 generators and none is called g_ema: first, second"):
        checkpoint.parse(file({"first": theirs, "second": other}))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"epoch": 3, "state_dict": {"fc.weight": torch.ones(2)}}, "no StyleGAN2 generator is in it.*it has epoch, state_dict"),
        ({"G_ema": {"synthesis.L0_36_512.weight": torch.ones(2)}}, "it is a StyleGAN3 network"),
        ({"g": {"progression.0.conv.weight": torch.ones(2)}}, "it is a StyleGAN1 network"),
        (torch.ones(3), "it has a LazyTensor"),
    ],
)
def test_what_is_there_instead_is_said(value: object, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        checkpoint.parse(file(value))


def test_filters_are_looked_at_before_they_are_left_out(theirs: State, ours: State) -> None:
    for state, name in ((theirs, "to_rgbs.0.upsample.kernel"), (ours, "synthesis.b8.conv0.resample_filter")):
        with pytest.raises(RefusedError, match=r"is not the filter 1, 3, 3, 1"):
            checkpoint.parse(save_tensors({**state, name: torch.ones(4, 4) / 4}))


def test_a_tensor_too_many_in_a_layer_is_refused_and_one_elsewhere_is_not(theirs: State, generator: Generator) -> None:
    with pytest.raises(RefusedError, match=r"it holds convs\.9\.conv\.weight"):
        checkpoint.parse(file({**theirs, "convs.9.conv.weight": torch.ones(2)}))
    made = checkpoint.parse(file({**theirs, "encoder.fc.weight": torch.ones(2), "n_averaged": torch.tensor(7)}))[1]
    assert fingerprint(made.generator) == fingerprint(generator)


def conditional(ours: State) -> State:
    """The generator with 3 classes, embedded in 5 numbers."""
    rng = torch.Generator().manual_seed(2)
    return {
        **ours,
        "mapping.embed.weight": torch.randn(5, 3, generator=rng),
        "mapping.embed.bias": torch.randn(5, generator=rng),
        "mapping.fc0.weight": torch.randn(DIM, DIM + 5, generator=rng) * 100,
    }


@pytest.mark.parametrize("class_index", [0, 2])
def test_one_class_is_drawn_as_the_conditional_network_draws_it(ours: State, class_index: int) -> None:
    """Against the published formulas: the class embedded and normalised beside the normalised z, then the layers."""
    state = conditional(ours)
    made = checkpoint.parse(save_tensors(state), class_index=class_index)[1]
    assert made.notes == (f"class {class_index} of the 3 that it draws",)
    z = torch.randn(4, DIM, generator=torch.Generator().manual_seed(1)).double()
    one = torch.nn.functional.one_hot(torch.tensor([class_index] * 4), 3).double()
    wide = {name: value.double() for name, value in state.items()}

    def normal(x: Tensor) -> Tensor:
        return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()

    embedded = one @ wide["mapping.embed.weight"].T / 3**0.5 + wide["mapping.embed.bias"]
    w = torch.cat([normal(z), normal(embedded)], dim=1)
    for layer in ("mapping.fc0", "mapping.fc1"):
        weight, bias = wide[f"{layer}.weight"], wide[f"{layer}.bias"]
        w = w @ weight.T * 0.01 / weight.shape[1] ** 0.5 + bias * 0.01
        w = torch.where(w > 0, w, 0.2 * w) * 2**0.5
    assert torch.allclose(made.generator.mapping(z.float())[:, 0].double(), w, atol=1e-5)


def test_a_class_has_to_be_one_of_those_that_are_there(ours: State) -> None:
    data = save_tensors(conditional(ours))
    for class_index, says in (
        (None, r"choose one of its 3 classes with class_index=0 \.\. 2"),
        (3, r"no class 3; there are 0\.\.2"),
    ):
        with pytest.raises(RefusedError, match=says):
            checkpoint.parse(data, class_index=class_index)
    with pytest.raises(RefusedError, match="it has no classes"):
        checkpoint.parse(save_tensors(ours), class_index=0)
