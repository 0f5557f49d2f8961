"""What runs left in a workspace: listed, looked at, compared."""

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beholder import config
from beholder.errors import ConfigError, StorageError, nearest
from beholder.storage import Place

_NAME = re.compile(r"(?P<command>.+?)-(?P<time>\d{8}T\d{6}Z)(?P<more>-\w+)?")
DONE = "done in"  # how the last line of a finished run's log begins
_STOPPED = re.compile(r" ERROR stopped by (KeyboardInterrupt|SystemExit)")


@dataclass(frozen=True)
class PastRun:
    """A run folder. files: what lies in it, by path. began: UTC."""

    place: Place
    command: str
    began: datetime.datetime
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def state(self) -> str:
        """ "done", "failed", "stopped" by Ctrl-C or SIGTERM, or "unfinished": running still, or killed."""
        lines = self._text("log.txt").splitlines()
        errors = [line for line in lines if " ERROR " in line]
        if errors:
            return "stopped" if _STOPPED.search(errors[-1]) else "failed"
        done = any(f" INFO {DONE} " in line for line in lines[-3:]) or "metrics.json" in self.files
        return "done" if done else "unfinished"

    @property
    def line(self) -> str:
        """What was typed, without `beholder`; the command alone where there is no log."""
        first = next(iter(self._text("log.txt").splitlines()), "")
        return first.partition(" beholder ")[2].strip() or self.command

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json says; empty where there is none."""
        text = self._text("metrics.json")
        found = json.loads(text) if text else {}
        return found if isinstance(found, dict) else {}

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting as it was composed, by its dotted name."""
        return dict(_flat(config.undump(self._text("config.yaml"))))

    def _text(self, name: str) -> str:
        return (self.place / name).read_bytes().decode(errors="replace") if name in self.files else ""


def runs(folder: Place) -> list[PastRun]:
    """Return the runs in a folder of runs, the oldest first; none where there is no such folder."""
    files: dict[str, list[str]] = {}
    try:
        for entry in folder.files():
            name, _, rest = entry.path.partition("/")
            files.setdefault(name, []).append(rest)
    except StorageError:
        return []
    found = []
    for name, below in files.items():
        match = _NAME.fullmatch(name)
        if match is not None:
            began = datetime.datetime.strptime(match["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
            found.append((began, name, PastRun(folder / name, match["command"], began, tuple(sorted(below)))))
    return [run for _, _, run in sorted(found, key=lambda each: each[:2])]


def find(known: list[PastRun], name: str) -> PastRun:
    """Return one run of those, the oldest first: by its name or the beginning of it, "last", or a command, whose last one it is.

    Raises ConfigError where there is none.
    """
    wanted = name.strip("/").rpartition("/")[2]
    if wanted == "last" and known:
        return known[-1]
    of_command = [run for run in known if run.command in (wanted, wanted.replace(" ", "-"))]
    exact = [run for run in known if run.name == wanted]
    begun = [run for run in known if run.name.startswith(wanted)] if wanted else []
    for found in (exact, of_command, begun):
        if found:
            return found[-1]
    where = f"there is no run {name!r}" if known else "there are no runs yet"
    names = sorted({run.command for run in known}) + [run.name for run in known]
    raise ConfigError(
        where + (nearest(wanted, names) if known and len(names) < 20 else "; `beholder runs` lists them" if known else "")
    )


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (name, value in one, value in the other) of what differs; None for what one lacks."""
    names = [*one, *(name for name in other if name not in one)]
    return [(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)]


def _flat(values: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(values, Mapping) and (values or not prefix):
        return [pair for key, value in values.items() for pair in _flat(value, f"{prefix}{key}.")]
    return [(prefix[:-1], values)]
