"""`beholder submit` to a head that has the libraries and nothing of ours, behind a token."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ray_head import RayHead, ray_head

from beholder.cli import main
from beholder.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with ray_head(package=False) as started:
        yield started


def test_a_command_runs_with_this_machines_package_and_names_its_run_folder_last(head, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    words = ["submit", "import", f"source={SAMPLE}", f"workspace={tmp_path}/work", f"address={head.address}"]
    assert main(words) == 0
    printed = capfd.readouterr()
    assert "with the package of this machine" in printed.err
    assert "comparisons.accepted" in printed.out
    last = printed.out.splitlines()[-1]
    assert re.fullmatch(re.escape(f"{tmp_path}/work/runs/import-") + r"\d{8}T\d{6}Z", last)
    assert (Path(last) / "metrics.json").is_file()
    assert Workspace(f"{tmp_path}/work").read("comparisons").num_rows == 18_000


def test_a_mistake_that_only_the_job_sees_has_its_exit_code(head, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    assert main(["submit", "import", f"source={tmp_path}/none", f"workspace={tmp_path}/work", f"address={head.address}"]) == 2
    assert "none of the spreadsheets" in capfd.readouterr().out.splitlines()[-1]


def test_a_wrong_token_is_one_line(head, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    assert main(["submit", "import", f"source={SAMPLE}", f"workspace={tmp_path}/work", f"address={head.address}"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "refuses the token that was sent" in line
