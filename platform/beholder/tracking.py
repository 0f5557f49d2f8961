"""Experiment trackers: every command's run can be recorded in MLflow or Weights & Biases, beside its folder in the workspace.

`tracking=mlflow tracking_uri=http://HOST:5000` with any command: its composed settings become parameters, metrics.json becomes
metrics, and the run's folder is kept as artifacts. A sink is a class that signs `TrackingSink`, in `SINKS` under its name; its own
package is imported when it is opened.
"""

import importlib
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from beholder import config
from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.runs import Run
from beholder.storage import Place

_LONGEST = 6000  # characters of a parameter's value: MLflow's limit
_AT_ONCE = 100  # parameters in one request: MLflow's limit


@dataclass(frozen=True)
class TrackingConfig:
    """Where runs are recorded beside their folders; settings of every command."""

    tracking: str = setting("none", "where the run is recorded besides its folder: none, mlflow or wandb")
    tracking_uri: str | None = setting(
        None, "the tracker's address; null: MLFLOW_TRACKING_URI or WANDB_BASE_URL, or its own default"
    )
    tracking_experiment: str = setting("beholder", "MLflow's experiment, or the project of Weights & Biases")

    def __post_init__(self) -> None:
        if self.tracking != "none" and self.tracking not in SINKS:
            raise ConfigError(f"tracking={self.tracking} is not known{nearest(self.tracking, ['none', *SINKS])}")
        if self.tracking == "none" and self.tracking_uri:
            raise ConfigError(f"tracking_uri={self.tracking_uri} names a tracker, but tracking=none; set tracking=mlflow or wandb")


@dataclass(frozen=True)
class RunRecord:
    """What a tracker is told of a run. began, ended: seconds since 1970. folder: a local copy of the run's files."""

    name: str
    command: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    began: float
    ended: float
    succeeded: bool
    folder: Path


class TrackingSink(Protocol):
    """A tracker that can be written to."""

    def record(self, record: RunRecord) -> str:
        """Record a run that has ended, and return where it is."""
        ...


class MlflowSink:
    """An MLflow server, or its files or database, with an experiment for the runs."""

    def __init__(self, settings: TrackingConfig):
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default a wrong address is tried for minutes
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow = _imported("mlflow", extra="mlflow")
        self._entities = importlib.import_module("mlflow.entities")
        try:
            self._client = mlflow.MlflowClient(tracking_uri=settings.tracking_uri)
            experiment = self._client.get_experiment_by_name(settings.tracking_experiment)
            named = settings.tracking_experiment
            self._experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(named)
        except Exception as error:  # its stores raise errors of their own making
            raise ConfigError(
                f"MLflow can't be reached at {settings.tracking_uri or 'its default address'}: {_line(error)}"
            ) from None

    def record(self, record: RunRecord) -> str:
        entities, client = self._entities, self._client
        began, ended = (int(1000 * seconds) for seconds in (record.began, record.ended))
        run = client.create_run(self._experiment_id, start_time=began, tags=dict(record.tags), run_name=record.name)
        run_id = run.info.run_id
        params = [entities.Param(key, value[:_LONGEST]) for key, value in record.params.items()]
        for start in range(0, len(params), _AT_ONCE):
            client.log_batch(run_id, params=params[start : start + _AT_ONCE])
        client.log_batch(run_id, metrics=[entities.Metric(_key(k), value, ended, 0) for k, value in record.metrics.items()])
        client.log_artifacts(run_id, str(record.folder))
        client.set_terminated(run_id, "FINISHED" if record.succeeded else "FAILED", end_time=ended)
        return f"run {run_id} of experiment {self._experiment_id}"


class WandbSink:
    """Weights & Biases, on its own site or a server."""

    def __init__(self, settings: TrackingConfig):
        self._wandb, self._settings = _imported("wandb", extra="wandb"), settings
        if settings.tracking_uri:
            os.environ["WANDB_BASE_URL"] = settings.tracking_uri

    def record(self, record: RunRecord) -> str:
        project, wandb = self._settings.tracking_experiment, self._wandb
        with tempfile.TemporaryDirectory() as folder:
            run = wandb.init(
                project=project,
                name=record.name,
                job_type=record.command,
                config=dict(record.params) | dict(record.tags),
                dir=folder,
                settings=wandb.Settings(silent=True),
            )
            run.log(dict(record.metrics))
            artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", record.name), type="run")
            artifact.add_dir(str(record.folder))
            run.log_artifact(artifact)
            where = str(run.url or f"run {run.id} of {project}")
            run.finish(exit_code=0 if record.succeeded else 1)
        return where


SINKS: dict[str, Callable[[TrackingConfig], TrackingSink]] = {"mlflow": MlflowSink, "wandb": WandbSink}


def split(overrides: Sequence[str]) -> tuple[TrackingConfig, list[str]]:
    """Return the tracker that a command line names, and its other words. Raises ConfigError for an unknown one."""
    own = [word for word in overrides if word.partition("=")[0].startswith("tracking")]
    settings = config.load(TrackingConfig, command="tracking", overrides=own)
    return settings, [word for word in overrides if word not in own]


def open_sink(settings: TrackingConfig) -> TrackingSink | None:
    """Return the tracker, None for none. Raises ConfigError where its package is missing or it can't be reached."""
    return None if settings.tracking == "none" else SINKS[settings.tracking](settings)


def record(sink: TrackingSink, run: Run, *, began: float, ended: float, succeeded: bool) -> str:
    """Record a run that has ended; return where, in words. A tracker that fails is no error: the folder has everything."""
    try:
        with _local(run.place) as folder:
            return "recorded: " + sink.record(record_of(run, folder, began=began, ended=ended, succeeded=succeeded))
    except Exception as error:  # trackers raise errors of their own making
        return f"the run could not be recorded: {_line(error)}; everything is in {run.place.uri}"


def record_of(run: Run, folder: Path, *, began: float, ended: float, succeeded: bool) -> RunRecord:
    """Return what there is to record of a run: its settings as they were composed, its figures, and versions as tags."""
    params = {
        key: "null" if value is None else str(value) for key, value in _flat(config.undump((folder / "config.yaml").read_text()))
    }
    metrics_file = folder / "metrics.json"
    written = json.loads(metrics_file.read_text()) if metrics_file.is_file() else {}
    metrics = {
        key: float(value)
        for key, value in written.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    environment = json.loads((folder / "environment.json").read_text())
    tags = {"beholder.command": run.command, "beholder.run": run.place.uri}
    tags |= {f"beholder.{name}": str(environment[name]) for name in ("commit", "device", "version.beholder")}
    return RunRecord(run.place.name, run.command, params, metrics, tags, began, ended, succeeded, folder)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextmanager
def _local(place: Place) -> Iterator[Path]:
    """Yield a local folder with a run's files: its own, or a copy of one in an object store."""
    if place.is_local:
        yield Path(place.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        for entry in place.files():
            path = Path(folder) / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((place / entry.path).read_bytes())
        yield Path(folder)


def _imported(package: str, *, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(f'tracking={extra} needs its package: pip install "beholder[{extra}]" ({_line(error)})') from None


def _key(name: str) -> str:
    """Return a figure's name as MLflow takes it: letters, digits and _-. /: only."""
    return re.sub(r"[^\w\-. /:]", "_", name)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
