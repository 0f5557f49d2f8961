"""`beholder bench embed`: how fast `embed` is, beside the machine's limit and the way the older scripts did it.

(a) the whole job as a user starts it; (b) the bare encoder on pixels already in memory, with a thread per
core: the limit here; (c) one image at a time. (b) is measured before and after (a), so that a machine that drifts shows.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from beholder import images
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import BeholderError, ConfigError
from beholder.image_index import list_images
from beholder.images import ImageLimits
from beholder.jobs.bench import check_extra
from beholder.progress import Progress
from beholder.report import markdown_table
from beholder.runs import Run, log


@dataclass(frozen=True)
class BenchEmbedSettings:
    images: str | None = setting(None, "folder, glob, .parquet list or prefix; null: 1,004 pictures of noise made for the bench")
    encoder: EncoderConfig = setting(EncoderConfig(), "which CLIP; random weights will do for speed")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    actors: int = setting(0, "as for embed")
    bare: int = setting(256, "images for (b), before and again after (a)")
    single: int = setting(96, "images for (c)")
    memory: list[int] = setting([1000, 4000], "numbers of images at which the job's peak memory is measured; [] measures none")

    def __post_init__(self) -> None:
        if self.bare < 1 or self.single < 1:
            raise ConfigError(f"bare and single must be at least 1, got {self.bare} and {self.single}")


def main(settings: BenchEmbedSettings, run: Run) -> None:
    check_extra()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        source = settings.images or str(_noise(Path(scratch) / "noise", 1004))
        files = [images.read(uri) for uri in list_images(source)["uri"].to_pylist()]
        before = _bare(settings, files, threads=cores)
        whole = _whole(settings, source, Path(scratch) / "whole")
        after = _bare(settings, files, threads=cores)
        single = _single(settings, files, threads=cores)
        peaks = {}
        for count in settings.memory:
            folder = _copies(Path(scratch) / f"copies-{count}", files, count)
            peaks[count] = _whole(settings, str(folder), Path(scratch) / f"memory-{count}")["peak_mib"]
    bare = (before + after) / 2
    metrics = {
        "images": whole["images"],
        "cores": cores,
        "whole.images_per_second": whole["images"] / whole["wall"],
        "whole.images_per_second.steady": whole["steady"],
        "whole.seconds": whole["wall"],
        "bare.images_per_second": bare,
        "bare.images_per_second.before": before,
        "bare.images_per_second.after": after,
        "single.images_per_second": single,
        "ratio.steady_to_bare": whole["steady"] / bare,
        "ratio.whole_to_bare": whole["images"] / whole["wall"] / bare,
        "ratio.whole_to_single": whole["images"] / whole["wall"] / single,
        "ratio.steady_to_single": whole["steady"] / single,
        **{f"peak_mib.{count}": peak for count, peak in peaks.items()},
    }
    rows = [
        ("(a) beholder embed, steady", whole["steady"], metrics["ratio.steady_to_bare"], metrics["ratio.steady_to_single"]),
        ("(a) beholder embed, with start-up", metrics["whole.images_per_second"], metrics["ratio.whole_to_bare"],
         metrics["ratio.whole_to_single"]),
        ("(b) bare encoder: the limit", bare, 1.0, bare / single),
        ("(c) one image at a time", single, single / bare, 1.0),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["what", "images/s", "of the limit", "times one by one"]).round(2)
    memory = pd.DataFrame([(count, round(peak)) for count, peak in peaks.items()], columns=["images", "peak MiB, all processes"])
    run.metrics(metrics)
    run.results(table)
    tables = ["\n".join(markdown_table(list(each.columns), each.itertuples(index=False))) for each in (table, memory)]
    run.summary(f"# embed with {settings.encoder.name} on {cores} cores\n\n{tables[0]}\n\n{tables[1]}\n")
    print(table.to_string(index=False))
    if peaks:
        print("\n" + memory.to_string(index=False))


def _whole(settings: BenchEmbedSettings, source: str, workspace: Path) -> dict[str, float]:
    """The job as its own process: wall seconds, its own steady rate, and the peak memory of it and all its children."""
    encoder = settings.encoder
    command = [sys.executable, "-m", "beholder", "embed", f"images={source}", f"workspace={workspace}", f"encoder={encoder.name}",
               f"encoder.weights={encoder.weights}", f"actors={settings.actors}"]  # fmt: skip
    log.info("%s", " ".join(command))
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _memory_mib(process.pid))
        time.sleep(0.5)
    wall = time.monotonic() - began
    out, err = process.communicate()
    if process.returncode:
        raise BeholderError(f"beholder embed failed: {(err.strip() or out).splitlines()[-1]}")
    metrics = json.loads((Path(out.splitlines()[-1]) / "metrics.json").read_text())
    return {
        "images": metrics["images.embedded"],
        "wall": wall,
        "steady": metrics["images_per_second.steady"],
        "peak_mib": peak,
    }


def _memory_mib(pid: int) -> float:
    """Memory of a process and its descendants, pages that several share counted once (PSS, as Linux keeps it)."""
    import psutil

    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in family:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # it ended while we looked
    return total / 1024


def _bare(settings: BenchEmbedSettings, files: list[bytes], *, threads: int) -> float:
    """Images/s of Encoder.images alone, pixels in memory, after one batch to warm up."""
    encoder = _encoder(settings, threads)
    pixels = np.stack([images.decode_fit(data, encoder.config.fit) for data in files[: settings.bare]])
    encoder.images(pixels[: encoder.batch_size])
    began = time.monotonic()
    with Progress("(b) bare encoder", total=len(pixels), unit="images") as progress:
        for start in range(0, len(pixels), encoder.batch_size):
            progress.advance(len(encoder.images(pixels[start : start + encoder.batch_size])))
    return len(pixels) / (time.monotonic() - began)


def _single(settings: BenchEmbedSettings, files: list[bytes], *, threads: int) -> float:
    """Images/s of reading, decoding, resizing and embedding one image after another."""
    encoder = _encoder(settings, threads)
    encoder.images([images.decode(files[0])])
    began = time.monotonic()
    with Progress("(c) one at a time", total=settings.single, unit="images") as progress:
        for at in range(settings.single):
            encoder.images([images.decode(files[at % len(files)], limits=ImageLimits())])
            progress.advance()
    return settings.single / (time.monotonic() - began)


def _encoder(settings: BenchEmbedSettings, threads: int) -> Encoder:
    import torch

    torch.set_num_threads(threads)
    return Encoder.load(settings.encoder)


def _noise(folder: Path, count: int) -> Path:
    """JPEG files of smooth noise, 256 x 256, which decode about as fast as photos of that size."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for at in range(count):
        coarse = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        smooth = images.fit_pixels(coarse, images.Fit(256))
        (folder / f"{at}.jpg").write_bytes(images.encode(smooth, format="JPEG"))
    return folder


def _copies(folder: Path, files: list[bytes], count: int) -> Path:
    """`count` files with different bytes: the given ones again and again, each with a number after its end."""
    folder.mkdir(parents=True)
    for at in range(count):
        (folder / f"{at}.jpg").write_bytes(files[at % len(files)] + at.to_bytes(8))
    return folder
