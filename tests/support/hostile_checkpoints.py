"""Hostile files of generators and directions, and what each gets.

`PYTHONPATH=tests python tests/support/hostile_checkpoints.py` prints a table. Each file is read in a process of its own that may
take 512 MiB more than it has and 20 seconds, and in which every command, import, compilation or opened file is noted.
"""

import contextlib
import io
import json
import math
import os
import pickle
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

MORE_MEMORY, SECONDS = 512 * 2**20, 20


@dataclass(frozen=True)
class Got:
    """What reading a file came to.

    error: the one line, None where the file was taken; deeds: what it did besides; cpu_seconds: of its process alone, so that
    a busy machine changes nothing.
    """

    error: str | None
    deeds: tuple[str, ...]
    cpu_seconds: float
    mib: float


def op(name: str) -> bytes:
    """The byte of a pickle's instruction."""
    return getattr(pickle, name)


def text(value: str) -> bytes:
    return op("BINUNICODE") + struct.pack("<I", len(value)) + value.encode()


class Calls:
    """Pickles to a call of a function with arguments."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def zipped(data: bytes, *, compress: bool = False, **parts: bytes) -> bytes:
    """A torch file with this pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in parts.items():
            archive.writestr(f"archive/data/{name.lstrip('_')}", content)
    return file.getvalue()


def legacy(data: bytes, keys: bytes = b"\x80\x02].", rest: bytes = b"") -> bytes:
    """A torch file of before with this pickle."""
    magic, protocol = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", b"\x80\x02M\xe9\x03."
    return magic + protocol + pickle.dumps({"little_endian": True}, 2) + data + keys + rest


def tensor(numel: int, shape: tuple[int, ...], *, key: str = "0", stride: tuple[int, ...] | None = None) -> bytes:
    """The instructions that make a torch file's tensor."""
    strides = [1]
    for side in shape[:0:-1]:
        strides.insert(0, strides[0] * side)
    made = b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    made += pickle.dumps(numel, 2)[2:-1] + b"tQK\x00" + pickle.dumps(shape, 2)[2:-1].replace(b"q\x00", b"")
    return made + pickle.dumps(tuple(stride or strides), 2)[2:-1].replace(b"q\x00", b"") + b"\x89ccollections\nOrderedDict\n)RtR"


def g_ema(**tensors: bytes) -> bytes:
    """The pickle of a dict with g_ema and these tensors in it."""
    items = b"".join(text(name.replace("__", ".")) + made for name, made in tensors.items())
    return b"\x80\x02}" + text("g_ema") + b"}(" + items + b"us."


