"""Tracking: what a tracker is told of a run, with a double; and a run in a real MLflow with a database of its own."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from beholder import tracking
from beholder.config import dump
from beholder.errors import ConfigError
from beholder.runs import Run
from beholder.storage import Place
from beholder.tracking import RunRecord, TrackingConfig


class Notebook:
    """A tracker that keeps what it is told, or breaks."""

    def __init__(self, *, broken: bool = False):
        self.records: list[RunRecord] = []
        self.files: dict[str, bytes] = {}
        self.broken = broken

    def record(self, record: RunRecord) -> str:
        if self.broken:
            raise OSError("the line is dead\nsecond line")
        self.records.append(record)
        self.files = {
            str(path.relative_to(record.folder)): path.read_bytes() for path in record.folder.rglob("*") if path.is_file()
        }
        return "page 1"


@pytest.fixture(params=["local", "bucket"])
def run(request, tmp_path) -> Run:
    place = Place.at(tmp_path / "runs") if request.param == "local" else Place.at(request.getfixturevalue("s3")) / tmp_path.name
    import datetime

    return Run.start(place, command="some command", config=dump(TrackingConfig()), now=datetime.datetime.now(datetime.UTC))


def test_a_run_becomes_params_metrics_and_files(run):
    run.metrics({"gain": 0.25, "people": 3, "kind": "mlp", "nothing": float("nan"), "yes": True})
    run.write_text("figures/a.svg", "<svg/>")
    run.finish()
    notebook = Notebook()
    assert tracking.record(notebook, run, began=10.0, ended=20.0, succeeded=True) == "recorded: page 1"
    (record,) = notebook.records
    assert record.params == {"tracking": "none", "tracking_uri": "null", "tracking_experiment": "beholder"}
    assert record.metrics == {"gain": 0.25, "people": 3.0}
    assert (record.command, record.name, record.began, record.ended, record.succeeded) == (
        "some command",
        run.place.name,
        10.0,
        20.0,
        True,
    )
    assert record.tags["beholder.run"] == run.place.uri
    assert {"config.yaml", "environment.json", "metrics.json", "log.txt", "figures/a.svg"} == set(notebook.files)
    assert notebook.files["figures/a.svg"] == b"<svg/>"


def test_a_tracker_that_fails_at_the_end_loses_nothing(run):
    run.finish()
    said = tracking.record(Notebook(broken=True), run, began=1.0, ended=2.0, succeeded=False)
    assert said == f"the run could not be recorded: the line is dead; everything is in {run.place.uri}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tracking=mlfow"], "tracking=mlfow is not known; did you mean mlflow?"),
        (["tracking_uri=http://x"], "names a tracker, but tracking=none"),
        (["tracking_url=http://x"], "tracking_url is not a setting of tracking; did you mean tracking_uri?"),
    ],
)
def test_what_is_refused(words, says):
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")):
        tracking.split(words)


def test_other_words_are_the_commands():
    settings, words = tracking.split(["taste=mlp", "tracking=wandb", "tracking_experiment=faces", "seed=3"])
    assert settings == TrackingConfig(tracking="wandb", tracking_experiment="faces")
    assert words == ["taste=mlp", "seed=3"]
    assert tracking.open_sink(TrackingConfig()) is None


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_without_its_package_a_tracker_says_what_to_install(name, beholder, tmp_path):
    if find_spec(name):
        pytest.skip(f"{name} is installed here")
    said = beholder("import", f"source={tmp_path}", f"workspace={tmp_path / 'ws'}", f"tracking={name}")
    assert said.code == 2
    assert said.err[-1].startswith(f'beholder: tracking={name} needs its package: pip install "beholder[{name}]"')
    assert not (tmp_path / "ws").exists()


def commanded(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "beholder", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | {"TQDM_DISABLE": "1"}, timeout=300)


@pytest.mark.skipif(not find_spec("mlflow"), reason='MLflow is not installed: pip install "beholder[mlflow]"')
def test_a_run_in_a_real_mlflow(root, tmp_path):
    """In a process of its own: MLflow warns while it is imported. A run that fails is there as well."""
    address, sample = f"sqlite:///{tmp_path}/mlflow.db", root / "data" / "sample"
    words = [f"source={sample}", f"images={sample}", f"workspace={tmp_path / 'ws'}", "tracking=mlflow", f"tracking_uri={address}"]
    began = time.time()
    done = commanded("import", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "recorded: run " in done.stderr
    assert commanded("import", *words, "source=/nowhere", cwd=tmp_path).returncode == 2
    asked = (
        "import json, sys, mlflow; client = mlflow.MlflowClient(tracking_uri=sys.argv[1]);"
        "experiment = client.get_experiment_by_name('beholder').experiment_id;"
        "runs = client.search_runs([experiment], order_by=['attributes.start_time ASC']);"
        "print(json.dumps([[run.info.status, run.info.start_time, run.data.params, run.data.metrics, run.data.tags,"
        " sorted(f.path for f in client.list_artifacts(run.info.run_id))] for run in runs]))"
    )
    answer = subprocess.run([sys.executable, "-c", asked, address], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    first, second = json.loads(answer.stdout.splitlines()[-1])
    folder = Path(done.stdout.splitlines()[-1])
    status, start, params, metrics, tags, artifacts = first
    assert status == "FINISHED"
    assert start / 1000 >= began - 1
    assert params["source"] == str(sample)
    written = json.loads((folder / "metrics.json").read_text())
    assert metrics["ratings.accepted"] == written["ratings.accepted"] > 0
    assert tags["beholder.run"] == str(folder)
    assert tags["mlflow.runName"] == folder.name
    assert artifacts == sorted(path.name for path in folder.iterdir())
    assert second[0] == "FAILED"
    assert "log.txt" in second[5]


@pytest.mark.skipif(not find_spec("mlflow"), reason='MLflow is not installed: pip install "beholder[mlflow]"')
def test_an_address_where_nothing_listens_is_said_before_anything_begins(tmp_path):
    words = [f"source={tmp_path}", f"workspace={tmp_path / 'ws'}", "tracking=mlflow", "tracking_uri=http://127.0.0.1:9"]
    done = commanded("import", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "beholder: MLflow can't be reached at http://127.0.0.1:9" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "ws").exists()
