"""A fuzzer of the readers of foreign files: small files of each kind are broken in many ways and read.

A reader may return, or raise a BeholderError. Everything else is a fault: another exception, more than SECONDS or MORE_MEMORY, a
crash, a deed that no reader does (a program started, a connection, a file removed). `python -m support.file_fuzzer READER SECONDS
SEED` fuzzes one for so long in this process and prints what it found as JSON; what crashed it is left in the file it names first.
"""

import base64
import contextlib
import io
import json
import random
import re
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 20  # for one file, on a busy machine
MORE_MEMORY = 3 << 30
_DEEDS = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")
_NUMBER = re.compile(rb"\d+")
_EXTREMES = (b"0", b"-1", b"1e999", b"NaN", b"99999999999", b"4294967296", b"2147483647", b"", b"1.5", b"65535")


_LOOKS_UP = ("/sbin/ldconfig",)  # ctypes, for a library that is looked for by its name
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError, IndexError)


@dataclass(frozen=True)
class Reader:
    """samples: small files that are read without an error, by their names; read: reads the file at a path."""

    samples: dict[str, bytes]
    read: Callable[[Path], object]


def mutate(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Return a file broken in one to four places; a zip file mostly within a member, which is packed again."""
    if data.startswith(b"PK") and rng.random() < 0.7:
        with contextlib.suppress(*_BROKEN_ZIP):
            return _repacked(data, rng, others)
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = _broken(data, rng, others)
    return data


def _repacked(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    action = rng.random()
    if action < 0.8:
        members[at] = (name, mutate(content, rng, others))
    elif action < 0.87:
        del members[at]
    elif action < 0.94:
        members.append((name, mutate(content, rng, others)))
    else:
        members[at] = (_broken(name.encode(), rng, others).decode("latin-1")[:200] or "x", content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def _broken(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    size = min(1 << rng.randrange(10), len(data))
    action = rng.randrange(8)
    if action == 0:  # a bit
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if at < len(data) else data
    if action == 1:  # a number of 1, 2, 4 or 8 bytes
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice(
            (0, 1, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1, (1 << 8 * width) - 1, rng.randrange(1 << 8 * width))
        )
        return data[:at] + value.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]
    if action == 2:  # a number in digits
        places = [match.span() for match in _NUMBER.finditer(data[:100_000])]
        start, end = rng.choice(places or [(at, at)])
        return data[:start] + rng.choice(_EXTREMES) + data[end:]
    if action == 3:
        return data[:at] + data[at + size :]
    if action == 4:
        return data[:at] + data[at : at + size] * rng.choice((2, 3, 50)) + data[at + size :]
    if action == 5:
        return data[:at]
    if action == 6:
        return data[:at] + rng.randbytes(size) + data[at + size * rng.randrange(2) :]
    other = rng.choice(others)
    return data[:at] + other[rng.randrange(len(other) + 1) :]


def fuzz(reader: Reader, rng: random.Random, path: Callable[[str], Path], *, count: int | None, seconds: float) -> dict[str, Any]:
    """Read broken files, so many or for so long; return how many and of each kind of fault the first file."""
    from beholder.errors import BeholderError

    deeds: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _DEEDS and arguments[0] not in _LOOKS_UP:
            deeds.append(f"{event} {arguments[:1]}")

    sys.addaudithook(watch)
    done, accepted, faults, slowest = 0, 0, dict[str, tuple[str, str]](), 0.0
    until, samples = time.monotonic() + seconds, list(reader.samples.items())
    others = list(reader.samples.values())
    while done < count if count is not None else time.monotonic() < until:
        name, data = samples[done % len(samples)]
        broken = mutate(data, rng, others) if done >= len(samples) else data
        file = path(name)
        file.write_bytes(broken)
        began, fault = time.process_time(), None
        deeds.clear()
        try:
            reader.read(file)
            accepted += 1
        except BeholderError as refusal:
            if done < len(samples):
                fault = f"the sample {name} is refused: {refusal}"
            elif "\n" in str(refusal) or len(str(refusal)) > 2000:
                fault = f"the message is not one line: {str(refusal)[:60]}"
        except BaseException as error:
            import traceback

            frames = traceback.extract_tb(error.__traceback__)
            where = next((frame for frame in reversed(frames) if "beholder" in frame.filename), frames[-1])
            fault = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:200]}"
            if isinstance(error, KeyboardInterrupt):
                raise
        took = time.process_time() - began
        slowest = max(slowest, took)
        if took > SECONDS:
            fault = fault or f"it took {took:.0f} s"
        if deeds:
            fault = fault or f"it did {deeds[0]}"
        if fault is not None:
            faults.setdefault(fault.partition(": ")[0], (fault, name + " " + base64.b64encode(broken[:20_000]).decode()))
        done += 1
    return {"read": done, "accepted": accepted, "slowest": round(slowest, 2), "faults": faults}


@contextlib.contextmanager
def paths() -> Iterator[Callable[[str], Path]]:
    """Where files are written: a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda name: Path(folder) / name


def main(name: str, seconds: float, seed: int) -> None:
    """Fuzz a reader within limits, and print what was found."""
    reader = READERS[name]()
    for sample, data in reader.samples.items():  # imports what there is to import
        with paths() as path:
            path(sample).write_bytes(data)
            reader.read(path(sample))
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MORE_MEMORY, now + MORE_MEMORY))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    with paths() as path:
        print(json.dumps({"folder": str(path("."))}), flush=True)
        print(json.dumps(fuzz(reader, random.Random(seed), path, count=None, seconds=seconds)), flush=True)


