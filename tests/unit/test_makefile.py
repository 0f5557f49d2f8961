"""Makefile: the set-up is quiet, says what it waits for and what comes next; nothing is installed here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Stands for Python: makes an environment whose pip says as much as pip does, and fails where it is told to.
PYTHON = """#!/bin/sh
[ "$1" = -m ] || exit 0
mkdir -p .venv/bin
cat > .venv/bin/pip <<'PIP'
#!/bin/sh
echo "$@" >> .venv/asked
for i in 1 2 3 4 5 6 7 8 9; do echo "Collecting package-$i"; done
[ ! -e fail ] || { echo "ERROR: no matching distribution"; exit 1; }
PIP
chmod +x .venv/bin/pip
"""


@pytest.fixture
def setup(tmp_path):
    """setup(*words): `make setup` with them, in a folder with nothing but the Makefile and the files that it reads."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def run(*words: str) -> subprocess.CompletedProcess:
        command = ["make", "--no-print-directory", "setup", f"PYTHON={tmp_path}/python", *words]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environment)

    return run


def test_it_says_what_it_waits_for_and_what_comes_next(setup, tmp_path):
    ran = setup()
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0, ran.stderr
    assert lines[0].startswith("Setting up .venv")
    assert lines[1] == ".venv is ready. Next:"
    assert any("make demo" in line for line in lines)
    assert len(lines) <= 6
    assert "Collecting package-9" in (tmp_path / ".venv" / "setup.log").read_text()
    asked = (tmp_path / ".venv" / "asked").read_text().splitlines()
    assert "--constraint constraints.txt" in asked[-1]
    assert "download.pytorch.org" not in asked[-1]


def test_a_second_one_says_at_once_that_all_is_there(setup, tmp_path):
    setup()
    before = (tmp_path / ".venv" / "asked").read_text()
    again = setup()
    assert again.stdout.splitlines()[0] == ".venv is ready. Next:"
    assert (tmp_path / ".venv" / "asked").read_text() == before


def test_a_failure_shows_what_pip_said(setup, tmp_path):
    (tmp_path / "fail").touch()
    ran = setup()
    assert ran.returncode != 0
    assert "ERROR: no matching distribution" in ran.stdout
    assert ".venv/setup.log" in ran.stdout.splitlines()[-1]
    assert not (tmp_path / ".venv" / "ready").exists()


def test_without_cuda_the_other_index_is_asked_as_well(setup, tmp_path):
    setup("CPU=1", "EXTRAS=faces")
    asked = (tmp_path / ".venv" / "asked").read_text().splitlines()[-1]
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in asked
    assert asked.endswith(".[faces]")


def test_its_first_lines_name_its_targets():
    text = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"[\w-]+", text.partition(": each")[0].removeprefix("# make")))
    assert set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE)) - {"browser"} <= named | {"docs"}
