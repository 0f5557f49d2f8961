"""`beholder submit` to a head that has the libraries and nothing of ours, behind a token."""

import os
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
    (tmp_path / "none").mkdir()
    assert main(["submit", "import", f"source={tmp_path}/none", f"workspace={tmp_path}/work", f"address={head.address}"]) == 2
    assert "none of the spreadsheets" in capfd.readouterr().out.splitlines()[-1]


def test_a_wrong_token_is_one_line(head, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    assert main(["submit", "import", f"source={SAMPLE}", f"workspace={tmp_path}/work", f"address={head.address}"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "refuses the token that was sent" in line


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("right", r"node [\d.]+ has no beholder, this machine \S+: install the same version on every node"),
        ("wrong", "Ray can't be reached at .*: .*token"),
    ],
)
def test_a_cluster_that_is_connected_to_and_can_not_be_used_is_one_line(head, beholder, pictures, tmp_path, token, says):
    words = ["embed", f"images={pictures(1)}", f"workspace={tmp_path}/work", f"ray.address={head.ray_address}"]
    sent = {"right": head.token, "wrong": "wrong"}[token]
    ran = beholder(*words, env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": sent})
    assert ran.returncode == 2, ran.stderr
    assert re.search(says, ran.stderr.splitlines()[-1])
    assert len([line for line in ran.stderr.splitlines() if line.startswith("beholder: ")]) == 1
    assert "Traceback" not in ran.stderr