def _tables() -> Reader:
    import pandas as pd

    from beholder.importing import workbook
    from beholder.importing.column_mapping import ColumnMapping
    from beholder.importing.source_tables import TableFormat
    from beholder.importing.table_import import ImportOptions, import_tables
    from beholder.storage import Place
    from beholder.workspace import Workspace

    rows: list[list[Any]] = [
        ["user_id", "image_id", "attribute", "score", "time"],
        *([f"u{at % 3}", f"{at}.jpg", "kind", 1 + at % 5, None] for at in range(12)),
    ]
    pairs: list[list[Any]] = [
        ["user_id", "image_left", "image_right", "choice"],
        *([f"u{at % 3}", f"{at}.jpg", f"{at + 1}.jpg", at % 3] for at in range(9)),
    ]

    def text(table: list[list[Any]], delimiter: str) -> bytes:
        return "".join(delimiter.join("" if cell is None else str(cell) for cell in row) + "\r\n" for row in table).encode()

    frame = pd.DataFrame(rows[1:], columns=rows[0])
    parquet = io.BytesIO()
    frame.drop(columns="time").to_parquet(parquet)
    records = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    samples = {
        "a.xlsx": workbook.write({"ratings": rows, "notes": [["said", "by"], ["x", "y"]]}),
        "b.xlsx": workbook.write({"pairs": pairs}),
        "a.csv": text(rows, ","),
        "b.tsv": text(pairs, "\t"),
        "c.csv": text(rows, ";").decode().encode("utf-16"),
        "a.parquet": parquet.getvalue(),
        "a.jsonl": "".join(json.dumps(each) + "\n" for each in records).encode(),
        "a.json": json.dumps(records).encode(),
    }

    def read(path: Path) -> object:
        with tempfile.TemporaryDirectory() as folder:
            options = ImportOptions(ColumnMapping(), TableFormat())
            return import_tables(Place.at(path), Workspace(folder), options, None)

    return Reader(samples, read)


def _vectors() -> Reader:
    import pickle

    import numpy as np
    import pandas as pd
    import torch
    from safetensors.numpy import save

    from beholder.importing import embedding_files
    from beholder.storage import Place

    rows = {f"{at}.jpg": np.arange(4, dtype=np.float32) + at for at in range(5)}
    frame = pd.DataFrame({"image_id": list(rows), "embedding": [list(map(float, row)) for row in rows.values()]})
    parquet, npz, matrix, pt = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet)
    np.savez_compressed(npz, paths=np.array(list(rows)), embeddings=np.stack(list(rows.values())))
    np.savez(matrix, allow_pickle=False, **rows)
    torch.save({name: torch.from_numpy(row) for name, row in rows.items()}, pt)
    csv = "image_id,a,b\n" + "".join(f"{name},{row[0]},{row[1]}\n" for name, row in rows.items())
    samples = {
        "a.parquet": parquet.getvalue(),
        "a.npz": npz.getvalue(),
        "b.npz": matrix.getvalue(),
        "a.pkl": pickle.dumps(rows),
        "b.pkl": pickle.dumps({"paths": list(rows), "embeddings": [row.tolist() for row in rows.values()]}, protocol=2),
        "a.pt": pt.getvalue(),
        "a.safetensors": save(rows),
        "a.csv": csv.encode(),
    }
    return Reader(samples, lambda path: embedding_files.read(Place.at(path)))


def _generator() -> Any:
    from beholder.editing.generator import Generator, GeneratorConfig

    config = GeneratorConfig(resolution=8, z_dim=8, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8)
    return Generator(config).eval().requires_grad_(False)


def _checkpoints() -> Reader:
    import torch

    from beholder.editing.checkpoints import checkpoint, native, rosinality
    from beholder.storage import Place
    from support import published_checkpoints

    generator = _generator()
    state = {
        name: torch.clone(tensor)
        for name, tensor in torch.load(io.BytesIO(rosinality.write(generator)), weights_only=True)["g_ema"].items()
    }
    samples = {
        "a.pt": rosinality.write(generator),
        "b.pt": published_checkpoints.rosinality(state, torch.zeros(8), zip=False),
        "a.safetensors": native.write(generator),
    }
    return Reader(samples, lambda path: checkpoint.read(Place.at(path)))


