"""The demo goes the whole way, and what it finds of simulated people is what is known of them."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from beholder import cli, weights
from beholder.statistics import bootstrap


@pytest.fixture
def port() -> int:
    """One that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_from_a_study_to_a_recommendation(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-m", "beholder", "demo", "--once", f"port={port}", f"workspace={tmp_path}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert said.returncode == 0, said.stderr
    assert [f"\n{step}/9 " in said.stdout for step in range(1, 10)] == [True] * 9

    (run,) = (tmp_path / "runs").glob("evaluate-*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["people"] >= 22
    assert metrics["gain.low"] > 0.05
    assert metrics["logloss.personal"] < metrics["logloss.population"]
    truth = pd.read_csv(weights.folder().parent / "sample" / "truth.csv").drop_duplicates("user_id").set_index("user_id")["kind"]
    (quality,) = (tmp_path / "runs").glob("quality-*")
    verdicts = pd.read_csv(quality / "results.csv").set_index("user_id")["verdict"].groupby(truth).agg(set)
    assert verdicts["random"] == {"random"}
    assert verdicts["first"] == verdicts["flat"] == {"biased"}
    assert verdicts["steady"] == {"believed"}
    rows = pd.read_csv(run / "results.csv").query("taste == 'bayes'")
    by_person = rows.groupby("user_id")["gain"].mean()
    assert bootstrap(by_person[truth[by_person.index] == "steady"].to_numpy()).low > 0.1
    random = rows[rows["user_id"].map(truth) == "random"]
    right = float((random["accuracy.personal"] * random["pairs"]).sum() / random["pairs"].sum())
    noise = 0.5 / float(random["pairs"].sum()) ** 0.5
    assert abs(right - 0.5) < 4 * noise
    for taste in ("bayes", "mlp"):
        assert (tmp_path / "models" / taste / "card.json").is_file()

    (run,) = (tmp_path / "runs").glob("demo-*")
    metrics = json.loads((run / "metrics.json").read_text())
    answers = pd.read_csv(run / "results.csv")
    assert metrics["rounds"] == len(answers) == 8
    assert set(answers["choice"]) <= {"left", "right"}
    assert metrics["probability"] > 0.5
    assert metrics["liked.better"] > 0.5  # standard deviations; a random edit is as often worse as better
    assert (run / "figures" / "recommended.png").is_file()
    assert str(port) in (run / "summary.md").read_text()
    assert f"{run}/report.html" in said.stdout
    links = re.findall(r'href="(\.\./[^"]+)"', (run / "report.html").read_text())
    assert len(links) >= 4
    assert all((run / link).is_file() for link in links)
    with socket.socket() as knock:
        assert knock.connect_ex(("127.0.0.1", port)) != 0  # the server is gone


def test_a_port_that_is_taken_is_said_before_anything_is_done(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code = cli.main(["demo", "--once", f"port={taken.getsockname()[1]}", f"workspace={tmp_path}"])
    assert code == 2
    assert "is taken" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("import-*"))
