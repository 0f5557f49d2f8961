"""`beholder choices` from the command line to the store and back; no Ray."""

import json
from pathlib import Path

import pytest
from store_suite import answer, question

from beholder.recommending.store.choice_store import Store


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Three choices and an open question of ana, one choice of bo."""
    store = Store.at(tmp_path / "choices.db")
    for number, user_id in enumerate(["ana", "ana", "ana", "ana", "bo"], start=1):
        store.ask(question(number, user_id))
        if number != 4:
            store.answer(answer(number))
    store.close()
    return tmp_path


def test_choices_are_counted(beholder, workspace: Path) -> None:
    said = beholder("choices", f"workspace={workspace}")
    assert said.code == 0
    assert said.out[-2] == "4 choices of 2 people, 1 questions not answered yet"
    assert said.metrics == {"people": 2, "choices": 4, "unanswered": 1}


def test_what_is_written_can_be_read_once(beholder, workspace: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "interactions.csv", tmp_path / "other"
    assert beholder("choices", f"write={file}", f"workspace={workspace}").code == 0
    said = beholder("choices", f"read={file}", f"workspace={other}")
    assert said.out[-2] == "5 questions read, 4 answers new"
    said = beholder("choices", f"read={file}", f"workspace={other}")
    assert said.out[-2] == "5 questions read, 0 answers new"
    again = tmp_path / "again.csv"
    beholder("choices", f"write={again}", f"workspace={other}")
    assert again.read_bytes() == file.read_bytes()


def test_a_person_is_forgotten_with_a_receipt(beholder, workspace: Path) -> None:
    said = beholder("choices", "forget=ana", f"workspace={workspace}")
    assert said.out[-2] == "ana: 4 questions, 3 answers, 0 images, no part in any taste removed"
    assert json.loads((said.run / "metrics.json").read_text())["answers"] == 3
    said = beholder("choices", f"workspace={workspace}")
    assert said.metrics == {"people": 1, "choices": 1, "unanswered": 0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["write=a.csv", "read=b.csv"], "give one of write=FILE, read=FILE and forget=USER at a time"),
        (["read={missing}"], "missing.csv"),
        (["read={binary}"], "binary.csv is no text in UTF-8"),
        (["choices=mysql://here/x"], "mysql"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(beholder, tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    places = {"missing": tmp_path / "missing.csv", "binary": tmp_path / "binary.csv"}
    said = beholder("choices", *(word.format(**places) for word in words), f"workspace={tmp_path / 'w'}")
    assert said.code != 0
    assert len(said.err) == 1
    assert says in said.err[0]
