"""docs/architecture.svg shows the imports that the code has, and architecture.md names every room."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs/draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_up_to_date(architecture: ModuleType) -> None:
    assert (ROOT / "docs/architecture.svg").read_text() == architecture.draw(), "run `make docs-picture`"


def test_every_arrow_leads_down(architecture: ModuleType) -> None:
    files, edges = architecture.rooms()
    levels = architecture.layers([room for room in files if room != architecture.BASE], edges)
    level_of = {room: level for level, line in enumerate(levels) for room in line}
    assert all(level_of[a] < level_of[b] for a, b in edges)
    assert {"jobs", "serve"} <= set(levels[0])


def test_a_circle_is_refused(architecture: ModuleType) -> None:
    with pytest.raises(ValueError, match="a circle of imports: a -> b -> a"):
        architecture.layers(["a", "b"], {("a", "b"): 1, ("b", "a"): 1})


def test_neighbours_are_spread_without_overlap(architecture: ModuleType) -> None:
    assert architecture.spread([0, 0, 50], [10, 10, 10]) == [-5, 5, 50]


def test_the_text_names_every_room(architecture: ModuleType) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    files, _ = architecture.rooms()
    assert [room for room in files if room != architecture.BASE and f"`{room}" not in text] == []
