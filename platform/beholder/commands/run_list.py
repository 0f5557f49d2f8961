"""`beholder runs`: the runs of a workspace, listed, shown, compared, opened."""

import datetime
import json
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any, ClassVar

from beholder import run_history
from beholder.commands import open_report
from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.run_history import PastRun
from beholder.runs import Run
from beholder.storage import Place

_ACTIONS = ("list", "show", "diff", "open")
_LONGEST = 60  # characters of a value in a table


@dataclass(frozen=True)
class RunListSettings:
    positional: ClassVar[tuple[str, ...]] = ("action", "name", "other")
    common: ClassVar[tuple[str, ...]] = ("action", "name", "other", "count", "workspace")
    examples: ClassVar[tuple[str, ...]] = (
        "beholder runs",
        "beholder runs list tune count=5",
        "beholder runs show last",
        "beholder runs diff tune-20270131T1200 tune-20270131T1300",
        "beholder runs open evaluate",
    )
    run_folder: ClassVar[str] = "never"
    action: str = setting("list", f"what to do: {', '.join(_ACTIONS)}")
    name: str | None = setting(
        None, "a run: its name or how it begins, last, or a command, whose last run it is; of list: a command"
    )
    other: str | None = setting(None, "the run that it is compared with, named likewise")
    count: int = setting(20, "how many of the last runs are listed; 0: all")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            raise ConfigError(f"runs {self.action}: there is no such action{nearest(self.action, list(_ACTIONS))}")
        needed = {"show": 1, "open": 1, "diff": 2}.get(self.action, 0)
        if needed > sum(each is not None for each in (self.name, self.other)):
            example = "runs diff NAME OTHER" if needed == 2 else f"runs {self.action} NAME"
            raise ConfigError(f"{example}: say which; `beholder runs` lists them, and last is the last one")
        if self.count < 0:
            raise ConfigError(f"count must be 0 or more, got {self.count}")


def main(settings: RunListSettings, run: Run) -> None:
    known = run_history.runs(Place.at(settings.workspace) / "runs")
    if settings.action == "list":
        _list(settings, known, run)
    elif settings.action == "show":
        _show(run_history.find(known, str(settings.name)), run)
    elif settings.action == "open":
        open_report.show(run_history.find(known, str(settings.name)), run)
    else:
        _compare(run_history.find(known, str(settings.name)), run_history.find(known, str(settings.other)), run)


def _list(settings: RunListSettings, known: list[PastRun], run: Run) -> None:
    if settings.name is not None:
        words = settings.name.replace(" ", "-")
        known = [each for each in known if each.command == words or each.command.startswith(f"{words}-")]
    shown = known[-settings.count :]
    run.write_json("metrics.json", [_entry(each) for each in shown])
    if not shown:
        of = f" of {settings.name}" if settings.name else ""
        print(f"There are no runs{of} in {settings.workspace}; `beholder demo` makes some, workspace=FOLDER looks elsewhere.")
        return
    width = max(len(each.name) for each in shown)
    columns = max(40, shutil.get_terminal_size((80, 24)).columns)
    for each in shown:
        print(f"{each.name.ljust(width)}  {each.state}")
        print(textwrap.indent("\n".join(_wrapped(f"beholder {each.line}", columns - 4)), "    "))
    if len(shown) < len(known):
        print(f"{len(known) - len(shown)} earlier ones: count=0 lists all.")


def _show(one: PastRun, run: Run) -> None:
    run.write_json("metrics.json", _entry(one) | {"metrics": one.metrics, "settings": one.settings, "files": list(one.files)})
    print(f"{one.name}: {one.state}, begun {one.began:%Y-%m-%d %H:%M:%S} UTC ({_ago(one.began)})")
    print("\n".join(_wrapped(f"beholder {one.line}", 100)))
    if one.metrics:
        print("\nMetrics")
        _print_values([(name, _text(value)) for name, value in one.metrics.items()])
    print(f"\nFiles in {one.place.uri}")
    for name in one.files:
        print(f"  {name}")


def _compare(one: PastRun, other: PastRun, run: Run) -> None:
    settings = run_history.differences(one.settings, other.settings)
    metrics = run_history.differences(one.metrics, other.metrics)
    run.write_json("metrics.json", {"settings": {n: [a, b] for n, a, b in settings}, "metrics": {n: [a, b] for n, a, b in metrics}})
    print(f"- {one.name}\n+ {other.name}")
    for title, rows in (("Settings", settings), ("Metrics", metrics)):
        print(f"\n{title} that differ" if rows else f"\n{title}: the same")
        for name, before, after in rows:
            print(f"  {name}: {_text(before)} -> {_text(after)}{_change(before, after)}")


def _entry(one: PastRun) -> dict[str, Any]:
    return {
        "name": one.name,
        "command": one.command,
        "began": f"{one.began:%Y-%m-%dT%H:%M:%SZ}",
        "state": one.state,
        "line": one.line,
        "folder": one.place.uri,
        "report": "report.html" in one.files,
    }


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(30, width), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _print_values(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name.ljust(width)}  {value}")


def _text(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _change(before: Any, after: Any) -> str:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (before, after))
    return f" ({after - before:+.4g})" if numbers else ""


def _ago(then: datetime.datetime) -> str:
    seconds = (datetime.datetime.now(datetime.UTC) - then).total_seconds()
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' * (count != 1)} ago"
    return "just now"
