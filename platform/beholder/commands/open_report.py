"""`beholder open`: the report of a run in the browser; without a name the last one that there is."""

import json
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from beholder import run_history
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.run_history import PastRun
from beholder.runs import Run
from beholder.storage import Place

REPORT = "report.html"


@dataclass(frozen=True)
class OpenReportSettings:
    positional: ClassVar[tuple[str, ...]] = ("name",)
    examples: ClassVar[tuple[str, ...]] = ("beholder open", "beholder open tune", "beholder open last browser=false")
    run_folder: ClassVar[str] = "never"
    name: str | None = setting(None, "a run: its name or how it begins, last, or a command; null: the last that has a report")
    browser: bool = setting(True, "open it; false: print where it is")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")


def main(settings: OpenReportSettings, run: Run) -> None:
    known = run_history.runs(Place.at(settings.workspace) / "runs")
    if settings.name is None:
        known = [each for each in known if REPORT in each.files]
        if not known:
            raise ConfigError(
                f"no run in {settings.workspace} has a report yet; evaluate, tune, quality and demo leave one; "
                "workspace=FOLDER looks elsewhere"
            )
    show(run_history.find(known, settings.name or "last"), run, browser=settings.browser)


def show(one: PastRun, run: Run, *, browser: bool = True) -> None:
    """Open the report of a run, or its summary where it has none; print where it is. Raises ConfigError where it has neither."""
    name = next((each for each in (REPORT, "summary.md") if each in one.files), None)
    if name is None:
        raise ConfigError(
            f"{one.name} left neither a report nor a summary ({one.state}); `beholder runs show {one.name}` says more"
        )
    place = one.place / name
    address = Path(place.path).resolve().as_uri() if place.is_local else place.uri
    run.write_text("metrics.json", json.dumps({"run": one.name, "report": address}) + "\n")
    print(place.uri)
    if browser and not (place.is_local and webbrowser.open(address)):
        print("No browser could be started here: open the file above with one.")
