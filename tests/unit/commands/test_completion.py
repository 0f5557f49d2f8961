"""completion: candidates for the last word, and a real bash, zsh and fish that complete with them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from beholder.commands.completion import SCRIPTS, candidates


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("tu", ["tune "]),
        ("directions i", ["import "]),
        ("study ", [f"{name} " for name in ("close", "export", "invite", "new", "open", "status")]),
        ("tune taste=ba", ["taste=bayes "]),
        ("demo --", ["--all ", "--help ", "--json ", "--quiet "]),
        ("demo once=", ["once=false ", "once=true "]),
        ("doctor p", ["port="]),
        ("doctor port=80 po", []),
        ("frobnicate x", []),
        ("edit image=", []),
    ],
)
def test_candidates(line, found):
    assert candidates(line) == found


def test_settings_below_a_dot_are_offered_when_it_is_reached():
    assert candidates("tune taste.mlp.drop") == ["taste.mlp.dropout="]
    assert not [each for each in candidates("tune t") if "." in each and each.startswith("taste.")]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder on the path with `beholder` in it, and a file to be completed in the current one."""
    program = tmp_path / "bin" / "beholder"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m beholder "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "portrait.png").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def shell(*command: str) -> list[str]:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("beholder evaluate l", ["lora ", "looks "]),
        ("beholder tune taste=ba", ["bayes "]),
        ("beholder tune taste.mlp.drop", ["taste.mlp.dropout="]),
        ("beholder edit image=por", ["portrait.png"]),
    ],
)
def test_bash_completes(path, line, found):
    words = line.replace("=", " = ").split(" ")  # as readline breaks them
    body = (
        f'eval "$(beholder completion bash)"; complete -p beholder > /dev/null\n'
        f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_beholder; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert sorted(shell("bash", "--norc", "-c", body)) == sorted(found)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_script(path):
    body = 'autoload -U compinit; compinit -u -D; eval "$(beholder completion zsh)"; print ${_comps[beholder]}'
    assert shell("zsh", "-f", "-c", body) == ["_beholder"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(path):
    body = "beholder completion fish | source; complete -C 'beholder tune taste=ba'"
    assert shell("fish", "--no-config", "-c", body) == ["taste=bayes"]


def test_scripts_name_no_path_of_this_machine():
    for script in SCRIPTS.values():
        assert str(Path.home()) not in script
