"""Files of directions that mean harm, and what each gets: `python tests/unit/editing/directions/hostile.py` prints the table.

They are read in a process of their own that may take 600 MiB more than it has, and in which every command, import, compilation and
opened file is noted.
"""

import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

MORE_MEMORY = 600 * 2**20


class Calls:
    """Pickles to a call of os.system."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.witness}",)


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def header(said: str, content: bytes = b"", *, version: int = 1) -> bytes:
    """An .npy file with this header."""
    text = said.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + content


def zipped(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def bomb() -> bytes:
    """An .npz of some hundred kilobytes that unpacks to 300 MiB of zeros, as its header says."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("a.npy", "w") as part:
        part.write(header("{'descr': '<f4', 'fortran_order': False, 'shape': (78643200,), }"))
        for _ in range(300):
            part.write(bytes(2**20))
    return file.getvalue()


def lying(honest: bytes) -> bytes:
    """The same, but its directory says that it unpacks to 1,000 bytes."""
    data = bytearray(honest)
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1000)
    return bytes(data)


def torch_file(value: object, *, legacy: bool = False) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def files(witness: Path) -> dict[str, bytes]:
    """Name -> content of every hostile file; `witness` is what the code in them would make."""
    import torch

    evil, good = Calls(witness), npy(np.ones((1, 12)))
    large = bomb()
    repeated = torch.ones(1).expand(10**12)
    return {
        "objects.npy": npy(np.array([{"a": evil}, None], dtype=object)),
        "objects-in-npz.npz": zipped({"lat_comp.npy": npy(np.array([evil], dtype=object))}),
        "truncated.npy": good[:-7],
        "only-magic.npy": good[:6],
        "wrong-shape.npy": npy(np.ones((3, 5, 7))),
        "claims-a-terabyte.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }", bytes(48)),
        "claims-overflow.npy": header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**62}, 4), }}", bytes(48)),
        "negative-shape.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -12), }", bytes(48)),
        "code-in-header.npy": header(f"__import__('os').system('touch {witness}')", bytes(48)),
        "deep-header.npy": header("(" * 5000, bytes(48)),
        "huge-header.npy": header("{" + " " * 5_000_000 + "}", bytes(48), version=2),
        "nan.npy": npy(np.full((1, 12), np.nan)),
        "infinite.npy": npy(np.full((1, 12), np.inf)),
        "records.npy": npy(np.zeros(3, [("a", "f4"), ("b", "f4")])),
        "another-zip.npz": zipped({"word/document.xml": b"<a/>"}),
        "empty-zip.npz": zipped({}),
        "bomb.npz": large,
        "lying-bomb.npz": lying(large),
        "broken-zip.npz": zipped({"a.npy": good})[:-20],
        "code.pkl": pickle.dumps({"comp": evil, "std": 1}),
        "code-old.pkl": b"\x80\x02" + pickle.dumps(evil, 0),
        "code.pt": torch_file({"comp": evil, "std": torch.ones(1)}),
        "code-legacy.pt": torch_file({"comp": evil, "std": torch.ones(1)}, legacy=True),
        "repeats-one-number.pt": torch_file({"comp": repeated, "std": torch.ones(1)}),
        "repeats-one-number-legacy.pt": torch_file({"comp": repeated, "std": torch.ones(1)}, legacy=True),
        "truncated.pt": torch_file(torch.ones(1, 12))[:-40],
        "lists-that-double.pkl": _doubling(),
        "wide-lists.pkl": _wide(),
        "deep.json": b"[" * 1_000_000,
        "nan.json": b"[" + b"NaN, " * 11 + b"NaN]",
        "ragged.json": b"[[1, 2], [3]]",
        "words.csv": b"a,b,c\n1,2,3\n",
        "page.npy": b"<!DOCTYPE html><title>Quota exceeded</title>",
        "empty.pt": b"",
    }


def _doubling() -> bytes:
    value: list = []
    for _ in range(60):
        value = [value, value]
    return pickle.dumps(value)


def _wide() -> bytes:
    """A billion numbers in three lists."""
    value: list = [1.0] * 1000
    for _ in range(2):
        value = [value] * 1000
    return pickle.dumps(value)


def judge(folder: Path) -> dict[str, dict]:
    """Read every file below a folder as a direction of a tiny generator, in a process of its own: name -> what came of it."""
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, timeout=120, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _read_all(folder: Path) -> dict[str, dict]:
    import torch

    from beholder.editing.directions import bringing
    from beholder.editing.directions.formats import reading
    from beholder.editing.directions.formats.step import Hints
    from beholder.editing.generator import Generator, GeneratorConfig
    from beholder.errors import BeholderError
    from beholder.storage import Place

    torch.set_num_threads(1)
    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    generator = Generator(config).eval().requires_grad_(False)
    deeds: list[str] = []

    def one(path: Path) -> dict:
        began, error = time.perf_counter(), None
        try:
            step = reading.read(Place.at(path), None, config, Hints())
            bringing.bring(generator, step, name="a", fingerprint="", model="")
        except BeholderError as told:
            error = str(told)
        except BaseException as other:  # what a person must never see
            return {"error": None, "raised": f"{type(other).__name__}: {other}"}
        return {"error": error, "seconds": time.perf_counter() - began}

    def watch(event: str, arguments: tuple) -> None:
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "socket.connect"):
            deeds.append(event)
        elif event == "open" and str(folder) not in str(arguments[0]) and isinstance(arguments[0], str):
            if any(letter in str(arguments[1]) for letter in "wax+"):
                deeds.append(f"writes {arguments[0]}")
        elif event == "exec":
            deeds.append(f"executes {arguments[0]}")

    one(folder / "empty.pt")  # whatever is imported late
    for warm in (
        "another-zip.npz",
        "lying-bomb.npz",
        "deep-header.npy",
        "wrong-shape.npy",
        "truncated.pt",
        "ragged.json",
        "nan.npy",
        "code.pkl",
    ):
        one(folder / warm)
    sys.addaudithook(watch)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY, used + MORE_MEMORY))
    found = {}
    for path in sorted(folder.iterdir()):
        deeds.clear()
        found[path.name] = one(path)
        found[path.name]["deeds"] = list(deeds)
    return found


def _table() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        for file, content in files(Path(name) / "witness").items():
            (folder / file).write_bytes(content)
        for file, got in judge(folder).items():
            said = (got["error"] or got.get("raised") or "taken").replace(str(folder) + "/", "")
            print(f"{file:30} {got.get('seconds', 0):6.3f} s  {said}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_read_all(Path(sys.argv[1]))))
    else:
        _table()
