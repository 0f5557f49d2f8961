"""One wheel holds the project, and works from any folder."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"platform/beholder": "beholder", "jobs": "beholder/jobs", "serve": "beholder/serve", "configs": "beholder/configs",
           "data": "beholder/data"}  # fmt: skip


def tracked(*folders: str) -> list[str]:
    """Every path that git tracks, below these folders."""
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what is tracked, links as links, so that building leaves nothing behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in tracked():
        if not (ROOT / name).exists():
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            (copy / name).symlink_to((ROOT / name).readlink())
        else:
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture(scope="module")
def built(source, tmp_path_factory) -> tuple[Path, str]:
    """The folder of an sdist and of the wheel that was built from it, and what building printed."""
    out = tmp_path_factory.mktemp("built")
    ran = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source], check=True, capture_output=True, text=True
    )
    return out, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (path,) = built[0].glob("*.whl")
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
    assert "beholder/py.typed" in packed
    for name in tracked(*FOLDERS):
        folder = next(folder for folder in FOLDERS if name.startswith(folder + "/"))
        if (ROOT / name).is_file() and name != "platform/beholder/client/pyproject.toml":  # of the client alone
            assert FOLDERS[folder] + name.removeprefix(folder) in packed, f"{name} is not in the wheel"


def test_building_warns_of_nothing(built):
    warnings = [line for line in built[1].splitlines() if re.search("warning|deprecat|absent|ignored", line, re.IGNORECASE)]
    assert [line for line in warnings if "byte-compiling is disabled" not in line] == []


def test_an_sdist_has_every_file_once_and_no_links(built):
    """A wheel is built from it where there is none for a platform, and not every archive tool makes links."""
    (path,) = built[0].glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
    assert all(member.isfile() for member in members)
    names = {member.name.partition("/")[2] for member in members}
    assert {"jobs", "serve", "configs", "data"}.isdisjoint(name.partition("/")[0] for name in names)
    assert {"platform/beholder/jobs/embed.py", "platform/beholder/data/README.md"} <= names


def test_an_upload_to_ray_has_the_package_once(source, tmp_path):
    """`ray job submit --working-dir .` follows links; .rayignore keeps what they lead to from travelling twice."""
    from ray._private.runtime_env import packaging

    packaging.create_package(str(source), tmp_path / "upload.zip", include_gitignore=True)
    with zipfile.ZipFile(tmp_path / "upload.zip") as archive:
        names = set(archive.namelist())
    assert {"platform/beholder/jobs/embed.py", "platform/beholder/data/README.md", "pyproject.toml"} <= names
    assert {"jobs", "serve", "configs", "data", "tests"}.isdisjoint(name.partition("/")[0] for name in names)


def test_the_command_runs_from_an_empty_folder(installed, tmp_path):
    done = run([], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "embed" in done.stdout
    where = run(["embed", "--help", "--all"], installed, tmp_path)
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
    assert list((tmp_path / "workspace" / "comparisons").glob("*.parquet"))
