"""`beholder bench editor`: how fast generators draw and what memory they take, beside the machine's floating-point limit.

The limit is the rate of a large matrix product, measured just before and after each drawing. A second table has what a slider
costs: the first picture, and one move of it where the layers before the first row that moved are not drawn again.
"""

import contextlib
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch

from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.generator import Generator, GeneratorConfig, Synthesis
from beholder.editing.layer_cache import LayerCache
from beholder.errors import ConfigError
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run


@dataclass(frozen=True)
class BenchEditorSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench editor",
        "beholder bench editor sizes=[256] batches=[1,8] seconds=2",
    )
    sizes: list[int] = setting(
        [64, 256, 1024], "resolutions of the published shape (channels 32768 / px, at most 512; random weights)"
    )
    batches: list[int] = setting([1, 8, 32], "pictures drawn at once")
    seconds: float = setting(4.0, "how long each measurement goes on, at least one drawing")
    longest: float = setting(90.0, "most seconds of a drawing; one that would take more is left out, with a note")
    memory: float = setting(0.5, "largest share of the free memory that a drawing may take; others are left out, with a note")
    threads: int = setting(0, "threads that draw; 0: one for each core this process may use")
    slider: bool = setting(True, "measure a slider's moves too")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if min((*self.sizes, 8)) < 8 or min((*self.batches, 1)) < 1 or not self.sizes or not self.batches:
            raise ConfigError(f"expected sizes of at least 8 px and batches of at least 1, got {self.sizes} and {self.batches}")
        for size in self.sizes:
            if size & (size - 1):
                raise ConfigError(f"sizes must be powers of two, got {size}")
        if self.seconds <= 0 or self.longest <= 0 or not 0 < self.memory <= 1 or self.threads < 0:
            raise ConfigError("expected seconds and longest above 0, memory in 0..1 and threads of at least 0")


def main(settings: BenchEditorSettings, run: Run) -> None:
    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    busy = os.getloadavg()[0]
    networks = {"portraits": generator_store.read(generator_store.SHIPPED)} | {
        f"{size} px": _network(size) for size in settings.sizes
    }
    rows: list[dict[str, Any]] = []
    sliders: list[dict[str, Any]] = []
    total = len(networks) * (len(settings.batches) + settings.slider)
    with torch.no_grad(), Progress("editor", total=total, unit="measurements") as progress:
        for name, generator in networks.items():
            rate = limit(settings.seconds / 8)
            for batch in settings.batches:
                rows.append(row := _measure(settings, name, generator, batch, rate))
                rate = row["GFLOP/s"] or rate
                progress.advance()
            if settings.slider:
                sliders += _slide(settings, name, generator)
                progress.advance()
    table = pd.DataFrame(rows)
    run.results(table)
    run.metrics(
        {"threads": torch.get_num_threads(), "load.before": busy, "load.after": os.getloadavg()[0]}
        | {
            f"{row['generator']}/{row['batch']}/{key}": row[key]
            for row in rows
            for key in ("images/s", "GFLOP/s", "limit", "MiB")
            if row[key] is not None
        }
        | {f"slider/{row['generator']}/{row['what moves']}/ms": row["ms"] for row in sliders}
    )
    head = f"{torch.get_num_threads()} threads; limit: GFLOP/s of a product of 2048 x 2048 matrices; MiB: what drawing adds"
    head += f"; load average {busy:.1f} before, {os.getloadavg()[0]:.1f} after"
    tables = [_lines(table)]
    if sliders:
        tables.append(_lines(pd.DataFrame(sliders)))
    run.summary(f"# The editor's speed\n\n{head}\n\n" + "\n\n".join(tables) + "\n")
    print(head, *tables, sep="\n\n")


def limit(seconds: float) -> float:
    """GFLOP/s of a large matrix product in float32."""
    one, other = torch.rand(2048, 2048), torch.rand(2048, 2048)
    return 2 * 2048**3 / _time(lambda: one @ other, seconds) / 1e9


def _network(size: int) -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=size, z_dim=512, w_dim=512, mapping_layers=8, channel_base=32768, channel_max=512)
    return Generator(config).eval().requires_grad_(False)


