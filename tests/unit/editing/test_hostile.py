"""Hostile files: every one is refused in one clear line, for little work and memory, and nothing in them runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    """What each file got, measured in a process that forks for each."""
    tests = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, str(tests / "support/hostile_checkpoints.py"), "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(ran.stdout)


def test_a_reader_that_runs_what_it_reads_is_seen(found):
    got = found.pop("read as most do (pickle.load)")
    assert got["error"] is None
    assert "RAN" in got["deeds"]
    assert any(deed.startswith("os.system") for deed in got["deeds"])


def test_every_file_is_refused_and_nothing_runs(found):
    assert len(found) >= 95
    for name, got in found.items():
        if name != "read as most do (pickle.load)":
            error = got["error"]
            assert error, name
            assert not error.startswith("FAULT"), (name, error)
            assert "\n" not in error, (name, error)
            assert len(error) < 320, (name, error)
            assert got["deeds"] == [], name
            assert got["cpu_seconds"] < 10, name
            assert got["mib"] < 256, name
