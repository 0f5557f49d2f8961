"""One wheel holds the project, and works from any folder."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"platform/beholder": "beholder", "jobs": "beholder/jobs", "serve": "beholder/serve", "configs": "beholder/configs",
           "data": "beholder/data"}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source")  # a copy of what is tracked, so that building leaves nothing behind
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source], check=True, capture_output=True
    )
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> dict[str, str]:
    """The environment of a Python that has the wheel aside and, of this one, only the libraries."""
    aside = tmp_path_factory.mktemp("aside")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", aside, wheel], check=True)
    # Folders on PYTHONPATH run no .pth files, so the editable install of this checkout is out of reach.
    return {**os.environ, "PYTHONPATH": f"{aside}{os.pathsep}{sysconfig.get_path('purelib')}", "PYTHONNOUSERSITE": "1"}


def run(words: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess:
    python = Path(sys.base_prefix) / "bin" / "python3"
    return subprocess.run(
        [python, "-m", "beholder", *words], env=environment, cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_everything_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    files = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        folder = next(folder for folder in FOLDERS if name.startswith(folder + "/"))
        if (ROOT / name).is_file():
            assert FOLDERS[folder] + name.removeprefix(folder) in packed, f"{name} is not in the wheel"


def test_the_command_runs_from_an_empty_folder(installed, tmp_path):
    done = run([], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "embed" in done.stdout
    where = run(["embed", "--help"], installed, tmp_path)
    assert "encoder.weights" in where.stdout, where.stderr


def test_the_sample_ships_and_imports(installed, tmp_path):
    python = Path(sys.base_prefix) / "bin" / "python3"
    code = "import beholder.data; print(beholder.data.__path__[0])"
    data = subprocess.run(
        [python, "-c", code], env=installed, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert "aside" in data
    done = run(["import", f"source={data}/sample", f"images={data}/sample"], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "workspace" / "comparisons.parquet").is_file()