def _measure(settings: BenchEditorSettings, name: str, generator: Generator, batch: int, rate: float) -> dict[str, Any]:
    """One line of the table; without figures where the drawing would take too long or too much memory."""
    work = 2 * generator.config.macs * batch
    row: dict[str, Any] = {"generator": name, "batch": batch, "images/s": None, "GMAC": work / batch / 2e9, "GFLOP/s": None}
    row |= {"limit": None, "of the limit": None, "MiB": None, "note": ""}
    needs, free = _needs(generator.config, batch), _free()
    if needs > settings.memory * free:
        return row | {"note": f"left out: would take some {needs:,.0f} MiB of {free:,.0f} free"}
    if work / rate / 1e9 > settings.longest:
        return row | {"note": f"left out: one drawing would take some {work / rate / 1e9:.0f} s"}
    z = torch.randn(batch, generator.config.z_dim)
    before = limit(settings.seconds / 8)
    start = _peak(reset=True)
    took = _time(lambda: generator(z), settings.seconds)
    peak = _peak() - start
    most, reached = (before + limit(settings.seconds / 8)) / 2, work / took / 1e9
    return row | {"images/s": batch / took, "GFLOP/s": reached, "limit": most, "of the limit": reached / most, "MiB": peak}


def _slide(settings: BenchEditorSettings, name: str, generator: Generator) -> list[dict[str, Any]]:
    """What a move of w+ costs when it begins at the first row, and further up."""
    synthesis, count = generator.synthesis, generator.config.num_ws
    ws = generator.mapping(torch.randn(1, generator.config.z_dim))
    whole = _time(lambda: synthesis(ws), settings.seconds)
    rows, cache = [("drawn anew", len(synthesis.layers()), whole)], LayerCache(synthesis)
    for first in (0, count // 2, count - 4, count - 2):
        cache.draw(synthesis.styles(ws))
        took = _time(partial(_move, cache, synthesis, ws, first), settings.seconds / 2)
        rows.append((f"rows {first} to {count - 1}", cache.layers_drawn, took))
    cache.draw(synthesis.styles(ws))
    took = _time(partial(_move, cache, synthesis, ws, count), settings.seconds / 4)
    rows.append(("nothing", cache.layers_drawn, took))
    names = ("generator", "what moves", "layers drawn", "ms", "of drawn anew")
    return [dict(zip(names, (name, what, drawn, 1e3 * took, took / whole), strict=True)) for what, drawn, took in rows]


def _move(cache: LayerCache, synthesis: Synthesis, ws: torch.Tensor, first: int) -> None:
    """Draw with the rows of w+ from `first` on a little elsewhere, each time elsewhere."""
    move = torch.randn(ws.shape[2]) * (torch.arange(ws.shape[1]) >= first)[:, None]
    cache.draw(synthesis.styles(ws + 0.01 * move))


def _time(do: Callable[[], object], seconds: float) -> float:
    """The median seconds of doing something, after once to warm up; that once where it takes longer than `seconds` alone."""
    began = time.perf_counter()
    do()
    times = [time.perf_counter() - began]
    if times[0] < seconds:
        times, began = [], time.perf_counter()
        while not times or time.perf_counter() - began < seconds:
            last = time.perf_counter()
            do()
            times.append(time.perf_counter() - last)
    return sorted(times)[len(times) // 2]


def _needs(config: GeneratorConfig, batch: int) -> float:
    """About the MiB that a drawing takes: some four of its largest features at once."""
    return batch * max(16 * config.channels(size) * size**2 for size in config.resolutions) / 2**20


def _free() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / 2**20


def _peak(*, reset: bool = False) -> float:
    """The most MiB that this process has held since the last reset; after one, what it holds now."""
    if reset:
        with contextlib.suppress(OSError, AttributeError):  # what earlier drawings left behind in the C library's hands
            ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _lines(table: pd.DataFrame) -> str:
    """A Markdown table, its numbers short."""

    def cell(column: str, value: object) -> str:
        if value is None or value != value:
            return "-"
        if not isinstance(value, float):
            return str(value)
        return f"{value:.0%}" if column.startswith("of ") else f"{value:.2f}" if value < 100 else f"{value:,.0f}"

    align = "".join("r" if table[column].dtype.kind in "ifu" else "l" for column in table.columns)
    rows = ([cell(c, v) for c, v in zip(table.columns, row, strict=True)] for row in table.itertuples(index=False))
    return "\n".join(markdown_table(list(table.columns), rows, align=align))