def _directions() -> Reader:
    import numpy as np
    import torch

    from beholder.editing.directions.formats import detect
    from beholder.editing.directions.formats.source import SourceHints
    from beholder.storage import Place
    from support import direction_files

    config, step = _generator().config, np.linspace(-1, 1, 8, dtype=np.float32)
    samples = {
        "a.npy": direction_files.npy(step[None]),
        "a.npz": direction_files.npz(step=step),
        "a.pt": direction_files.pt(torch.from_numpy(step.copy())),
        "b.pt": direction_files.pt(torch.from_numpy(step.copy()), legacy=True),
        "a.json": json.dumps(step.tolist()).encode(),
        "a.csv": ",".join(map(str, step)).encode() + b"\n",
    }
    return Reader(samples, lambda path: detect.read(Place.at(path), None, config, SourceHints()))


def _latents() -> Reader:
    import numpy as np
    import torch

    from beholder.editing import latent_file
    from beholder.storage import Place
    from support import direction_files

    generator = _generator()
    rows = np.zeros((1, generator.config.num_ws, 8), np.float32)
    samples = {
        "a.npy": direction_files.npy(rows),
        "a.npz": direction_files.npz(w=rows),
        "a.pt": direction_files.pt({"latent": torch.from_numpy(rows)}),
    }
    return Reader(samples, lambda path: latent_file.read(Place.at(path), generator))


def _pictures() -> dict[str, bytes]:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    samples = {}
    for kind, more in (
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("PPM", {}),
    ):
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        options = more if kind in ("GIF", "BMP", "PPM") else {**more, "exif": exif}
        Image.fromarray(pixels).save(buffer, format=kind, **options)
        samples[f"a.{kind.lower()}"] = buffer.getvalue()
    return samples


def _images() -> Reader:
    from beholder import images

    with contextlib.suppress(ImportError):
        import pillow_heif  # noqa: F401  (its import asks the system for a library, by a process)
    limits = images.ImageLimits(max_pixels=40_000_000, max_bytes=12 << 20)
    return Reader(_pictures(), lambda path: images.decode_layers(path.read_bytes(), limits=limits))


def _archives() -> Reader:
    import pandas as pd

    from beholder import image_shards

    pictures = _pictures()
    plain, packed, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for buffer, mode in ((plain, "w"), (packed, "w:")):
        with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT if mode == "w" else tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            for name, data in pictures.items():
                entry = tarfile.TarInfo(("long/" * 30 if mode == "w" else "ü") + name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    pd.DataFrame({"name": list(pictures), "image": list(pictures.values())}).to_parquet(parquet)

    def read(path: Path) -> object:
        return [image.data for shard in image_shards.find(str(path)) for image in image_shards.read(shard, max_bytes=1 << 20)]

    return Reader({"a.tar": plain.getvalue(), "b.tar": packed.getvalue(), "a.parquet": parquet.getvalue()}, read)


def _lists() -> Reader:
    import pandas as pd

    from beholder import image_lists

    names = [{"image_id": f"{at}", "uri": f"pictures/{at}.jpg"} for at in range(6)]
    parquet = io.BytesIO()
    pd.DataFrame(names).to_parquet(parquet)
    samples = {
        "a.csv": ("image_id,uri\n" + "".join(f"{each['image_id']},{each['uri']}\n" for each in names)).encode(),
        "a.jsonl": "".join(json.dumps(each) + "\n" for each in names).encode(),
        "a.txt": "".join(each["uri"] + "\n" for each in names).encode(),
        "a.parquet": parquet.getvalue(),
    }
    return Reader(samples, lambda path: [part.num_rows for part in image_lists.iterate(str(path), roots=[])])


def _artifacts() -> Reader:
    import numpy as np

    from beholder import artifacts

    arrays: dict[str, np.ndarray] = {"a": np.ones((3, 4), np.float32), "b": np.arange(5)}
    sample = artifacts.dump(arrays, {"card": {"kind": "x", "n": 3}})

    def read(path: Path) -> object:
        data = path.read_bytes()
        return artifacts.parse_arrays(data), artifacts.parse_tensors(data), artifacts.read_metadata(data)

    return Reader({"a.safetensors": sample}, read)


def _weights() -> Reader:
    import torch
    from safetensors.torch import save

    from beholder import clip_weights

    state = {f"module.{name}": torch.ones(3, 2) for name in ("visual.proj", "token_embedding.weight", "logit_scale")}
    plain, old = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": state}, plain)
    torch.save(state, old, _use_new_zipfile_serialization=False)

    def read(path: Path) -> object:
        with clip_weights.loadable(clip_weights.find(str(path))) as file:
            return file

    return Reader({"a.pt": plain.getvalue(), "b.pt": old.getvalue(), "a.safetensors": save(state)}, read)


def _studies() -> Reader:
    from beholder.commands.study_new import TEMPLATE
    from beholder.studies.study_config import read_study

    return Reader(
        {"a.yaml": TEMPLATE.encode()}, lambda path: read_study(path.read_bytes().decode(errors="replace"), name=path.name)
    )


READERS: dict[str, Callable[[], Reader]] = {
    "tables": _tables,
    "vectors": _vectors,
    "checkpoints": _checkpoints,
    "directions": _directions,
    "latents": _latents,
    "images": _images,
    "archives": _archives,
    "lists": _lists,
    "artifacts": _artifacts,
    "weights": _weights,
    "studies": _studies,
}

if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
