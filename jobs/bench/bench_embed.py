"""`beholder bench embed`: how fast `embed` is, beside the machine's limit and the way the older scripts did it.

(a) the whole job as a user starts it; (b) the bare encoder on pixels already in memory, with a thread per core: the limit here;
(c) one image at a time; (d) the loop that people write themselves, a torch DataLoader with Pillow; (e) the job on a Ray that runs
already. (b) is measured before and after (a), so that a machine that drifts shows, and (a) and (d) take turns. Then what a draft of
JPEGs changes in the embeddings, and how long lists fare.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beholder import config, images
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import BeholderError, ConfigError
from beholder.image_index import list_images
from beholder.images import ImageLimits
from beholder.jobs.bench import dataloader_loop
from beholder.jobs.bench.process_use import watched
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log


@dataclass(frozen=True)
class BenchEmbedSettings:
    common: ClassVar[tuple[str, ...]] = (
        "images",
        "encoder",
        "bare",
        "single",
        "rounds",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench embed",
        "beholder bench embed images=photos encoder=vit_l_14 rounds=3",
    )
    images: str | None = setting(None, "folder, glob, .parquet list or prefix; null: 1,004 pictures of noise made for the bench")
    encoder: EncoderConfig = setting(EncoderConfig(), "which CLIP; random weights will do for speed")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    actors: int = setting(0, "processes that hold the model in (a); 0 is one per GPU, or one per core")
    bare: int = setting(256, "images for (b), the bare encoder, before and again after (a)")
    single: int = setting(96, "images for (c), one image at a time")
    rounds: int = setting(1, "times that (a) and (d) take turns; the medians count")
    memory: list[int] = setting([1000, 4000], "numbers of images at which the job's peak memory is measured; [] measures none")
    drafts: list[float] = setting([1.0, 1.5, 2.0], "times the encoder's size below which no JPEG is decoded; [] compares none")
    machines: list[int] = setting(
        [1, 8, 64], "machines like this one for which the hours of 100 million images are worked out; [] none"
    )
    price: float = setting(0.0, "what an hour of such a machine costs, for what 100 million images cost; 0 leaves it out")
    lists: list[int] = setting([], "rows of lists that name 2,000 small files again and again; [200000, 2000000] takes minutes")

    def __post_init__(self) -> None:
        for name in ("bare", "single", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


def main(settings: BenchEmbedSettings, run: Run) -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        source = settings.images or str(_noise(Path(scratch) / "noise", 1004))
        files = [images.read(uri) for uri in list_images(source)["uri"].to_pylist()]
        before = _bare(settings, files, threads=cores)
        copies = str(_copies(Path(scratch) / "loop", files, len(files)))
        wholes, loops = [], []
        for turn in range(settings.rounds):
            wholes.append(_whole(settings, source, Path(scratch) / f"whole-{turn}"))
            loops.append(dataloader_loop.measure(copies, settings.encoder))
        whole, loop = _median(wholes), _median(loops)
        running = _on_running_ray(settings, source, Path(scratch) / "running")
        after = _bare(settings, files, threads=cores)
        single = _single(settings, files, threads=cores)
        drafts = _drafts(settings, files[: settings.bare])
        lists = [_list(settings, Path(scratch) / f"list-{count}", count) for count in settings.lists]
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
        "loop.images_per_second": loop["whole"],
        "loop.images_per_second.steady": loop["steady"],
        "ratio.steady_to_loop": whole["steady"] / loop["steady"],
        "ratio.whole_to_loop": whole["images"] / whole["wall"] / loop["whole"],
        "whole.seconds.start_and_finish": whole["wall"] - whole["images"] / whole["steady"],
        "whole.cpu_seconds": whole["cpu"],
        "loop.cpu_seconds": loop["cpu"],
        "ratio.cpu_seconds_to_loop": whole["cpu"] / loop["cpu"],
        "running.seconds": running["wall"],
        "running.images_per_second": running["images"] / running["wall"],
        "running.images_per_second.steady": running["steady"],
        "running.seconds.start_and_finish": running["wall"] - running["images"] / running["steady"],
        "ratio.running_to_loop": running["images"] / running["wall"] / loop["whole"],
        **{f"peak_mib.{count}": peak for count, peak in peaks.items()},
    }
    rates = [
        ("(a) beholder embed, steady", whole["steady"]),
        ("(a) beholder embed, with start-up", metrics["whole.images_per_second"]),
        ("(b) bare encoder: the limit", bare),
        ("(c) one image at a time", single),
        ("(d) DataLoader loop, steady", loop["steady"]),
        ("(d) DataLoader loop, once its model is loaded", loop["whole"]),
        ("(e) beholder embed on a running Ray, with start-up", metrics["running.images_per_second"]),
    ]
    rows = [(what, rate, rate / bare, rate / single, rate / loop["steady"]) for what, rate in rates]
    table = pd.DataFrame(rows, columns=["what", "images/s", "of the limit", "times one by one", "times the loop"]).round(2)
    memory = pd.DataFrame([(count, round(peak)) for count, peak in peaks.items()], columns=["images", "peak MiB, all processes"])
    compared = pd.DataFrame(drafts, columns=["draft", "ms an image", "least cosine", "mean cosine"])
    scaled = pd.DataFrame(lists, columns=["rows", "rows/s", "seconds", "peak MiB of the driver"]).round(1)
    for row in drafts:
        metrics |= {
            f"draft.{row[0]}.milliseconds": row[1],
            f"draft.{row[0]}.cosine.least": row[2],
            f"draft.{row[0]}.cosine": row[3],
        }
    for row in lists:
        metrics |= {f"list.{row[0]}.rows_per_second": row[1], f"list.{row[0]}.peak_mib.driver": row[3]}
    run.metrics(metrics)
    run.results(table)
    paper = _on_paper(settings, whole["steady"], bare, drafts[-1][1] if drafts else 0.0)
    shown = [each for each in (table, memory, compared, scaled, paper) if len(each)]
    tables = ["\n".join(markdown_table(list(each.columns), each.itertuples(index=False))) for each in shown]
    run.summary(f"# embed with {settings.encoder.name} on {cores} cores\n\n" + "\n\n".join(tables) + "\n")
    print("\n\n".join(each.to_string(index=False) for each in shown))


def _median(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([each[name] for each in measured])) for name in measured[0]}


def _on_running_ray(settings: BenchEmbedSettings, source: str, workspace: Path) -> dict[str, float]:
    """The job on a Ray that runs already and has not embedded anything yet."""
    import ray

    with connect(RayConfig("local")):
        return _whole(settings, source, workspace, address=ray.get_runtime_context().gcs_address)


def _whole(settings: BenchEmbedSettings, source: str, workspace: Path, *, address: str = "local") -> dict[str, float]:
    """The job as its own process: wall seconds, its own steady rate, and the peak memory and CPU of it and all its children."""
    encoder = config.choice_overrides("encoder", settings.encoder)
    command = [sys.executable, "-m", "beholder", "embed", f"images={source}", f"workspace={workspace}", *encoder,
               f"actors={settings.actors}", f"ray.address={address}"]  # fmt: skip
    log.info("%s", " ".join(command))
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with watched(process.pid) as use:
        out, err = process.communicate()
        wall = time.monotonic() - began
    if process.returncode:
        raise BeholderError(f"beholder embed failed: {(err.strip() or out).splitlines()[-1]}")
    metrics = json.loads((Path(out.splitlines()[-1]) / "metrics.json").read_text())
    return {
        "images": metrics["images.embedded"],
        "listed": metrics["images.listed"],
        "wall": wall,
        "steady": metrics["images_per_second.steady"],
        "peak_mib": use.all_mib,
        "driver_mib": use.driver_mib,
        "cpu": use.cpu,
    }


def _list(settings: BenchEmbedSettings, folder: Path, rows: int) -> tuple[int, float, float, float]:
    """A list of so many rows that names small files again and again: rows, rows/s, seconds, peak MiB of the driver."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"{folder}/{at:04d}.jpg" for at in range(2000)]
    for name in names:
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Path(name).write_bytes(images.encode(images.fit_pixels(coarse, images.Fit(48)), format="JPEG"))
    schema = pa.schema([("image_id", pa.string()), ("uri", pa.string())])
    with pq.ParquetWriter(folder / "list.parquet", schema) as writer:
        for start in range(0, rows, 100_000):
            part = range(start, min(start + 100_000, rows))
            writer.write_table(pa.table([[f"{at:09d}" for at in part], [names[at % len(names)] for at in part]], schema=schema))
    done = _whole(settings, str(folder / "list.parquet"), folder / "workspace")
    return rows, done["listed"] / done["wall"], done["wall"], done["driver_mib"]


