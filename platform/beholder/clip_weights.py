"""CLIP weights as people keep them -> a file that open_clip loads.

In a hub's folder or a bucket, wrapped by a trainer, compiled, averaged, in OpenAI's archives of TorchScript, whose code is not run.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beholder.errors import EncoderError, StorageError
from beholder.storage import Place

CONFIG = "open_clip_config.json"  # beside the weights in a folder as open_clip's hub has it
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
_WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.", "model.", "clip.")  # of data-parallel training, torch.compile, Lightning
_POINTER = b"version https://git-lfs"
_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # beside the weights in programs of TorchScript
_TOWER = "visual."  # how the names of the image tower's weights begin


def find(weights: str) -> str:
    """Return the file that weights name: ~ is one's home, a hub's folder (local-dir:, too) stands for the file in it.

    A file of a bucket (s3://, gs://, ...) is fetched, once for each of its versions, into `~/.cache/beholder/weights`. Other texts
    stay as they are. Raises EncoderError for a folder without such a file, and for a place without one or that can't be reached.
    """
    local = weights.removeprefix("local-dir:")
    if "://" in local:
        return _fetched(weights)
    path = Path(local).expanduser()
    if path.is_dir() and ("/" in local or local != weights):
        if (path / "adapter_config.json").is_file():
            raise EncoderError(f"encoder.weights={weights} is an adapter of peft, no CLIP: merge it into its model and save that")
        found = next((path / name for name in _FILES if (path / name).is_file()), None)
        if found is None:
            raise EncoderError(f"encoder.weights={weights} is a folder without weights: expected one of {', '.join(_FILES)}")
        return str(found)
    return str(path) if local != weights or local.startswith("~") else weights


def _fetched(uri: str) -> str:
    """Return the copy of a remote file on this machine."""
    try:
        place = Place.at(uri)
        if not place.is_file():
            raise EncoderError(f"encoder.weights={uri}: there is no such file")
        version = hashlib.sha256(f"{place.uri.partition('?')[0]} {place.version()}".encode()).hexdigest()[:16]
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        copy = home / "beholder" / "weights" / version / place.name
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as file, place.open() as source:
                shutil.copyfileobj(source, file, 16 << 20)
            os.replace(file.name, copy)
    except (StorageError, OSError) as error:
        raise EncoderError(f"encoder.weights={uri}: {str(error).splitlines()[0]}") from None
    return str(copy)


def preprocessing(file: str) -> dict[str, Any]:
    """Return the settings of an EncoderConfig that the hub's description beside a file of weights has; {} without one.

    Of a program of TorchScript the code tells whether it uses QuickGELU, as all of OpenAI's do.
    """
    described = Path(file).parent / CONFIG
    if not described.is_file():
        return {"quick_gelu": True} if _of_quick_gelu(file) else {}
    try:
        content = json.loads(described.read_text())
        said, model = content.get("preprocess_cfg") or {}, content.get("model_cfg") or {}
    except (ValueError, AttributeError, OSError):
        raise EncoderError(f"{described} is no description of open_clip's: expected JSON with preprocess_cfg") from None
    names = {"mean": "mean", "std": "std", "interpolation": "interpolation", "resize_mode": "resize"}
    found = {ours: said[theirs] for theirs, ours in names.items() if said.get(theirs)}
    return found | ({"quick_gelu": bool(model["quick_gelu"])} if "quick_gelu" in model else {})


@contextlib.contextmanager
def loadable(file: str) -> Iterator[str]:
    """Yield a file with the same weights under the names that open_clip knows: the same file where it has them so.

    Raises EncoderError for weights of an image tower alone, of transformers' CLIP, and for a pointer in place of a file.
    """
    with open(file, "rb") as opened:
        if opened.read(len(_POINTER)) == _POINTER:
            raise EncoderError(f"encoder.weights={file} is a pointer of Git LFS; fetch the file itself: git lfs pull")
    program = _program(file)
    state = program if program is not None else _read(file)
    plain = {} if state is None else _plain(state)
    names = list(plain)
    if names and not any(name.startswith(_TOWER) for name in names):
        if any(name.startswith("vision_model.") for name in names):
            raise EncoderError(f"encoder.weights={file} is a CLIP of transformers; expected one of open_clip")
        if "class_embedding" in names or "conv1.weight" in names:
            raise EncoderError(f"encoder.weights={file} is an image tower alone; expected a whole CLIP, with its text tower")
    if state is None or (program is None and names == list(state)):
        yield file
        return
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/weights.safetensors"
        save_file({name: tensor.contiguous().clone() for name, tensor in plain.items()}, path)
        yield path


def check_finite(model: Any, file: str) -> None:
    """Raise EncoderError where a weight of a model is no finite number: all its embeddings would be none."""
    import torch

    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()) and not name.endswith("attn_mask"):
            raise EncoderError(f"encoder.weights={file}: {name} has numbers that are not finite; its training has diverged")


def reason(error: BaseException) -> str:
    """Return what an error of torch's says on one line: which weights are missing or don't fit, the first of them."""
    if "TorchScript" in str(error):
        return "it is a program of TorchScript, of which weights are read and no code is run; its state_dict() may fit better"
    if "Weights only load failed" in str(error):
        return "it holds more than tensors, or is no torch file; nothing is run to read it: save its state_dict() and give that"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return f"{first} {lines[1][:300]}" if first.endswith(":") and len(lines) > 1 else first


def _read(file: str) -> Mapping[str, Any] | None:
    """Return the content of a file of weights, None for what is read by open_clip alone. No pickle is run.

    Tensors of safetensors are read where they are to be written under other names, and are None else.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    try:
        if file.endswith(".safetensors"):
            with safe_open(file, "pt") as opened:
                names = list(opened.keys())
            return load_file(file) if _common(names) else dict.fromkeys(names)
        with torch.serialization.safe_globals([argparse.Namespace]):  # a training's settings, which do nothing
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # each of both raises its own; open_clip then says what is wrong
        return None
    return content if isinstance(content, Mapping) else None


def _program(file: str) -> Mapping[str, Any] | None:
    """Return the tensors of a program of TorchScript, None for another file. Raises EncoderError for a broken one."""
    from beholder.safe_pickle import torch_archive
    from beholder.safe_pickle.interpreter import RefusedError

    if torch_archive.program_code(file) is None:
        return None
    try:
        tensors = torch_archive.read_program(Path(file).read_bytes())
        return {name: tensor.read() for name, tensor in tensors.items() if name.rpartition(".")[2] not in _NO_WEIGHTS}
    except RefusedError as error:
        raise EncoderError(f"encoder.weights={file}: {error}") from None


def _of_quick_gelu(file: str) -> bool:
    """Return whether a file is a program of TorchScript whose code has a QuickGELU."""
    from beholder.safe_pickle import torch_archive

    return b"QuickGELU" in (torch_archive.program_code(file) or b"")


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of a checkpoint without what is wrapped around them, and their names without a common prefix."""
    import torch

    while (inner := next((state[name] for name in _WRAPPERS if isinstance(state.get(name), Mapping)), None)) is not None:
        state = inner
    tensors = {str(name): value for name, value in state.items() if value is None or isinstance(value, torch.Tensor)}
    while common := _common(list(tensors)):
        tensors = {name.removeprefix(common): value for name, value in tensors.items()}
    return tensors


def _common(names: Sequence[str]) -> str:
    """Return the prefix of a trainer's that all names have; empty where they have none."""
    return next((prefix for prefix in _PREFIXES if names and all(name.startswith(prefix) for name in names)), "")
