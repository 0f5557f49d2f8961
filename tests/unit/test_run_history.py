"""run_history and the commands on it: runs listed, found, compared, opened."""

import json

import pytest

from beholder import run_history
from beholder.errors import ConfigError
from beholder.storage import Place


@pytest.fixture
def folder(tmp_path):
    """A workspace with a run that is done, one that failed, and one that has not ended."""

    def run(name: str, log: str, config: str, **files: str) -> None:
        place = tmp_path / "w" / "runs" / name
        place.mkdir(parents=True)
        (place / "log.txt").write_text(log)
        (place / "config.yaml").write_text(config)
        for file, text in files.items():
            (place / file.replace("_", ".")).write_text(text)

    stamp = "2027-01-31T12:00:00Z"
    done = f"{stamp} INFO beholder tune seed=1\n{stamp} INFO done in 3.0 s\n"
    run(
        "tune-20270131T120000Z", done, "seed: 1\ntaste: {kind: mlp}\n", metrics_json='{"gain": 0.5, "people": 8}', report_html="<p>"
    )
    again = done.replace("seed=1", "seed=2")
    run(
        "tune-20270131T130000Z",
        again,
        "seed: 2\ntaste: {kind: mlp}\n",
        metrics_json='{"gain": 0.75, "people": 8}',
        summary_md="# x",
    )
    run("embed-20270131T140000Z", f"{stamp} INFO beholder embed\n{stamp} ERROR no images\n", "images: null\n")
    run("directions-learn-20270131T150000Z", f"{stamp} INFO beholder directions learn name=x\n", "name: x\n")
    (tmp_path / "w" / "runs" / "notes.txt").write_text("not a run")
    return str(tmp_path / "w")


def test_a_run_that_somebody_stopped_did_not_fail(tmp_path):
    for number, last in enumerate(("stopped by KeyboardInterrupt", "stopped by SystemExit", "stopped by ZeroDivisionError")):
        place = tmp_path / "w" / "runs" / f"embed-20270131T14000{number}Z"
        place.mkdir(parents=True)
        (place / "log.txt").write_text(f"2027-01-31T12:00:00Z INFO beholder embed\n2027-01-31T12:00:00Z ERROR {last}\n")
    runs = run_history.runs(Place.at(str(tmp_path / "w")) / "runs")
    assert [run.state for run in runs] == ["stopped", "stopped", "failed"]


def test_states(folder):
    runs = run_history.runs(Place.at(folder) / "runs")
    assert [(run.command, run.state) for run in runs] == [
        ("tune", "done"),
        ("tune", "done"),
        ("embed", "failed"),
        ("directions-learn", "unfinished"),
    ]
    assert runs[-1].line == "directions learn name=x"


def test_no_workspace_has_no_runs(tmp_path):
    assert run_history.runs(Place.at(str(tmp_path / "none")) / "runs") == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("last", "directions-learn-20270131T150000Z"),
        ("tune", "tune-20270131T130000Z"),
        ("directions learn", "directions-learn-20270131T150000Z"),
        ("tune-20270131T12", "tune-20270131T120000Z"),
        ("workspace/runs/tune-20270131T120000Z/", "tune-20270131T120000Z"),
    ],
)
def test_a_run_is_found_by_what_people_type(folder, name, found):
    assert run_history.find(run_history.runs(Place.at(folder) / "runs"), name).name == found


def test_an_unknown_run_is_refused_with_the_nearest(folder):
    with pytest.raises(ConfigError, match="did you mean tune"):
        run_history.find(run_history.runs(Place.at(folder) / "runs"), "tnue")


def test_the_list_has_names_states_and_what_was_typed(beholder, folder):
    said = beholder("runs", f"workspace={folder}")
    assert said.code == 0
    assert "tune-20270131T120000Z              done" in said.out
    assert "    beholder tune seed=1" in said.out
    assert not any("notes" in line for line in said.out)
    assert len(beholder("runs", "list", "tune", "count=1", f"workspace={folder}").out) == 3


def test_the_list_as_json(beholder, folder):
    said = beholder("runs", "--json", f"workspace={folder}")
    listed = json.loads("\n".join(said.out))
    assert [each["state"] for each in listed] == ["done", "done", "failed", "unfinished"]


def test_what_differs_between_two(beholder, folder):
    said = beholder("runs", "diff", "tune-20270131T12", "tune", f"workspace={folder}")
    assert "  seed: 1 -> 2 (+1)" in said.out
    assert "  gain: 0.5 -> 0.75 (+0.25)" in said.out
    assert not any("people" in line or "taste" in line for line in said.out)


@pytest.mark.parametrize("words", [["show"], ["diff", "tune"], ["open"]])
def test_it_says_which_run_is_missing(beholder, folder, words):
    said = beholder("runs", *words, f"workspace={folder}")
    assert said.code == 2
    assert "say which" in said.err[0]


def test_show_tells_settings_metrics_and_files(beholder, folder):
    said = beholder("runs", "show", "tune", f"workspace={folder}")
    assert any(line.split() == ["gain", "0.75"] for line in said.out)
    assert "  summary.md" in said.out


def test_the_last_report_is_the_one_that_is_opened(beholder, folder):
    said = beholder("open", "browser=false", f"workspace={folder}")
    assert said.out == [f"{folder}/runs/tune-20270131T120000Z/report.html"]
    assert beholder("open", "embed", f"workspace={folder}").code == 2


def test_a_file_of_its_name_is_no_folder_of_runs(beholder, tmp_path):
    said = beholder("runs", f"workspace={tmp_path}/none")
    assert said.code == 0
    assert "no runs" in said.out[0]
