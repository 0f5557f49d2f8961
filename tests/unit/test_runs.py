"""runs: the folder that a command leaves behind."""

import datetime
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from beholder.runs import Run, environment, log
from beholder.storage import Place

NOW = datetime.datetime(2025, 2, 1, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-2)))


@pytest.fixture
def run(tmp_path):
    run = Run.start(Place.at(tmp_path), command="bench embed", config="seed: 1\n", now=NOW)
    yield run
    run.finish()


def test_a_folder_is_named_for_command_and_utc_time(run, tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ["bench-embed-20250202T013000Z"]


def test_what_lies_in_it(run):
    run.metrics({"rows.read": 3, "note": "x"})
    run.results(pd.DataFrame({"a": [1, 2], "b": ["x", "ü"]}))
    run.summary("# Done\n")
    log.info("hello %d", 7)
    run.finish()
    found = {entry.path: (run.place / entry.path).read_bytes().decode() for entry in run.place.files()}
    assert set(found) == {"config.yaml", "environment.json", "log.txt", "metrics.json", "results.csv", "summary.md"}
    assert found["config.yaml"] == "seed: 1\n"
    assert json.loads(found["metrics.json"]) == {"rows.read": 3, "note": "x"}
    assert found["results.csv"] == "a,b\n1,x\n2,ü\n"
    assert found["summary.md"] == "# Done\n"
    assert found["log.txt"].endswith("Z INFO hello 7\n")


def test_runs_that_start_at_once_have_a_folder_each(tmp_path):
    barrier = threading.Barrier(8)

    def start(number: int) -> str:
        barrier.wait()
        run = Run.start(Place.at(tmp_path), command="import", config=f"seed: {number}\n", now=NOW)
        run.finish()
        return run.place.name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(start, range(8)))
    assert len(set(names)) == 8
    assert sorted((tmp_path / name / "config.yaml").read_text() for name in names) == [f"seed: {number}\n" for number in range(8)]
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")} == {0}


def test_runs_that_start_at_once_in_an_object_store_have_a_folder_each(s3):
    barrier, place = threading.Barrier(8), Place.at(f"{s3}/runs-at-once")

    def start(number: int) -> str:
        barrier.wait()
        run = Run.start(place, command="import", config=f"seed: {number}\n", now=NOW)
        run.metrics({"seed": number})
        run.finish()
        return run.place.name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(start, range(8)))
    assert len(set(names)) == 8
    for number, name in enumerate(names):
        assert name.startswith("import-20250202T013000Z-")
        assert (place / name / "config.yaml").read_bytes() == f"seed: {number}\n".encode()
        assert json.loads((place / name / "metrics.json").read_bytes()) == {"seed": number}


def test_a_second_run_in_the_same_second_has_a_folder_of_its_own(tmp_path):
    names = []
    for _ in range(3):
        run = Run.start(Place.at(tmp_path), command="embed", config="", now=NOW)
        names.append(run.place.name)
        run.finish()
    assert names == ["embed-20250202T013000Z", "embed-20250202T013000Z-2", "embed-20250202T013000Z-3"]


def test_metrics_are_flat(run):
    with pytest.raises(TypeError, match="flat"):
        run.metrics({"a": {"b": 1}})


def test_a_figure_that_is_not_finite_is_null(run):
    run.metrics({"a": float("nan"), "b": float("inf"), "c": 0.5})
    text = (run.place / "metrics.json").read_bytes().decode()
    assert json.loads(text, parse_constant=pytest.fail) == {"a": None, "b": None, "c": 0.5}


def test_the_log_closes_with_the_run(tmp_path):
    before = list(log.handlers)
    run = Run.start(Place.at(tmp_path), command="embed", config="", now=NOW)
    assert len(log.handlers) == len(before) + 1
    run.finish()
    run.finish()
    assert log.handlers == before
    log.info("too late")
    assert "too late" not in (run.place / "log.txt").read_bytes().decode()


def test_the_root_logger_is_left_alone(tmp_path):
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    run = Run.start(Place.at(tmp_path), command="embed", config="", now=NOW)
    assert (root.handlers, root.level) == before
    run.finish()


def test_a_remote_run_gets_its_log_at_the_end():
    place = Place.at("memory://runs-test")
    run = Run.start(place, command="embed", config="", now=NOW)
    log.info("from afar")
    assert not (run.place / "log.txt").is_file()
    run.finish()
    assert b"from afar" in (run.place / "log.txt").read_bytes()
    assert run._log_path is not None
    assert not run._log_path.exists()


def test_environment_tells_what_is_needed_for_the_same_figures():
    import platform

    import torch

    found = environment()
    assert found["python"] == platform.python_version()
    assert found["version.torch"] == torch.__version__.partition("+")[0] or found["version.torch"] == torch.__version__
    assert found["cores"] >= 1
    assert found["device"]
    assert {"commit", "system", "processor", "version.beholder", "version.ray"} <= set(found)
    json.dumps(found)


def test_no_text_in_csv_is_a_formula():
    import pandas as pd

    from beholder.runs import to_csv

    frame = pd.DataFrame({"x": ["=1+2", "@ana", "-2+3", "-2", "+1", "\tx", "plain", None], "y": range(-4, 4)})
    lines = to_csv(frame).splitlines()
    assert [line.rpartition(",")[0] for line in lines[1:]] == ["'=1+2", "'@ana", "'-2+3", "-2", "+1", "'\tx", "plain", ""]
    assert [line.rpartition(",")[2] for line in lines[1:]] == [str(number) for number in range(-4, 4)]


def test_a_run_of_nothing_takes_back_the_workspace_that_was_made_for_it(tmp_path):
    run = Run.start(Place.at(tmp_path / "a" / "typed-wrong" / "runs"), command="train", config="seed: 1\n", now=NOW)
    run.finish()
    run.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", ["runs/other/log.txt", "choices.db"])
def test_a_workspace_into_which_something_was_written_stays(tmp_path, written):
    run = Run.start(Place.at(tmp_path / "w" / "runs"), command="train", config="seed: 1\n", now=NOW)
    run.finish()
    (Place.at(tmp_path / "w") / written).write_bytes(b"x")
    run.discard()
    assert (tmp_path / "w" / written).read_bytes() == b"x"


def test_what_a_run_has_found_stays_with_its_workspace(tmp_path):
    run = Run.start(Place.at(tmp_path / "w" / "runs"), command="train", config="seed: 1\n", now=NOW)
    run.summary("# Half of it\n")
    run.finish()
    run.discard()
    (summary,) = (tmp_path / "w" / "runs").glob("*/summary.md")
    assert summary.read_text() == "# Half of it\n"


def test_a_run_in_a_workspace_that_was_there_stays(run, tmp_path):
    run.finish()
    run.discard()
    assert (tmp_path / "bench-embed-20250202T013000Z" / "log.txt").is_file()
