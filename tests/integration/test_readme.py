"""The commands of README.md and docs/cluster.md: every setting in them exists, and what is called over HTTP answers."""

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from beholder import cli

ROOT = Path(__file__).parents[2]


def lines(page: str) -> list[str]:
    """The lines of a page's blocks of code."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


LINES = lines("README.md")
COMMANDS = [line for line in (*LINES, *lines("docs/cluster.md")) if line.startswith("beholder ")]
CALLS = [line for line in LINES if line.startswith("curl ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_setting_exists(line: str) -> None:
    name, _, rest = cli.parse(shlex.split(line, comments=True)[1:])
    if name == "submit":
        cli.parse(rest)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own; nobody has chosen anything there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    work = tmp_path_factory.mktemp("readme")
    words = ["serve", "local=true", f"port={port}", f"workspace={work}"]
    process = subprocess.Popen([sys.executable, "-m", "beholder", *words])
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


def test_what_is_called_answers(address: str, tmp_path: Path) -> None:
    assert len(CALLS) >= 6
    question, answers = "", []
    for line in CALLS:
        line = line.replace("http://127.0.0.1:8000", address).replace("QUESTION", question)
        said = subprocess.run(["bash", "-c", line.replace("curl ", "curl --fail-with-body ", 1)], capture_output=True, cwd=tmp_path)
        assert said.returncode == 0, (line, said.stdout, said.stderr)
        if said.stdout:
            answers.append(json.loads(said.stdout))
            question = answers[-1].get("question_id", question)
    asked, chosen, recommended, steered, scored, ana, gone = answers
    assert asked["rounds"] == 0
    assert (chosen["counted"], chosen["rounds"]) == (True, 1)
    assert recommended["recommendations"][0]["probability"] >= 0.5
    assert all(each["edit"].get("hat") for each in steered["recommendations"])
    assert [each["edit"] for each in scored["scores"]] == [{"smile": 1.4}, {"hat": 2}]
    assert ana["rounds"] == 1
    assert gone["answers"] == 1
    assert (tmp_path / "seven.png").read_bytes().startswith(b"\x89PNG")
