"""Files as others publish them, made of a generator's numbers: rosinality's, NVIDIA's and the TensorFlow one's."""

import contextlib
import io
import math
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

SOURCE = "raise RuntimeError('the source inside was run')\n"


def rosinality(state: dict[str, Tensor], mean: Tensor | None, *, zip: bool = True, **more: Any) -> bytes:
    """The generator in a torch file of today (zip) or of before, as training and converting scripts save it."""
    file = io.BytesIO()
    whole = {"g_ema": OrderedDict(state), **({} if mean is None else {"latent_avg": mean}), **more}
    torch.save(whole, file, _use_new_zipfile_serialization=zip)
    return file.getvalue()


def encoder(state: dict[str, Tensor], mean: Tensor, rows: int) -> bytes:
    """A file of pSp or e4e: an encoder, the generator under decoder., the mean w repeated for every row of w+."""
    whole = {"encoder.input_layer.0.weight": torch.randn(8, 3, 3, 3)} | {f"decoder.{key}": value for key, value in state.items()}
    file = io.BytesIO()
    torch.save({"state_dict": whole, "latent_avg": mean.repeat(rows, 1), "opts": {"encoder_type": "Encoder4Editing"}}, file)
    return file.getvalue()


class PickledAs:
    """Pickles as a call of a name with arguments, followed by a state where there is one."""

    def __init__(self, name: Any, arguments: tuple, state: Any = None) -> None:
        self.reduced = (name, arguments) if state is None else (name, arguments, state)

    def __reduce__(self) -> tuple:
        return self.reduced


@contextlib.contextmanager
def modules(*names: str) -> Iterator[None]:
    """Let these dotted names of functions and classes be there, so that pickle writes them."""
    before = dict(sys.modules)
    for full in names:
        path, _, name = full.rpartition(".")
        parts = path.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part not in before:
                sys.modules.setdefault(part, types.ModuleType(part))
        made: Any = type(name, (dict,) if name == "EasyDict" else (), {"__module__": path})
        if name.startswith("_"):
            made = types.FunctionType((lambda meta: None).__code__, {}, name)
            made.__module__, made.__qualname__ = path, name
        setattr(sys.modules[path], name, made)
    try:
        yield
    finally:
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in ("torch_utils", "dnnlib"):
                del sys.modules[name]


PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
EASY, NETWORK = "dnnlib.util.EasyDict", "dnnlib.tflib.network.Network"


def nvidia(
    state: dict[str, Tensor], *, protocol: int = 4, numpy_1: bool = False, clamp: float | None = None, alone: bool = False,
    saved: bool = False, **more: Any,
) -> bytes:  # fmt: skip
    """Networks as stylegan2-ada-pytorch pickles them: a critic, the generator and its average, with their source text.

    state: tensors under NVIDIA's names. alone: the averaged generator and nothing else. saved: by torch.save. more: attributes put
    into the layers whose class's name they begin with, as in SynthesisBlock__architecture="resnet".
    """
    with modules(PERSISTENT, EASY):
        easy = sys.modules["dnnlib.util"].EasyDict(num_workers=3)
        whole = {
            "training_set_kwargs": easy,
            "D": _layer("Discriminator", {"b4.conv.weight": torch.randn(4, 4, 3, 3)}, "", clamp, more),
            "G_ema": _layer("Generator", state, "", clamp, more),
            "augment_pipe": None,
        }
        what = whole["G_ema"] if alone else whole
        file = io.BytesIO()
        torch.save(what, file) if saved else file.write(pickle.dumps(what, protocol))
        data = file.getvalue()
    if numpy_1:
        assert protocol < 4  # from protocol 4 on a name's length goes before it
        data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return data


