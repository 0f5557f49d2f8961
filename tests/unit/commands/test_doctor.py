"""doctor: what is missing is seen, and said with its remedy; `beholder doctor` prints it and ends accordingly."""

import json
import re
import socket
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from beholder.commands import doctor

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


def test_this_machine_has_what_is_needed(beholder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = beholder("doctor", f"port={port}")
    assert said.code == 0
    names = [line[3:15].strip() for line in said.out if re.match(r"(ok|--|!!|XX) ", line)]
    assert {"Python", "packages", "[faces]", "weights", "disk", "port", "fonts", "GPU", "Ray"} <= set(names)
    assert said.out[-1].startswith("Everything needed is there")


def test_as_json_every_finding_has_a_state(beholder):
    found = json.loads("\n".join(beholder("doctor", "--json").out))
    assert {each["state"] for each in found} <= {"ok", "note", "warning", "missing"}
    assert all(each["remedy"] for each in found if each["state"] == "missing")


def test_a_missing_and_an_old_package_are_named():
    def version(name: str) -> str:
        if name == "nothing":
            raise metadata.PackageNotFoundError(name)
        return "2.3.1"

    finding = doctor.packages(["numpy>=2.4", "nothing[all]>=1", "torch>=2.3", 'extra>=9; extra == "x"'], version)
    assert (finding.state, finding.found) == ("missing", "numpy is 2.3.1, 2.4 is needed; nothing is missing")
    assert "pip install" in finding.remedy


def test_a_full_disk_is_seen():
    gib = 2**30
    assert doctor.free_disk(".", lambda folder: (100 * gib, 99 * gib, gib // 2)).state == "missing"
    assert doctor.free_disk(".", lambda folder: (100 * gib, 97 * gib, 3 * gib)).state == "warning"
    assert doctor.free_disk(".", lambda folder: (100 * gib, 10 * gib, 90 * gib)).state == "ok"


def test_a_taken_port_is_seen():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        finding = doctor.port_state(taken.getsockname()[1])
    assert finding.state == "warning"
    assert "taken" in finding.found


def test_a_workspace_that_is_a_file_is_seen(tmp_path):
    (tmp_path / "w").touch()
    assert doctor.workspace_state(str(tmp_path / "w")).state == "missing"
    assert doctor.workspace_state(str(tmp_path / "none")).state == "note"
    assert doctor.workspace_state("s3://bucket/w").state == "note"


def test_what_is_missing_ends_with_1(beholder, tmp_path):
    (tmp_path / "w").touch()
    said = beholder("doctor", f"workspace={tmp_path}/w")
    assert said.code == 1
    assert "1 missing" in said.out[-1]


@pytest.mark.parametrize("name", sorted(set(PROJECT["optional-dependencies"]) - {"dev"}))
def test_every_extra_is_looked_for(name):
    assert name in doctor.EXTRAS
