"""A tutorial carried out as its page stands: commands in a folder, Python in a namespace, services beside it."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from beholder import cli
from support.document import Block, blocks

_PLAIN = re.compile(r"^beholder [^|;&>$`]*$")  # a line that needs no shell


class Tutorial:
    """A page's blocks, carried out in a folder.

    replaced: texts of the page and what stands for them here, such as the address of a service that is at another port.
    """

    def __init__(self, page: str, folder: Path, replaced: Mapping[str, str] | None = None) -> None:
        self.blocks, self.folder, self.replaced = blocks(page), folder, dict(replaced or {})
        self.names: dict[str, object] = {}
        (folder / ".bin").mkdir()
        for name, words in (("beholder", " -m beholder"), ("python", ""), ("python3", "")):  # a link would leave the environment
            command = folder / ".bin" / name
            command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{words} "$@"\n')
            command.chmod(0o755)

    def here(self, text: str) -> str:
        """Return a text of the page as it is carried out here."""
        for there, stands in self.replaced.items():
            text = text.replace(there, stands)
        return text

    def commands(self) -> list[Block]:
        """The blocks of commands that are carried out one after the other."""
        return [block for block in self.blocks if block.language == "sh" and not block.title]

    def services(self) -> list[str]:
        """The commands that run in a terminal of their own meanwhile."""
        return [line for block in self.blocks if block.language == "sh" and block.title for line in block.lines]

    def run(self) -> None:
        """Carry out all commands. A plain line of beholder runs in this process, where torch and Ray are there already."""
        for block in self.commands():
            if all(_PLAIN.match(line) for line in block.lines):
                for line in block.lines:
                    assert cli.main(shlex.split(self.here(line), comments=True)[1:]) == 0, line
            else:
                self.shell(block.text)

    def shell(self, text: str) -> str:
        """Return what a piece of shell prints, carried out in the folder."""
        environment = {**os.environ, "PATH": f"{self.folder / '.bin'}{os.pathsep}{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", self.here(text)]
        said = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment, timeout=300)
        assert said.returncode == 0, (text, said.stdout[-2000:], said.stderr[-2000:])
        return said.stdout

    def python(self) -> dict[str, object]:
        """Carry out all Python of the page, one block after the other, and return its names."""
        for block in self.blocks:
            if block.language == "python":
                exec(compile(self.here(block.text), "tutorial", "exec"), self.names)
        return self.names


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """Work in a folder for the length of the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
