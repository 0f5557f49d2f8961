"""The tutorials, carried out as their pages stand, each in a fresh folder."""

import io
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from support.ray_head import RayHead, ray_head
from support.tutorial import Tutorial, within

from beholder import cli

PAGES = "docs/tutorials"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with within(tmp_path):
        yield tmp_path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service of the page, at a port of its own; nobody has chosen anything there."""
    work = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (line,) = Tutorial(f"{PAGES}/api.md", work).services()
    process = subprocess.Popen([sys.executable, "-m", *line.split(), f"port={port}", f"workspace={work}"])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            time.sleep(0.5)
            assert process.poll() is None
            try:
                urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
                break
            except OSError:
                continue
        yield address
    finally:
        process.terminate()
        process.wait(60)


def test_click(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\na\nn\nb\n"))
    tutorial = Tutorial(f"{PAGES}/click.md", folder)
    assert tutorial.services() == ["beholder serve local=true"]  # the next test carries it out
    tutorial.run()
    assert (folder / "ana.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "interactions.csv")) == 2 * 5
    assert "Recommended" in capsys.readouterr().out or (folder / "workspace/runs").is_dir()


def test_calling_the_api(address: str, folder: Path) -> None:
    tutorial = Tutorial(f"{PAGES}/api.md", folder, {"http://127.0.0.1:8000": address})
    lines = [line for block in tutorial.commands() for line in block.lines]
    assert len(lines) >= 6
    assert {line.split()[0] for line in lines} == {"curl"}
    answers = []
    for line in lines:
        said = tutorial.shell(line.replace("curl ", "curl --fail-with-body ", 1))
        if said:
            answers.append(json.loads(said))
            if "question_id" in answers[-1]:
                tutorial.replaced.setdefault("QUESTION", answers[-1]["question_id"])
    ready, asked, chosen, recommended, steered, scored, ana, gone = answers
    assert all(ready.values())
    assert asked["rounds"] == 0
    assert (chosen["counted"], chosen["rounds"]) == (True, 1)
    assert recommended["recommendations"][0]["probability"] >= 0.5
    assert all(each["edit"].get("hat") for each in steered["recommendations"])
    assert [each["edit"] for each in scored["scores"]] == [{"smile": 1.4}, {"hat": 2}]
    assert ana["rounds"] == 1
    assert gone["answers"] == 1
    assert (folder / "seven.png").read_bytes().startswith(b"\x89PNG")


def test_calling_the_api_from_python(address: str, folder: Path) -> None:
    names = Tutorial(f"{PAGES}/api.md", folder, {"http://127.0.0.1:8000": address}).python()
    assert names["best"].rounds == 1  # type: ignore[attr-defined]  # the answer that was taken back does not count
    assert names["best"].known  # type: ignore[attr-defined]
    assert (folder / "left.png").is_file()


def test_a_study_in_spreadsheets(small_ray: object, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Tutorial(f"{PAGES}/study.md", folder).run()
    printed = capsys.readouterr().out
    assert re.search(r"\| bayes, as served \| 0\.\d+ \| \+0\.\d+ \[\+0\.", printed)
    assert "20 believed" in printed
    assert (folder / "workspace/models/ours").is_dir()
    own = {path.name.partition("-")[0] for path in (folder / "mine/runs").iterdir()}
    assert own == {"import", "quality", "embed", "train", "predict"}


@pytest.fixture
def head() -> Iterator[RayHead]:
    with ray_head() as started:
        yield started


def test_a_cluster(small_ray: object, head: RayHead, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first job is submitted to a head like the page's; the others, which would each load everything anew there, run here."""
    tutorial = Tutorial(f"{PAGES}/cluster.md", folder, {"http://127.0.0.1:8265": head.address})
    lines = [line for block in tutorial.commands() for line in block.lines]
    assert [line.split()[1] for line in lines if line.startswith("ray ")] == ["get-auth-token", "start", "stop"]
    sample = next(line for line in lines if line.startswith("SAMPLE="))
    first, *others = [line for line in lines if line.startswith("beholder ")]
    with monkeypatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", head.token)
        patch.setenv("RAY_AUTH_MODE", "token")
        tutorial.shell(f"{sample}\n{first}")
    for line in others:
        words = shlex.split(line.replace("$PWD", str(folder)))
        assert words.pop(1) == "submit"
        assert cli.main([word for word in words[1:] if not word.startswith("address=")]) == 0, line
    tutorial.shell(lines[lines.index("ray stop") - 1])
    runs = {path.name.rpartition("-")[0] for path in (folder / "work/runs").iterdir()}
    assert {"import", "embed", "train", "tune"} <= runs
    assert os.listdir(folder / "work/models")


def test_the_library(folder: Path) -> None:
    names = Tutorial(f"{PAGES}/library.md", folder).python()
    assert (folder / "edited.png").is_file()
    assert names["result"].gain[0] > 0  # type: ignore[attr-defined]


def test_the_guide_of_tastes_in_python(folder: Path, small_ray: object) -> None:
    names = Tutorial("docs/guides/python.md", folder).python()
    new = names["new"]
    assert new.learning["judgements"].tolist() == new.crowd.learning["judgements"].tolist() == [0, 5]  # type: ignore[attr-defined]
    assert repr(names["adapted"]).startswith("<FittedTaste lora: 3 people")
    assert repr(names["taste"]).startswith("<FittedTaste bayes: ")


def test_the_readmes_ten_lines(folder: Path) -> None:
    names = Tutorial("README.md", folder).python()
    assert "me" in names["taste"].people  # type: ignore[attr-defined]
    assert (folder / "edited.png").is_file()
