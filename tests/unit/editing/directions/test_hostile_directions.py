"""No hostile file of directions is taken, runs anything, or costs more than a little time and memory."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("hostile_directions", Path(__file__).with_name("hostile.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict], Path]:
    folder, witness = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("made") / "witness"
    for name, content in hostile.files(witness).items():
        (folder / name).write_bytes(content)
    return hostile.judge(folder), witness


def test_each_is_refused_in_one_line_and_in_time(judged: tuple[dict[str, dict], Path]) -> None:
    found, _ = judged
    assert len(found) >= 30
    for name, got in found.items():
        assert got["error"], f"{name}: {got}"
        assert name in got["error"]
        assert "\n" not in got["error"]
        assert len(got["error"]) < 400
        assert got["seconds"] < 5, name


def test_nothing_in_them_runs(judged: tuple[dict[str, dict], Path]) -> None:
    found, witness = judged
    assert not witness.exists()
    assert [(name, got["deeds"]) for name, got in found.items() if got["deeds"]] == []
