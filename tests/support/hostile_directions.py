"""Files of directions that mean harm; `PYTHONPATH=tests python tests/support/hostile_checkpoints.py` says what each gets."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np


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

    evil, plain = Calls(witness), good()
    large = bomb()
    repeated = torch.ones(1).expand(10**12)
    row = torch.ones(1_000_000)
    return {
        "objects.npy": npy(np.array([{"a": evil}, None], dtype=object)),
        "objects-in-npz.npz": zipped({"lat_comp.npy": npy(np.array([evil], dtype=object))}),
        "truncated.npy": plain[:-7],
        "only-magic.npy": plain[:6],
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
        "broken-zip.npz": zipped({"a.npy": plain})[:-20],
        "code.pkl": pickle.dumps({"comp": evil, "std": 1}),
        "code-old.pkl": b"\x80\x02" + pickle.dumps(evil, 0),
        "code.pt": torch_file({"comp": evil, "std": torch.ones(1)}),
        "code-legacy.pt": torch_file({"comp": evil, "std": torch.ones(1)}, legacy=True),
        "repeats-one-number.pt": torch_file({"comp": repeated, "std": torch.ones(1)}),
        "repeats-one-number-legacy.pt": torch_file({"comp": repeated, "std": torch.ones(1)}, legacy=True),
        "one-tensor-200-times.pt": torch_file({f"a{i}": row for i in range(200)}),
        "one-tensor-in-lists.pt": torch_file({f"a{i}": [row] * 20 for i in range(10)}),
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


def good() -> bytes:
    """A direction that is none of them."""
    return npy(np.ones((1, 12)))


# These are read once before all others, so that what numpy and zipfile import late is not taken for a deed of theirs.
LATE = ("another-zip.npz", "lying-bomb.npz", "deep-header.npy", "truncated.pt", "ragged.json", "code.pkl", "empty.pt", "words.csv")


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
