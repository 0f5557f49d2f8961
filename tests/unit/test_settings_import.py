"""settings_import: settings are checked without what the commands work with, and the work then begins with the real packages."""

import json
import subprocess
import sys
from typing import Any

import pytest

from beholder import command_index
from beholder.settings_import import HEAVY, StandIn, StandInUsed

# All that may be imported before a mistake is answered, beside the standard library and our own.
LIGHT = {"numpy", "pyarrow", "cloudpickle", "yaml", "omegaconf", "hydra", "antlr4", "attr", "attrs", "packaging", "cython_runtime"}
ANSWERS = """
import json, sys
before = set(sys.modules)
from beholder import cli
codes = [cli.main(words) for words in json.loads(sys.argv[1])]
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
ours = sorted(name for name in sys.modules if name.startswith("beholder."))
print(json.dumps([codes, sorted(tops - set(sys.stdlib_module_names)), ours]))
"""
MISTAKES = [
    ["ask"],
    ["ask", "user=anna"],
    ["ask", "user=anna", "seed=7", "rounds=0"],
    ["tune", "tast=mlp"],
    ["train", "taste.mlp.dropout=much"],
    ["evaluate", "split=nose"],
    ["serve", "port=none"],
    ["simulate", "rounds=x"],
    ["edit", "seed=7"],
    ["predict"],
    ["frobnicate"],
]


def answered(lines: list[list[str]]) -> tuple[list[int], set[str], list[str], list[str]]:
    """Exit codes, packages that were imported, modules of ours that stay, and lines on stderr, of a fresh process."""
    ran = subprocess.run([sys.executable, "-c", ANSWERS, json.dumps(lines)], capture_output=True, text=True, timeout=120)
    codes, packages, ours = json.loads(ran.stdout.splitlines()[-1])
    return codes, set(packages), ours, ran.stderr.splitlines()


def test_a_mistake_is_answered_without_what_is_heavy():
    codes, packages, ours, lines = answered(MISTAKES)
    assert codes == [2] * len(MISTAKES)
    assert "beholder: ask needs user=...; see beholder ask --help" in lines
    assert HEAVY.isdisjoint(packages), packages & HEAVY
    assert {each for each in packages if not each.startswith("_")} - {"beholder"} <= LIGHT
    assert not [name for name in ours if name.startswith(("beholder.taste", "beholder.jobs."))]


def test_help_of_every_command_is_told_without_what_is_heavy():
    codes, packages, _, _ = answered([[*name.split(), "--help"] for name in command_index.commands()])
    assert set(codes) == {0}
    assert HEAVY.isdisjoint(packages), packages & HEAVY


def test_completion_is_told_without_what_is_heavy():
    _, packages, _, _ = answered([["__complete", "tune taste.mlp."], ["__complete", "ask s"]])
    assert HEAVY.isdisjoint(packages)


def test_a_command_then_runs_on_the_real_packages(tmp_path):
    codes, packages, _, _ = answered(
        [["import", "source=nowhere", f"workspace={tmp_path}/w"], ["directions", f"workspace={tmp_path}/w"]]
    )
    assert codes == [2, 0]
    assert {"pandas", "torch"} <= packages


def test_a_check_that_computes_with_a_stand_in_is_no_verdict():
    with pytest.raises(StandInUsed):
        bool(StandIn("torch").cuda.is_available())
    with pytest.raises(StandInUsed):
        list(StandIn("pandas").options)


def test_a_stand_in_can_be_what_modules_make_of_packages():
    nn: Any = StandIn("nn")
    ray: Any = StandIn("ray")

    class Network(nn.Module, nn.Other):  # type: ignore[misc]
        pass

    @ray.remote
    def task() -> None: ...

    @ray.remote(num_cpus=1)
    def other() -> None: ...

    assert task.__name__ == "task"
    assert other.__name__ == "other"
    assert isinstance(Network, type)
    assert isinstance(str | nn.Tensor | None, StandIn)
    assert isinstance(-0.5 * nn.pi / 2 <= 3, StandIn)
