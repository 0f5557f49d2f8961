"""What judging many simulated people costs: `beholder quality` as a process of its own, its time, processor time and memory.

A tenth of them answer at random; wall time is worth something on a quiet machine, processor time on any.
"""

import time
from typing import Protocol

import pandas as pd

from beholder.jobs.bench.process_use import used_by
from beholder.jobs.bench.simulated_raters import SimulatedRaters
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

RANDOM = 0.1  # share of the people who answer at random


class ManyJudgementsSettings(Protocol):
    """The settings of `bench quality` that count here."""

    @property
    def people(self) -> int: ...
    @property
    def ratings(self) -> list[int]: ...
    @property
    def images(self) -> int: ...
    @property
    def workspace(self) -> str: ...


def measure(settings: ManyJudgementsSettings, run: Run) -> None:
    """Judge so many simulated people, and report what it cost and who was found."""
    folder = Place.at(settings.workspace) / f"bench-quality-{settings.people}"
    fewest, most = settings.ratings
    raters = SimulatedRaters(settings.people, fewest, most, settings.images, 64, seed=0, random=RANDOM)
    workspace = Workspace(folder.uri)
    try:
        ratings = raters.write(workspace)
        began = time.perf_counter()
        use = used_by(["quality", "ray.address=local", f"workspace={folder.uri}"])
        seconds = time.perf_counter() - began
        found = workspace.read("quality").to_pandas()
    finally:
        folder.filesystem.delete_dir(folder.path)
    dice = raters.random_people()
    planted = found["user_id"].isin(dice)
    called = found["verdict"].isin(["random", "biased"])
    figures = {
        "people": settings.people,
        "judgements": ratings,
        "seconds": seconds,
        "cpu_seconds": use.cpu,
        "driver_mib": use.driver_mib,
        "all_mib": use.all_mib,
        "random": int(planted.sum()),
        "random.found": int((planted & called).sum()),
        "looking": int((~planted).sum()),
        "looking.called": int((~planted & called).sum()),
    }
    run.metrics(figures)
    run.results(pd.DataFrame([figures]))
    header = ["people", "judgements", "wall, s", "CPU, s", "driver, MiB", "all processes, MiB", "random found", "looking, called"]
    cells = (
        f"{settings.people:,}",
        f"{ratings:,}",
        *(f"{value:,.0f}" for value in (seconds, use.cpu, use.driver_mib, use.all_mib)),
        f"{figures['random.found']:,} of {figures['random']:,}",
        f"{figures['looking.called']:,} of {figures['looking']:,}",
    )
    lines = markdown_table(header, [cells], align="r" * len(header))
    run.summary("\n".join(["# Judging many simulated people", "", *lines, ""]))
    print("\n".join(lines))
