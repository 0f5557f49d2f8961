"""The documents: their commands have the settings they use, their links lead somewhere, and the README is short."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from support import document

from beholder import cli

ROOT = document.ROOT
README = (ROOT / "README.md").read_text()
COMMANDS = document.commands()


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}-{number}" for number, (page, _) in enumerate(COMMANDS)])
def test_every_command_has_the_settings_it_uses(page: str, line: str) -> None:
    words = shlex.split(line.replace("$SAMPLE", "sample").replace("$PWD", ""), comments=True)
    words = words[words.index("beholder") + 1 :]
    words = words[: next((at for at, word in enumerate(words) if word in (">", "|")), None)]
    if not words or "--help" in words or words[0] in ("help", "--version"):
        return
    name, _, rest = cli.parse(words)
    if name == "submit":
        cli.parse([word for word in rest if word != "--no-wait"])


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 80
    assert {"README.md", "docs/cluster.md", "docs/guides/editing.md", "docs/tutorials/study.md"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize("page", document.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_linked_file_is_there(page: Path) -> None:
    assert [target for target in document.links(page) if target and not (page.parent / target).exists()] == []


def test_the_readme_has_at_most_900_words():
    assert len(README.split()) <= 900


def test_the_readme_names_the_two_commands_the_roles_and_the_terms_that_people_search_for():
    assert re.search(r"^make demo .*\nmake test ", README, re.M)
    linked = document.links(ROOT / "README.md")
    assert {f"docs/tutorials/{role}.md" for role in ("click", "study", "api", "cluster", "library")} <= set(linked)
    words = README.lower()
    terms = ("pairwise preference", "bradley-terry", "bayesian optimisation", "latent directions", "calibration")
    assert [term for term in terms if term not in words] == []


def test_the_readmes_python_has_ten_lines():
    (block,) = [block for block in document.blocks("README.md") if block.language == "python"]
    assert len(block.lines) <= 10


def test_the_animated_picture_is_light_and_moves():
    data = (ROOT / "docs/page.webp").read_bytes()
    assert len(data) < 1_500_000
    assert b"ANIM" in data[:64]


def test_the_picture_of_the_whole_is_up_to_date():
    drawn = runpy.run_path(str(ROOT / "docs/draw_overview.py"))
    assert (ROOT / "docs/overview.svg").read_text() == drawn["svg"]()


@pytest.mark.parametrize("page", [page for page in document.pages() if page.parent.name in ("tutorials", "guides", "reference")])
def test_a_page_says_first_what_the_reader_gets(page: Path) -> None:
    first = page.read_text().split("\n\n")[1]
    assert first.startswith(("You get", "One page for each"))