def generators(witness: Path) -> dict[str, bytes]:
    """What it tries -> a file for `beholder import generator=`; whatever runs would touch the witness."""
    import torch

    from support import published_checkpoints as published
    from support import reference_stylegan as reference

    command, code = f"touch {witness}", f"open({str(witness)!r}, 'w')"
    state = reference.random_state(16, 64, 8, dim=8, layers=2)
    mean = torch.zeros(8)
    good = published.rosinality(state, mean)
    from beholder.editing.checkpoints import checkpoint

    native = checkpoint.parse(good)[1].generator.state_dict()
    nested = pickle.dumps(Calls(os.system, command), 2)
    from safetensors.torch import save

    def nvidia_with(**more: object) -> bytes:
        return published.nvidia(native, Generator__more=more)

    def but(**changed: Any) -> bytes:
        return published.rosinality({**state, **changed}, mean)

    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    deep = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    doubled = b"\x80\x02]" + b"".join(b"q" + bytes([i]) + b"]h" + bytes([i]) + b"ah" + bytes([i]) + b"a" for i in range(200))
    collide = b"\x80\x02}(" + b"".join(b"\x8a\x0b" + (i * (2**61 - 1)).to_bytes(11, "little") + b"N" for i in range(60_000)) + b"u."
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    tiny = reference.random_state(8, 64, 8, dim=8, layers=1)
    claims = {
        key: value.shape if "noises" in key else [2**20 if side == 8 else side for side in value.shape]
        for key, value in tiny.items()
    }
    huge = {key.replace(".", "__"): tensor(math.prod(shape), tuple(shape)) for key, shape in claims.items() if "kernel" not in key}
    row = torch.randn
    return {
        "os.system called (REDUCE, protocol 2)": pickle.dumps({"G_ema": Calls(os.system, command)}, 2),
        "os.system called (STACK_GLOBAL, protocol 4)": pickle.dumps({"G_ema": Calls(os.system, command)}, 4),
        "builtins.eval of a text": pickle.dumps({"G_ema": Calls(eval, code)}, 4),
        "builtins.exec within good networks": nvidia_with(x=Calls(exec, code)),
        "getattr on the way to a module": b"\x80\x02cbuiltins\ngetattr\n(cos\npath\n" + text("os") + b"tR.",
        "INST names os.system": b"\x80\x02(" + op("STRING") + repr(command).encode() + b"\n" + b"ios\nsystem\n.",
        "OBJ makes subprocess.Popen": b"\x80\x02(csubprocess\nPopen\n" + text(command) + b"o.",
        "NEWOBJ_EX of io.FileIO": b"\x80\x04"
        + text("io")
        + text("FileIO")
        + b"\x93("
        + text(str(witness))
        + text("w")
        + b"t}\x92.",
        "an extension code of copyreg": b"\x80\x02\x82\x01.",
        "BUILD on a function that is known": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}" + text("__globals__") + b"}sb.",
        "BUILD on an own class's __setstate__": b"\x80\x02c__main__\nEvil\n)\x81}" + text("x") + text("y") + b"sb.",
        "a name with dots inside (numpy.ndarray.tofile)": b"\x80\x04" + text("numpy") + text("ndarray.tofile") + b"\x93.",
        "a name that fakes lines of output": b"\x80\x04" + text("os\nbeholder: all is well") + text("system") + b"\x93.",
        "code in a torch pickle within the pickle": pickle.dumps(
            {"G_ema": Calls(torch.storage._load_from_bytes, legacy(nested, b"", b""))}, 3
        ),
        "numpy's unpickler of objects": b"\x80\x02cnumpy\nload\n" + text("x.npy") + b"\x85R.",
        "an own module as the source of a network": published.nvidia(native, Generator___modules={"x": Calls(exec, code)}),
        "networks whose source is code, as a StyleGAN3": published.nvidia({"synthesis.input.freqs": row(4, 2)}),
        "a torch zip with os.system": zipped(pickle.dumps({"g_ema": Calls(os.system, command)}, 2)),
        "a torch file of before with os.system": legacy(pickle.dumps({"g_ema": Calls(os.system, command)}, 2)),
        "a good generator, and os.system in its settings": published.rosinality(state, mean, args=Calls(os.system, command)),
        "a good generator, and eval beneath a class of a fork": published.rosinality(state, mean, opts=[{"x": Calls(eval, code)}]),
        "torch files within torch files, each read twice": matryoshka(),
        "networks within each other, 100 deep": published.rosinality({}, None, net=deep_network()),
        "a TorchScript program": _script(),
        "a list in a list, 200,000 deep": deep,
        "200 lists, each twice in the next": doubled + b".",
        "a memo of two thousand million places": b"\x80\x02]r\xff\xff\xff\x7f.",
        "60,000 keys made to collide": collide,
        "two million instructions": b"\x80\x02" + b"]0" * 1_000_000 + b"N.",
        "a text that claims 2**62 bytes": b"\x80\x04" + op("BINUNICODE8") + struct.pack("<Q", 2**62) + b"x.",
        "bytes that claim 2**40": b"\x80\x04" + op("BINBYTES8") + struct.pack("<Q", 2**40) + b"x.",
        "a generator of a million channels in 16 bytes": zipped(g_ema(**huge), _0=bytes(16)),
        "a storage of 2**40 numbers, torch of before": legacy(g_ema(x=tensor(2**40, (2**40,))), pickle.dumps(["0"], 2), bytes(24)),
        "one number repeated 2**40 times by strides": zipped(g_ema(x=tensor(1, (2**20, 2**20), stride=(0, 0))), _0=bytes(4)),
        "a view past its storage's end": zipped(g_ema(x=tensor(4, (8,))), _0=bytes(16)),
        "a compressed torch zip, 1,000 times larger unpacked": zipped(
            g_ema(x=tensor(2**24, (2**24,))), compress=True, _0=bytes(2**26)
        ),
        "a safetensors header that claims 4 TiB": struct.pack("<Q", len(header)) + header,
        "a safetensors header of 2**63 bytes": struct.pack("<Q", 2**63) + b"{}",
        "a safetensors file of something else": save({"x": row(3)}),
        "cut off in the middle": good[: len(good) // 2],
        "networks cut off in the middle": published.nvidia(native)[:9000],
        "a flipped bit in the numbers": _flipped(good),
        "NaN in a weight": but(**{"conv1.conv.weight": torch.full((1, 8, 8, 3, 3), float("nan"))}),
        "infinity in the mean w": published.rosinality(state, mean + float("inf")),
        "a weight of another shape": but(**{"convs.0.conv.weight": row(1, 8, 7, 3, 3)}),
        "a weight that is missing": published.rosinality({k: v for k, v in state.items() if k != "conv1.activate.bias"}, mean),
        "a tensor too many": but(**{"convs.9.conv.weight": row(1, 8, 8, 3, 3)}),
        "another filter than 1, 3, 3, 1": but(**{"convs.0.conv.blur.kernel": torch.ones(4, 4) / 4}),
        "a text in the place of a tensor": but(**{"conv1.conv.weight": "x"}),
        "a class-conditional generator": published.nvidia({**native, "mapping.embed.weight": row(8, 10)}, Generator__c_dim=10),
        "architecture resnet": published.nvidia(native, SynthesisBlock__architecture="resnet"),
        "a generator of 2**40 px": save({f"synthesis.b{2**k}.torgb.weight": row(3, 1, 1, 1) for k in range(2, 41)}),
        "a thousand sizes": save({f"synthesis.b{i}.torgb.weight": row(3, 1, 1, 1) for i in range(1, 1000)}),
        "a safetensors file of complex numbers": safetensors("C64", 8),
        "a safetensors file of numbers of 4 bits": safetensors("F4", 1),
        **again(),
        "a zip of another kind (a spreadsheet)": many.getvalue(),
        "a web page with another name": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
        "an empty file": b"",
    }


