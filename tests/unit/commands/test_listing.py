"""Commands that only list: where there is nothing yet they say so in a line, and leave no file behind."""

from pathlib import Path

import pytest

from beholder.cli import parse
from beholder.command_index import commands
from beholder.errors import ConfigError

# What a command that only lists says where there is nothing yet: the exit code and the beginning of its first line.
LISTS = {
    "choices": (0, "no choices yet; `beholder ask` and `beholder serve` collect some"),
    "completion bash": (0, "# "),
    "directions": (0, "name "),
    "keys": (0, "no keys yet; `beholder keys make=NAME` makes one"),
    "open": (2, "beholder: no run in "),
    "runs": (0, "There are no runs in "),
    "study status": (0, "no study yet; `beholder study new template=study.yaml` writes a file to begin from"),
}
# What needs something that is not there says in one line what makes it.
NEEDS = (
    "choices forget=ana",
    "choices write=a.csv",
    "keys revoke=1a2b",
    "study status x",
    "study close x",
    "study invite x",
    "study export x",
)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("named", [False, True], ids=["by default", "named"])
@pytest.mark.parametrize("line", LISTS)
def test_a_list_of_nothing_is_a_line_and_leaves_nothing(beholder, tmp_path: Path, monkeypatch, line: str, named: bool) -> None:
    monkeypatch.chdir(tmp_path)
    takes_workspace = not line.startswith("completion")
    said = beholder(*line.split(), *(["workspace=elsewhere"] if named and takes_workspace else []))
    code, begins = LISTS[line]
    assert said.code == code
    assert (said.out if code == 0 else said.err)[0].startswith(begins)
    assert left(tmp_path) == []


@pytest.mark.parametrize("line", NEEDS)
def test_what_needs_a_store_says_what_makes_one_and_makes_none(beholder, tmp_path: Path, monkeypatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    said = beholder(*line.split())
    assert said.code == 2
    (words,) = said.err
    assert "there is no choices.db in it; ask, serve, keys make=NAME and study new make one" in words
    assert left(tmp_path) == []


@pytest.mark.parametrize("line", ["choices", "keys", "study status"])
def test_a_list_makes_no_store_in_a_workspace_without_one(beholder, tmp_path: Path, line: str) -> None:
    (tmp_path / "images").mkdir()
    assert beholder(*line.split(), f"workspace={tmp_path}").code == 0
    assert "choices.db" not in left(tmp_path)
    said = beholder(*line.split(), f"workspace={tmp_path}", f"choices=sqlite:///{tmp_path}/typed-wrong.db")
    assert said.code == 0
    assert said.out[0].startswith("no ")
    assert "typed-wrong.db" not in left(tmp_path)


def test_a_store_at_a_url_is_listed_without_a_workspace(beholder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"choices=sqlite:///{tmp_path}/elsewhere.db"
    assert beholder("keys", "make=shop", url, "workspace=w").code == 0
    assert " shop " in beholder("keys", url).out[1]
    assert not (tmp_path / "workspace").exists()


def test_no_command_that_only_lists_is_left_out() -> None:
    for name, command in commands().items():
        if not command.module.startswith("beholder.commands"):
            continue
        try:
            settings = parse(name.split())[1]
        except ConfigError:  # it needs a setting: it does more than list
            continue
        if getattr(settings, "run_folder", "always") in ("found", "never") and name != "doctor":  # which looks at the machine
            assert name in {line.removesuffix(" bash") for line in LISTS}, name
