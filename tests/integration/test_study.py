"""Studies on a real PostgreSQL, and many participants at the same time whose server is killed (SIGKILL) and started again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.study_store_suite import StudyStoreContract

from beholder.studies.design import SPREAD


class TestPostgres(StudyStoreContract):
    @pytest.fixture
    def url(self, empty: str) -> str:
        return empty


def bench(beholder: Callable[..., Any], folder: Path, *words: str) -> dict[str, Any]:
    """The figures of `beholder bench study`."""
    done = beholder("bench", "study", *words, f"workspace={folder}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((Path(done.stdout.splitlines()[-1]) / "metrics.json").read_text())


def check(figures: dict[str, Any], participants: int, trials: int, kills: int) -> None:
    assert (figures["finished"], figures["killed"]) == (participants, kills)
    assert figures["kept"] == participants * trials
    assert figures["acknowledged"] <= figures["kept"]
    wrong = ("lost", "twice", "not in tables", "other in tables", "problems")
    assert {name: figures[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["ratings spread"] <= SPREAD
    assert figures["pairs spread"] <= SPREAD


def test_thirty_participants_at_once_and_a_killed_server(beholder: Callable[..., Any], tmp_path: Path) -> None:
    words = ["participants=30", "images=24", "ratings=6", "pairs=4", "kills=1", "port=8241"]
    check(bench(beholder, tmp_path, *words), 30, 6 + 1 + 4 + 1, 1)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_participants_at_once_and_a_server_killed_three_times(
    kind: str, beholder: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = ["participants=100", "kills=3", "port=8242"]
    words += [] if kind == "sqlite" else [f"choices={request.getfixturevalue('empty')}"]
    check(bench(beholder, tmp_path, *words), 100, 20 + 1 + 1 + 10 + 1, 3)
