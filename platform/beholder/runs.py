"""The run folder of a command: config.yaml, metrics.json, results.csv, summary.md, log.txt, environment.json."""

import contextlib
import datetime
import html
import json
import logging
import math
import os
import re
import subprocess
import tempfile
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from beholder.errors import StorageError
from beholder.storage import Place, make_private

log = logging.getLogger("beholder")
_TEXTS = (".yaml", ".json", ".csv", ".md", ".txt", ".html", ".svg", ".jsonl")
_BEGUN = {"config.yaml", "environment.json", "log.txt"}  # what a run has before its command does anything
_MOST_BYTES = 256 << 20  # of a text file in which a name is looked for


class Run:
    """One run of a command. Every file in its folder is written whole; `log` lines reach log.txt when the run ends or fails."""

    def __init__(self, place: Place, command: str, words: Sequence[str] = ()):
        self.place = place
        self.command = command
        self.words = tuple(words)
        self._handler: logging.Handler | None = None
        self._log_path: Path | None = None
        self._made: list[Path] = []

    @classmethod
    def start(cls, runs: Place, *, command: str, config: str, now: datetime.datetime, words: Sequence[str] = ()) -> "Run":
        """Make the folder `<command>-<UTC time>/` and begin its log.

        A second one in the same second gets -2. In an object store every one gets eight random digits: there are no folders that
        one alone could make, and not every such store can refuse to write what is there. words: what was typed after the command.
        """
        name = f"{command.replace(' ', '-')}-{now.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"
        name += "" if runs.is_local else f"-{uuid.uuid4().hex[:8]}"
        place, attempt = runs / name, 1
        made = [each for each in (Path(runs.path), *Path(runs.path).parents) if not each.exists()] if runs.is_local else []
        while not _claim(place):
            attempt += 1
            place = runs / f"{name}-{attempt}"
        run = cls(place, command, words)
        run._made = made
        run.write_text("config.yaml", config)
        run.write_json("environment.json", environment())
        run._open_log()
        return run

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Write metrics.json: flat keys, numbers or text. A figure that is not finite becomes null."""
        flat = {}
        for key, value in values.items():
            if isinstance(value, Mapping):
                raise TypeError(f"metrics are flat: {key} holds a mapping")
            flat[key] = None if isinstance(value, float) and not math.isfinite(value) else value
        self.write_json("metrics.json", flat)

    def results(self, frame: Any) -> None:
        """Write results.csv from a pandas DataFrame; see `to_csv`."""
        self.write_text("results.csv", to_csv(frame))

    def summary(self, markdown: str) -> None:
        """Write summary.md."""
        self.write_text("summary.md", markdown)

    def write_text(self, name: str, text: str) -> None:
        (self.place / name).write_bytes(text.encode())

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, json.dumps(value, indent=2, sort_keys=True) + "\n")

    def read_json(self, name: str) -> Any:
        """Return what `write_json` wrote."""
        return json.loads((self.place / name).read_bytes())

    def finish(self) -> None:
        """Close the log and write it into the folder."""
        if self._handler is None or self._log_path is None:
            return
        log.removeHandler(self._handler)
        self._handler.close()
        if self.place.is_local:
            return
        try:
            self.write_text("log.txt", self._log_path.read_text())
        except StorageError as error:
            log.warning("the log could not be kept: %s", error)
        self._log_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the folder, and the workspace that was made for it, where the command left nothing in either.

        Whoever types a workspace's name wrong would else find one of that name. In a workspace that was there the folder stays.
        """
        folder = Path(self.place.path)
        if len(self._made) < 2 or {path.name for path in folder.iterdir()} - _BEGUN:
            return
        for path in folder.iterdir():
            path.unlink()
        with contextlib.suppress(OSError):  # somebody wrote into it meanwhile
            for each in (folder, *self._made):
                each.rmdir()

    def _open_log(self) -> None:
        """Open the log: in the folder of a local run, in a temporary file for a remote one (an object can't be appended to)."""
        if self.place.is_local:
            self._log_path = Path(self.place.path) / "log.txt"
        else:
            with tempfile.NamedTemporaryFile(suffix=".log", delete=False) as file:
                self._log_path = Path(file.name)
        os.close(os.open(self._log_path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._handler = logging.FileHandler(self._log_path)
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = lambda seconds: datetime.datetime.fromtimestamp(seconds or 0, datetime.UTC).timetuple()
        self._handler.setFormatter(formatter)
        log.setLevel(logging.INFO)
        log.addHandler(self._handler)
        log.propagate = False  # some libraries give the root logger a terminal, which is for progress and results


def _claim(place: Place) -> bool:
    """Make a run folder that nobody else has; an object store has no folders to make, and a file tells that there is one."""
    if not place.is_local:
        return not (place / "config.yaml").is_file()
    folder = Path(place.path)
    try:
        make_private(folder.parent)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise StorageError(f"{place.uri} can't be made: there is a file of its name") from None
        return False
    except OSError as error:
        raise StorageError(f"{place.uri} can't be made: {error.strerror}") from None
    return True


def forget(runs: Place, name: str) -> list[str]:
    """Put "(forgotten)" for a person's name wherever it stands as a word in the text files of run folders; return which."""
    spellings = {name, html.escape(name), json.dumps(name)[1:-1], urllib.parse.quote(name, safe="")}
    word = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(spellings, key=len, reverse=True)))
    changed = []
    for entry in runs.files():
        if not entry.path.endswith(_TEXTS) or entry.size > _MOST_BYTES:
            continue
        place = runs / entry.path
        try:
            text = place.read_bytes().decode()
        except (StorageError, UnicodeDecodeError):
            continue
        left = word.sub("(forgotten)", text)
        if left != text:
            place.write_bytes(left.encode())
            changed.append(entry.path)
    return changed


def to_csv(frame: Any, *, delimiter: str = ",") -> str:
    """Return a pandas DataFrame as CSV in which no spreadsheet program takes text for a formula (OWASP's CSV injection).

    Text that begins with = + - @, a tab or a carriage return gets an apostrophe before it, unless it is a number.
    """
    texts = [name for name, kind in frame.dtypes.items() if not (kind.kind in "biufcmM" if hasattr(kind, "kind") else False)]
    safe = frame.assign(**{name: [_without_formula(value) for value in frame[name]] for name in texts if isinstance(name, str)})
    return str(safe.to_csv(index=False, sep=delimiter))


def _without_formula(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


def environment() -> dict[str, Any]:
    """Return versions, commit and device: what is needed to reproduce a run's figures."""
    import os
    import platform
    from importlib import metadata

    packages = (
        "beholder",
        "ray",
        "torch",
        "torchvision",
        "open_clip_torch",
        "peft",
        "numpy",
        "pandas",
        "pyarrow",
        "pillow",
    )
    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": _device(),
        "commit": _commit(),
        **{f"version.{name}": version for name, version in versions.items()},
    }


def _commit() -> str | None:
    """Return the commit of the checkout this library runs from (with + for local changes); None for an installed wheel."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", "runs.py"], capture_output=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() if tracked.returncode == 0 else None


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _device() -> str:
    """Return the NVIDIA cards that the driver lists, or "cpu"; read from /proc, so that no command waits for torch."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    names = []
    for card in cards:
        lines = card.read_text().splitlines()
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return ", ".join(names) or "cpu"