def _layer(kind: str, state: dict[str, Tensor], path: str, clamp: float | None, more: dict[str, Any]) -> PickledAs:
    own = {name: value for name, value in state.items() if "." not in name}
    inner: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        first, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = value
    buffers = ("w_avg", "noise_const", "resample_filter")
    attributes: dict[str, Any] = {
        "training": False,
        "_parameters": OrderedDict((k, torch.nn.Parameter(v)) for k, v in own.items() if k not in buffers),
        "_buffers": OrderedDict((k, v) for k, v in own.items() if k in buffers),
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": OrderedDict(
            (name, _layer(_kind(name), below, f"{path}.{name}".lstrip("."), clamp, more)) for name, below in inner.items()
        ),
    }
    width = own["weight"].shape[1] if "weight" in own else 1
    if kind == "FullyConnectedLayer":
        rate = 0.01 if path.startswith("mapping") else 1.0
        attributes["activation"] = "lrelu" if path.startswith("mapping") else "linear"
        attributes |= {"weight_gain": rate / np.sqrt(width), "bias_gain": rate}
    if kind == "SynthesisLayer":
        attributes |= {"activation": "lrelu", "act_gain": np.sqrt(2), "conv_clamp": clamp, "use_noise": True}
        attributes["_buffers"]["resample_filter"] = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    if kind == "ToRGBLayer":
        attributes |= {"conv_clamp": clamp, "weight_gain": 1 / np.sqrt(width)}
    if kind == "SynthesisBlock":
        attributes["architecture"] = "skip"
    attributes |= {key.partition("__")[2]: value for key, value in more.items() if key.partition("__")[0] == kind}
    call = getattr(sys.modules["torch_utils.persistence"], "_reconstruct_persistent_obj")  # noqa: B009
    return PickledAs(call, ({"type": "class", "version": 6, "module_src": SOURCE, "class_name": kind, "state": attributes},))


def _kind(name: str) -> str:
    kinds = {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork", "torgb": "ToRGBLayer", "affine": "FullyConnectedLayer"}
    if name in kinds:
        return kinds[name]
    return "FullyConnectedLayer" if name.startswith("fc") else "SynthesisLayer" if name.startswith("conv") else "SynthesisBlock"


def tensorflow(state: dict[str, Tensor], *, version: int = 4, protocol: int = 4) -> bytes:
    """Three networks as the TensorFlow generation pickles them. state: tensors under NVIDIA's names."""
    mapping, synthesis = [], []
    layers = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}
    for name, tensor in state.items():
        match name.split("."):
            case ["mapping", "w_avg"]:
                mean = tensor.numpy()
            case ["mapping", dense, part]:
                mapping.append((f"Dense{dense[2:]}/{part}", tensor.T.numpy() if part == "weight" else tensor.numpy()))
            case ["synthesis", "b4", "const"]:
                synthesis.append(("4x4/Const/const", tensor[None].numpy()))
            case ["synthesis", block, layer, *part]:
                size, layer_of = int(block[1:]), layers[layer]
                if part == ["noise_const"]:
                    number = 2 * int(math.log2(size)) - (5 if layer == "conv0" else 4)
                    synthesis.append((f"noise{number}", tensor[None, None].numpy()))
                    continue
                if size == 4 and layer == "conv1":
                    layer_of = "Conv"
                value = tensor.numpy()
                if part == ["weight"]:
                    value = np.ascontiguousarray(np.transpose(value, (2, 3, 1, 0)))
                    value = value[::-1, ::-1] if layer == "conv0" else value
                elif part == ["affine", "weight"]:
                    value = value.T
                elif part == ["affine", "bias"]:
                    value = value - 1
                value = value[()] if value.ndim == 0 else value  # as a session returns single numbers
                of = "_".join(part).replace("affine", "mod")
                synthesis.append((f"{size}x{size}/{layer_of}/{of}", value))
    with modules(NETWORK, EASY):
        module = sys.modules["dnnlib.tflib.network"]

        def network(variables: list, **components: Any) -> Any:
            made = module.Network()
            easy = sys.modules["dnnlib.util"].EasyDict(components)
            said = {"version": version, "name": "x", "static_kwargs": {"resolution": 8}, "components": easy}
            made.__dict__ |= {**said, "variables": variables, "build_module_src": SOURCE}
            return made

        inside = {"mapping": network(mapping), "synthesis": network(synthesis)}
        whole = network([("lod", np.float32(0)), ("dlatent_avg", mean)], **inside)
        return pickle.dumps((network([]), network([]), whole), protocol)
