"""In an empty folder: commands that only list say so in a line, the others what they need, and neither leaves a file behind."""

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

JUDGED = "has no judgements; beholder import source=DIR reads them"
LISTED = "no files in nowhere"
TAUGHT = "no taste 'bayes' in "
GENERATES = "no generator 'x' is in "
WEIGHED = "encoder.weights=nowhere.bin: there is no such file"
# What a command says that has nothing to work on, without Ray where it works on Ray.
LACKS = {
    "apply user=ana images=nowhere out=o": LISTED,
    "ask user=ana image=nowhere.jpg": "nowhere.jpg does not exist",
    "ask user=ana image=nowhere editor=looks": LISTED,
    "ask user=ana seed=3 components.generator=x": GENERATES,
    "ask user=ana seed=3 components.taste=bayes components.attribute=smart": TAUGHT,
    "build surrogate generator=x": GENERATES,
    "build surrogate encoder.weights=nowhere.bin": WEIGHED,
    "directions learn name=x texts=[a,b] generator=x": GENERATES,
    "embed": "has no images yet; give images=..., or import a study first",
    "embed images=nowhere": LISTED,
    "evaluate": JUDGED,
    "evaluate editing images=nowhere": LISTED,
    "evaluate lora": JUDGED,
    "evaluate split=person": JUDGED,
    "evaluate surrogate generator=x": GENERATES,
    "evaluate taste=lora": JUDGED,
    "import source=nowhere": "source=nowhere: there is no such file or folder",
    "learn user=ana before=nowhere after=nowhere": LISTED,
    "predict taste=bayes images=nowhere user=ana attribute=smart": TAUGHT,
    "quality": JUDGED,
    "quality attributes=[smart]": JUDGED,
    "recommend user=ana image=nowhere.jpg": "nowhere.jpg does not exist",
    "simulate encoder.weights=nowhere.bin": WEIGHED,
    "train": JUDGED,
    "train taste=bayes attributes=[smart]": JUDGED,
    "train taste=lora": JUDGED,
    "train taste=mlp train.workers=2": JUDGED,
    "tune taste=lora tune=lora": JUDGED,
    "tune taste=mlp": JUDGED,
    "update taste=bayes": TAUGHT,
}
# Works on Ray, and needs nothing that could be missing.
NEEDS_NOTHING = ("simulate looks",)


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


@pytest.mark.parametrize("line", LACKS)
def test_what_has_nothing_to_work_on_says_so_before_ray_is_started_and_leaves_nothing(
    beholder, tmp_path: Path, monkeypatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # where nobody answers: whoever asks for Ray says so
    said = beholder(*line.split())
    assert said.code == 2
    (words,) = said.err
    assert LACKS[line] in words
    assert left(tmp_path) == []


def test_no_command_on_ray_is_left_out() -> None:
    lines = [*LACKS, *NEEDS_NOTHING]
    for name, command in commands().items():
        if command.module.startswith("beholder.jobs.") and not name.startswith(("bench ", "submit", "demo")):
            assert any(line.startswith(name) for line in lines), name


def test_a_refused_command_leaves_its_log_in_a_workspace_that_is_there(beholder, tmp_path: Path) -> None:
    assert beholder("train", f"workspace={tmp_path}").code == 2
    (log,) = tmp_path.glob("runs/train-*/log.txt")
    assert JUDGED in log.read_text()