def _drafts(settings: BenchEmbedSettings, files: list[bytes]) -> list[tuple[float, float, float, float]]:
    """Each draft: its factor, ms to decode an image, and the least and mean cosine with the embedding of the whole image."""
    if not settings.drafts:
        return []
    encoder = _encoder(settings, len(os.sched_getaffinity(0)))
    fit = encoder.config.fit
    whole = encoder.images(np.stack([images.fit_pixels(images.decode(data), fit) for data in files]))
    rows = []
    for draft in settings.drafts:
        began = time.process_time()
        pixels = np.stack([images.decode_fit(data, fit, draft=draft) for data in files])
        took = time.process_time() - began
        cosine = (encoder.images(pixels) * whole).sum(axis=1)
        rows.append((draft, 1000 * took / len(files), float(cosine.min()), float(cosine.mean())))
    return rows


def _on_paper(settings: BenchEmbedSettings, steady: float, bare: float, decoding_ms: float) -> pd.DataFrame:
    """Hours and cost of 100 million such images on several machines like this one, from what was measured, and what limits them.

    The machines share nothing but storage, which is not in it.
    """
    cores = len(os.sched_getaffinity(0))
    decoded = 1000 * cores / decoding_ms if decoding_ms else float("inf")
    limit = f"cores: they decode {decoded:,.0f}/s" if decoded < bare else f"encoder: it takes {bare:,.0f}/s"
    rows = [(machines, 1e8 / (machines * steady) / 3600, limit) for machines in settings.machines]
    table = pd.DataFrame(rows, columns=["machines", "hours for 100 million", "what saturates first"]).round(1)
    if settings.price:
        table.insert(2, "cost", (table["machines"] * table["hours for 100 million"] * settings.price).round(0))
    return table


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