def safetensors(kind: str, size: int) -> bytes:
    """A safetensors file with one tensor of two (or one) numbers of a kind."""
    shape = [2] if kind == "F4" else [1]
    name = "synthesis.b4.torgb.weight"
    header = json.dumps({name: {"dtype": kind, "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def again() -> dict[str, bytes]:
    """Small files that come to much by saying the same thing in many places."""
    import torch
    from safetensors.torch import save

    from beholder.editing.checkpoints import state_dict
    from beholder.editing.generator import GeneratorConfig
    from support import published_checkpoints as published
    from support import reference_stylegan as reference

    shapes = state_dict.shapes(GeneratorConfig(8, 2**20, 1, 1, 64, 8))
    long = {name: torch.randn(shape) for name, shape in shapes.items() if name != "mapping.w_avg"}

    sides = b"".join(b"\x8a\x08" + (2**59).to_bytes(8, "little") for _ in range(30_000))
    array = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n(NNNtR(K\x01(" + sides + b"tcnumpy\ndtype\n" + text("<f4")
    array += b"\x85R\x89C\x04abcdtb."
    doubled = b"\x80\x02]" + b"".join(b"q" + bytes([i]) + b"]h" + bytes([i]) + b"ah" + bytes([i]) + b"a" for i in range(200))
    spelt = b"\x80\x02" + text("x" * 1_000_000) + b"q\x000" + text("latin1") + b"q\x010c_codecs\nencode\nq\x020("
    spelt += b"h\x02h\x00h\x01\x86R" * 2_000 + b"l."

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x00tQ."
    within = legacy(b"\x80\x02" + b"N0" * 100_000 + storage, pickle.dumps(["0"], 2), bytes(8))
    nested = b"\x80\x03B" + struct.pack("<I", len(within)) + within + b"q\x000ctorch.storage\n_load_from_bytes\nq\x010"
    nested += b"h\x01h\x00\x85R0" * 2_000 + b"N."

    state = reference.random_state(8, 32, 8, dim=1500, layers=1)
    tied = state | {f"style.{i}.{part}": state[f"style.1.{part}"] for i in range(2, 100) for part in ("weight", "bias")}
    with published.modules(published.PERSISTENT, published.NETWORK, published.EASY):
        make = getattr(sys.modules["torch_utils.persistence"], "_reconstruct_persistent_obj")  # noqa: B009

        def layer(tensors: dict, layers: dict) -> object:
            attributes = {"_parameters": tensors, "_buffers": {}, "_modules": layers}
            return published.PickledAs(make, ({"type": "class", "class_name": "Layer", "state": attributes},))

        one = torch.zeros(1)
        many = layer({f"p{i}": one for i in range(10_000)}, {})
        bare = layer({}, {f"m{i}": layer({}, {}) for i in range(1_900)})
        wide = pickle.dumps({"G_ema": layer({}, {f"m{i}": many for i in range(1_900)})}, 4)
        deep = pickle.dumps({"G_ema": layer({}, {f"m{i}": bare for i in range(1_900)})}, 4)

        def network(variables: list, components: dict) -> object:
            made = sys.modules["dnnlib.tflib.network"].Network()
            made.__dict__ |= {"version": 4, "variables": variables, "components": components}
            return made

        inner = network([(f"v{i}", 1.0) for i in range(10_000)], {})
        tensorflow = pickle.dumps((inner, inner, network([], {f"c{i}": inner for i in range(1_000)})), 4)
    return {
        "a mean w to be measured over 2**20 numbers of z": save(long),
        "an array of 30,000 sides, each of 2**59": array,
        "keys of storages that double 200 times": legacy(b"\x80\x02N.", doubled + b"."),
        "a text spelt as bytes 2,000 times": spelt,
        "a torch file within, read 2,000 times": nested,
        "one weight in 99 layers": published.rosinality(tied, torch.zeros(1500)),
        "10,000 weights in each of 1,900 layers": wide,
        "1,900 layers in each of 1,900 layers": deep,
        "10,000 variables in each of 1,000 networks": tensorflow,
        "parts of a zip that lie in each other": _overlapping(),
    }


def _overlapping() -> bytes:
    """A torch file whose directory says that every part goes on to the end of all."""
    storages: dict[str, Any] = {f"_{i}": b"" for i in range(1_000)}
    data = bytearray(zipped(b"\x80\x02N.", **storages))
    end = at = data.index(b"PK\x01\x02")
    while data[at : at + 4] == b"PK\x01\x02":
        begin = struct.unpack("<I", data[at + 42 : at + 46])[0] + 64
        if begin < end:
            data[at + 20 : at + 28] = struct.pack("<II", end - begin, end - begin)
        at += 46 + sum(struct.unpack("<HHH", data[at + 28 : at + 34]))
    return bytes(data)


def matryoshka() -> bytes:
    """Legacy files with a plain pickle's way to read storages, 40 within each other, two calls at each."""
    inner = legacy(b"\x80\x02N.", b"\x80\x02].")
    for _ in range(40):
        body = b"\x80\x03B" + struct.pack("<I", len(inner)) + inner + b"q\x000ctorch.storage\n_load_from_bytes\nq\x010"
        inner = legacy(body + b"h\x01h\x00\x85R0h\x01h\x00\x85R.", b"\x80\x02].")
    return inner


def deep_network() -> object:
    """A layer in a layer in a layer, of torch's own containers."""
    import torch

    made: torch.nn.Module = torch.nn.Identity()
    for _ in range(100):
        made = torch.nn.Sequential(made)
    return made


def _script() -> bytes:
    import torch

    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)
    return file.getvalue()


def _flipped(data: bytes) -> bytes:
    at = data.index(b"archive/data/0") + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def read(path: Path, reader: Callable[[Path], object]) -> Got:
    """Read a file in a fork of this process, within limits, and tell what came of it."""
    from beholder.errors import BeholderError

    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        deeds: list[str] = []
        error: str | None = None
        own = {str(path)}

        def watch(event: str, arguments: tuple) -> None:
            parsed = event == "compile" and arguments[1] == "<unknown>"  # by ast.parse; running it would be an exec
            if (event in _DEEDS and not parsed) or (event == "open" and str(arguments[0]) not in own):
                deeds.append(f"{event} {arguments[:1]}")

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MORE_MEMORY, now + MORE_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        sys.addaudithook(watch)
        try:
            reader(path)
        except BeholderError as refusal:
            error = str(refusal)
        except BaseException as fault:
            error = f"FAULT {type(fault).__name__}: {fault}"
        done = list(deeds)
        took, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(into, json.dumps([error, done, took, max(0, peak - before) / 1024]).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if not said:
        return Got(f"FAULT killed, status {status}", (), float("nan"), float("nan"))
    error, deeds, took, mib = json.loads(said)
    return Got(error, tuple(deeds), took, mib)


_DEEDS = {
    "os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "import", "exec", "compile", "pickle.find_class",
    "socket.connect", "socket.getaddrinfo", "ctypes.dlopen", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree",
}  # fmt: skip


def read_generator(path: Path) -> object:
    """What `beholder import generator=` does with a file."""
    from beholder.editing.checkpoints import checkpoint
    from beholder.storage import Place

    return checkpoint.read(Place.at(path))


def reads_directions() -> Callable[[Path], object]:
    """What `beholder directions import` does with a file, for a tiny generator."""
    from beholder.editing.directions import scaling
    from beholder.editing.directions.formats import detect
    from beholder.editing.directions.formats.source import SourceHints
    from beholder.editing.generator import Generator, GeneratorConfig
    from beholder.storage import Place

    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    generator = Generator(config).eval().requires_grad_(False)

    def read_direction(path: Path) -> object:
        step = detect.read(Place.at(path), None, config, SourceHints())
        return scaling.scale(generator, step, name="a", fingerprint="", model="")

    return read_direction


def measure(folder: Path) -> dict[str, Got]:
    """Every hostile file and what it got; good files are read first, so that nothing is left to import."""
    import encodings.cp437  # noqa: F401  # how old zips spell names

    import torch

    from beholder.editing.checkpoints import checkpoint, native
    from beholder.errors import BeholderError
    from support import hostile_directions
    from support import published_checkpoints as published
    from support import reference_stylegan as reference

    torch.set_num_threads(1)
    path, witness = folder / "file", folder / "witness"
    state = reference.random_state(8, 32, 8, dim=8, layers=1)
    generator = checkpoint.parse(published.rosinality(state, torch.zeros(8)))[1].generator
    for data in (
        published.rosinality(state, None),
        published.rosinality(state, None, zip=False),
        published.nvidia(generator.state_dict()),
        published.tensorflow(generator.state_dict()),
        native.write(generator),
    ):
        path.write_bytes(data)
        read_generator(path)
    moves, read_direction = hostile_directions.files(witness), reads_directions()
    (folder / "good.npy").write_bytes(hostile_directions.good())
    read_direction(folder / "good.npy")
    for name in hostile_directions.LATE:
        (folder / name).write_bytes(moves[name])
        with contextlib.suppress(BeholderError):
            read_direction(folder / name)
    readers = {"read as most do (pickle.load)": run_pickle} | dict.fromkeys(files := generators(witness), read_generator)
    files["read as most do (pickle.load)"] = pickle.dumps(Calls(os.system, f"touch {witness}"))
    found = {}
    for name, reader in {**readers, **dict.fromkeys(moves, read_direction)}.items():
        if name in moves:
            path = folder / name
        path.write_bytes((files | moves)[name])
        found[name] = read(path, reader)
        if witness.exists():
            found[name] = replace(found[name], deeds=(*found[name].deeds, "RAN"))
            witness.unlink()
    return found


def run_pickle(path: Path) -> object:
    """What not to do, so that it is known to be seen."""
    with path.open("rb") as file:
        return pickle.load(file)


if __name__ == "__main__":
    import tempfile
    import warnings

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch))
        if sys.argv[1:] == ["--json"]:
            print(json.dumps({name: asdict(got) for name, got in found.items()}))
        else:
            for number, (name, got) in enumerate(found.items()):
                said = got.error.replace(scratch + "/", "") if got.error else "taken"
                did = f"  DID {'; '.join(got.deeds)}" if got.deeds else ""
                print(f"{number:3}  {name:52} {got.cpu_seconds:5.2f} s {got.mib:4.0f} MiB  {said}{did}")
