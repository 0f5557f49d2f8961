"""What a fit to many simulated people costs: `beholder train` as a process of its own, its time, processor time and memory.

Wall time is worth something on a quiet machine; processor time, of the command and all of Ray's processes, on any.
"""

import json
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from beholder.embedding import embeddings
from beholder.jobs.bench.process_use import used_by
from beholder.jobs.bench.simulated_raters import ENCODER, SimulatedRaters
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

_MIB = 2**20


class ManyPeopleSettings(Protocol):
    """The settings of `bench bayes` that count here."""

    @property
    def people(self) -> list[int]: ...
    @property
    def judgements(self) -> list[int]: ...
    @property
    def images(self) -> int: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def workspace(self) -> str: ...


def measure(settings: ManyPeopleSettings, run: Run) -> None:
    """Fit a taste to each number of people, and report what it cost."""
    rows = []
    for people in settings.people:
        rows.append(_one(settings, people))
        log.info("%s", rows[-1])
        run.results(pd.DataFrame(rows))
        print("\n".join(_lines(rows)), flush=True)
    run.metrics({f"{row['people']}/{name}": value for row in rows for name, value in row.items() if name != "people"})
    run.summary("\n".join(["# The Bayesian taste of many simulated people", "", *_lines(rows), ""]))


def _one(settings: ManyPeopleSettings, people: int) -> dict[str, float]:
    """Return what a fit to so many people costs, and what a prediction for one of them does."""
    folder = Place.at(settings.workspace) / f"bench-people-{people}"
    workspace = Workspace(folder.uri)
    fewest, most = settings.judgements
    raters = SimulatedRaters(people, fewest, most, settings.images, settings.dimensions, settings.seed)
    try:
        ratings = raters.write(workspace)
        began = time.perf_counter()
        use = used_by(
            [
                "train",
                "taste=bayes",
                f"encoder_id={ENCODER}",
                f"seed={settings.seed}",
                "ray.address=local",
                f"workspace={folder.uri}",
            ]
        )
        seconds = time.perf_counter() - began
        figures = _metrics(folder)
        stored = sum(entry.size for entry in workspace.models.files())
        opened, taken = _predict(workspace, people)
    finally:
        folder.filesystem.delete_dir(folder.path)
    return {
        "people": people,
        "ratings": ratings,
        "seconds": seconds,
        "cpu_seconds": use.cpu,
        "driver_mib": use.driver_mib,
        "all_mib": use.all_mib,
        "stored_mib": stored / _MIB,
        "predict_ms": 1000 * taken,
        "predict_shards": opened,
        "accuracy.personal": figures["accuracy.personal"],
        "accuracy.population": figures["accuracy.population"],
    }


def _metrics(folder: Place) -> dict[str, float]:
    """Return the metrics of the only run of a workspace."""
    (entry,) = [entry for entry in (folder / "runs").files() if entry.path.endswith("metrics.json")]
    metrics: dict[str, float] = json.loads((folder / "runs" / entry.path).read_bytes())
    return metrics


def _predict(workspace: Workspace, people: int) -> tuple[int, float]:
    """Return how many shards one person's utilities of all images open, and the seconds that they take; the median of nine."""
    items = embeddings.read(workspace.embeddings(ENCODER)).vectors
    opened, times = [], []
    for number in np.linspace(0, people - 1, 9).astype(int):
        began = time.perf_counter()
        taste = taste_registry.read(workspace.models, "bayes").taste
        taste.utilities(items, [f"person-{number:08d}"], "attractive")
        times.append(time.perf_counter() - began)
        opened.append(getattr(getattr(taste.info.people, "shards", None), "opened", 0))
    return max(opened), float(np.median(times))


def _lines(rows: Sequence[dict[str, float]]) -> list[str]:
    """Return the table in Markdown; how often the first row's time and memory each costs stands in brackets."""
    first = rows[0]

    def cell(row: dict[str, float], name: str) -> str:
        return f"{row[name]:,.0f} ({row[name] / first[name]:.1f} x)"

    names = ["people", "ratings", "wall, s", "CPU, s", "driver, MiB", "all processes, MiB", "stored, MiB", "predict, ms (shards)"]
    header = [*names, "accuracy"]
    cells = [
        (
            f"{row['people']:,}",
            f"{row['ratings']:,}",
            *(cell(row, name) for name in ("seconds", "cpu_seconds", "driver_mib", "all_mib")),
            f"{row['stored_mib']:,.0f}",
            f"{row['predict_ms']:.0f} ({row['predict_shards']})",
            f"{row['accuracy.personal']:.4f}, population {row['accuracy.population']:.4f}",
        )
        for row in rows
    ]
    return markdown_table(header, cells, align="r" * 8)
