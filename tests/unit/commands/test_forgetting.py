"""After forgetting, a search of every file of the workspace finds nothing of the name; passwords are written nowhere."""

import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from support.store_suite import NOON, answer, question

from beholder import tables
from beholder.recommending.store.choice_store import Store
from beholder.workspace import Workspace

NAME = "zebra-quagga é"


def found(folder: Path, name: str) -> list[str]:
    """The files below a folder in which a name is, in any of the spellings of our formats."""
    spellings = [each.encode() for each in (name, name.replace("é", "\\u00e9"), name.replace("é", "\\xE9"), "zebra-quagga")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    plain = [path for path in files if any(each in path.read_bytes() for each in spellings)]
    parquet = [path for path in files if path.suffix == ".parquet" and name in str(pq.read_table(path).to_pylist())]
    return sorted({str(path.relative_to(folder)) for path in (*plain, *parquet)})


def ratings(*user_ids: str) -> pa.Table:
    rows = [
        {
            "judgement_id": f"j{number}",
            "user_id": user_id,
            "image_id": "a",
            "attribute": "kind",
            "score": 1.0,
            "at": NOON,
            "lang": "en",
        }
        for number, user_id in enumerate(user_ids)
    ]
    return pa.Table.from_pylist(rows, schema=tables.RATINGS)


def test_nothing_of_a_name_is_left_in_any_file(beholder, tmp_path: Path) -> None:
    workspace, photo = Workspace(str(tmp_path)), tmp_path / "latents" / "g" / "photo-1.safetensors"
    store = Store.at(tmp_path / "choices.db")
    for number, user_id in enumerate([NAME, "bo", NAME], 1):
        store.ask(question(number, user_id))
        store.answer(answer(number, event_id=f"{user_id} {number}"))
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a face")
    store.uploaded(NAME, "photo-1", str(photo), at=NOON)
    log = workspace.table("ratings")
    log.upsert(ratings(NAME, "bo", NAME))
    log.remove(log.read().slice(0, 1))  # its key stays in a part of its own
    run = workspace.start_run("recommend", f"user: {NAME}\n", now=datetime.datetime.now(datetime.UTC), words=[f"user={NAME}"])
    run.summary(f"# For {NAME}, who likes zebras\n")
    run.results(pd.DataFrame({"user_id": [NAME, "bo"]}))
    run.write_json("report.json", {"user": NAME})
    run.finish()
    assert len(found(tmp_path, NAME)) >= 7

    said = beholder("choices", f"forget={NAME}", f"workspace={tmp_path}")
    assert said.code == 0
    assert found(tmp_path, NAME) == []
    assert said.out[-2] == f"{NAME}: 2 questions, 2 answers, 1 images, no part in any taste removed"
    assert said.out[0] == "2 questions and 2 answers: the store of choices"
    assert "1 rows: ratings" in said.out
    assert f"photo-1.safetensors: {photo.parent}" in said.out
    assert len([line for line in said.out if line.startswith("their name: runs/recommend-")]) == 4
    assert workspace.read("ratings")["user_id"].to_pylist() == ["bo"]
    assert [choice.question.user_id for choice in store.choices()] == ["bo"]
    assert "who likes zebras" in (Path(run.place.path) / "summary.md").read_text()
    store.close()


def test_passwords_are_written_nowhere(beholder, tmp_path: Path) -> None:
    for url in ("postgresql://usr:S3cret@127.0.0.1:1/x", "postgresql://usr:p@S3cret@127.0.0.1:1/x", "mysql://h/x?password=S3cret"):
        said = beholder("choices", f"choices={url}", f"workspace={tmp_path}")
        assert said.code != 0
        assert found(tmp_path, "S3cret") == []
        assert "S3cret" not in "".join([*said.out, *said.err])
    assert list(tmp_path.rglob("config.yaml"))  # there were files to look into


def test_the_store_is_named_by_a_file_or_a_variable(beholder, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/elsewhere.db\n")
    store = Store.at(tmp_path / "elsewhere.db")
    store.ask(question())
    store.close()
    (tmp_path / "w").mkdir()
    place = f"workspace={tmp_path / 'w'}"
    assert beholder("choices", f"choices=file:{tmp_path / 'url'}", place).metrics["unanswered"] == 1
    monkeypatch.setenv("BEHOLDER_CHOICES", f"sqlite:///{tmp_path}/elsewhere.db")
    assert beholder("choices", place).metrics["unanswered"] == 1
    said = beholder("choices", f"choices=file:{tmp_path / 'missing'}", place)
    assert said.code == 2
    assert said.err == [f"beholder: choices=file:{tmp_path / 'missing'} can't be read: No such file or directory"]


def test_names_that_speak_to_terminals_are_refused_and_shown_as_text(tmp_path, beholder):
    for command in ("ask", "recommend"):
        said = beholder(command, "user=\u202eana", "seed=1", f"workspace={tmp_path}")
        assert (said.code, len(said.err)) == (2, 1), said
        assert "user names a person in 1 to 200 visible characters, got a control or format character (U+202E)" in said.err[0]
    said = beholder("choices", "forget=a\x9b2Jb\u202e", f"workspace={tmp_path}")
    assert said.code == 0
    assert "a\\x9b2Jb\\u202e: 0 questions" in "\n".join(said.out)
    said = beholder("keys", "make=shop", "people=an\u200ba", f"workspace={tmp_path}")
    assert (said.code, len(said.err)) == (2, 1), said
