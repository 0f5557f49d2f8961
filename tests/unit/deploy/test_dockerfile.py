"""deploy/Dockerfile can't be built here; what can be checked without: its files, versions and variables."""

import re
import subprocess
from pathlib import Path

from packaging.specifiers import SpecifierSet

from beholder.serve import ray_compat

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()
LINES = re.sub(r"\\\n", " ", "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))).splitlines()


def copied() -> set[str]:
    """What is copied from the checkout."""
    copies = [line.split()[1:] for line in LINES if line.startswith("COPY") and "--from" not in line]
    return {source for words in copies for source in words[:-1]}


def test_what_is_copied_is_there_and_is_let_through():
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied()
    for source in copied():
        assert (ROOT / source).exists()
        assert subprocess.run(["git", "ls-files", "--error-unmatch", source], cwd=ROOT, capture_output=True).returncode == 0


def test_what_the_package_is_built_from_is_copied():
    links = {path.name for path in (ROOT / "platform" / "beholder").iterdir() if path.is_symlink()}
    named = set(re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', PROJECT, re.MULTILINE))
    assert {"pyproject.toml", "platform", *links, *named} <= copied()


def test_pythons_version_is_one_that_the_project_takes_and_everything_is_built_on_it():
    (requires,) = re.findall(r'^requires-python = "(.+)"', PROJECT, re.MULTILINE)
    (python,) = re.findall(r"^ARG PYTHON=(\S+)", TEXT, re.MULTILINE)
    assert f"{python}.0" in SpecifierSet(requires)
    assert {line.split()[1] for line in LINES if line.startswith("FROM")} == {"python:${PYTHON}-slim-bookworm"}


def test_the_images_in_its_caption_have_this_version():
    (version,) = re.findall(r'^version = "(.+)"', PROJECT, re.MULTILINE)
    tags = re.findall(r"-t REGISTRY/beholder:(\S+)-(?:cuda|cpu)", TEXT)
    assert tags == [version, version]


def test_a_device_is_one_of_two(tmp_path):
    (install,) = [line for line in LINES if line.startswith("RUN case")]
    choose = re.sub(r"\s+", " ", install.removeprefix("RUN ").partition("&&")[0])
    for device, index, code in (
        ("cpu", "--extra-index-url https://download.pytorch.org/whl/cpu", 0),
        ("cuda", "", 0),
        ("tpu", "", 2),
    ):
        ran = subprocess.run(["sh", "-c", f'DEVICE={device}; {choose}; echo "$index"'], capture_output=True, text=True)
        assert (ran.returncode, ran.stdout.strip()) == (code, index)


def test_serves_processes_find_the_variables_that_they_read():
    (line,) = [line for line in LINES if line.startswith("ENV")]
    assert dict(re.findall(r"(\w+)=(\S+)", line)) == ray_compat.environment({})
