"""A study from its file to the workspace's tables and the exported files, which import reads; and all of somebody forgotten."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.study_double import BOTH, study_config

from beholder import images
from beholder.embedding import embeddings
from beholder.errors import StudyError, TasteError, UnknownParticipant, UnknownStudy
from beholder.recommending.store.choice_store import Store
from beholder.studies.design import CHECK
from beholder.studies.study_config import RatingBlock
from beholder.studies.study_records import StudySession, TrialAnswer
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.taste import taste_registry
from beholder.taste.contract import TasteInfo
from beholder.taste.population import Population
from beholder.workspace import Workspace


@pytest.fixture
def pictures(tmp_path: Path, scene) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(images.encode(scene(90, 60, number)))
    return folder


@pytest.fixture
def service(tmp_path: Path, pictures: Path):
    workspace = Workspace(str(tmp_path / "workspace"))
    store = Store.at(tmp_path / "workspace" / "choices.db")
    service = StudyService(StudyStore(store), workspace)
    assert service.create(study_config(images=pictures, picture_px=64)) == 8
    service.store.set_state("faces", "open")
    yield service
    store.close()


def take_part(service: StudyService, who: str = "somebody-with-a-browser", *, rating: str = "3", pair: str = "right") -> str:
    token = service.join("faces", who, "en", "")
    session: StudySession = service.session("faces", token)
    while session.step == "trials":
        trial = session.trials[0]
        value = rating if trial.right_id is None else pair
        asked = ["check"] if trial.role == CHECK else ["attractive", "smart"]
        answers = [TrialAnswer(name, str(trial.expected) if name == "check" else value, 850) for name in asked]
        session = service.answer("faces", token, f"e-{trial.trial_id}", trial.trial_id, answers, 0).session
    assert session.step == "done"
    return token


def test_the_scale_of_its_ratings_is_written_with_it_and_holds_for_the_next_one(service: StudyService, pictures: Path):
    rows = service.workspace.read("scales").to_pylist()
    assert [(row["attribute"], row["low"], row["high"], row["declared"]) for row in rows] == [
        ("attractive", 1.0, 4.0, True),
        ("smart", 1.0, 4.0, True),
    ]
    wider = replace(study_config(images=pictures), name="wider", ratings=RatingBlock(per_person=4, low=1, high=7))
    with pytest.raises(StudyError, match=r"attractive is on a scale of 1\.\.4 .* ratings of 1\.\.7: expected the same"):
        service.create(wider)
    assert service.store.names() == ["faces"]


def test_pictures_are_small_and_for_participants_alone(service: StudyService):
    token = service.join("faces", "somebody-with-a-browser", "en", "")
    trial = service.session("faces", token).trials[0]
    data = service.picture("faces", token, trial.left_picture)
    assert images.shape(data) == (64, 43)
    with pytest.raises(UnknownParticipant):
        service.picture("faces", "x" * 22, trial.left_picture)
    with pytest.raises(UnknownStudy):
        service.picture("faces", token, "../../choices.db")


def test_answers_get_into_the_tables_once(service: StudyService):
    take_part(service)
    assert service.import_answers() == 15
    assert service.import_answers() == 0
    ratings, comparisons = (service.workspace.read(name).to_pandas() for name in ("ratings", "comparisons"))
    assert (len(ratings), len(comparisons)) == (2 * 7, 2 * 6)  # a repetition is a judgement, an attention check is none
    assert set(ratings["score"]) == {3.0}
    assert set(comparisons["choice"]) == {"right"}
    assert set(ratings["image_id"]) <= set(service.workspace.read("images")["image_id"].to_pylist())
    responses = service.workspace.read("responses").to_pandas()
    assert len(responses) == 2 * 13 + 2
    assert set(responses["response_ms"]) == {850}
    assert responses.groupby("role")["judgement_id"].nunique().to_dict() == {"main": 11, "repeat": 2, "check": 2}
    assert set(responses.loc[responses["role"] == "check", "answer"]) <= {"1", "2", "3", "4", "left", "right"}
    times = ratings.drop_duplicates("judgement_id").sort_values("at")["at"]
    assert (times.diff().dropna() >= pd.Timedelta(0)).all()


def test_not_sure_is_kept_apart(service: StudyService):
    take_part(service, rating="not_sure", pair="tie")
    service.import_answers()
    assert service.workspace.read("ratings").num_rows == 0
    assert set(service.workspace.read("comparisons")["choice"].to_pylist()) == {"tie"}
    assert service.workspace.read("responses")["answer"].to_pylist().count("not_sure") == 14


def test_whoever_withdraws_is_in_no_table_and_no_file_of_one(service: StudyService):
    gone, stays = take_part(service, "somebody-who-is-to-go"), take_part(service, "somebody-who-is-to-stay")
    service.import_answers()
    who = service.session("faces", gone).user_id
    kept = service.session("faces", stays).user_id
    assert service.withdraw("faces", gone) == 28
    for name in ("ratings", "comparisons", "responses"):
        assert set(service.workspace.read(name)["user_id"].to_pylist()) == {kept}
    service.store.store.close()  # the last one out writes SQLite's log into its file
    left = [path for path in Path(service.workspace.place.path).rglob("*") if path.is_file() and who.encode() in path.read_bytes()]
    assert [path.name for path in left if not path.name.endswith(".removed.parquet")] == []


def test_a_withdrawal_during_an_import_leaves_nothing(service: StudyService):
    token = take_part(service)
    waiting = service.store.to_import()
    service.store.withdraw("faces", token, now=pd.Timestamp.now("UTC").to_pydatetime())
    assert service.store.imported(waiting) == waiting


def taste_of(workspace: Workspace, ids: list[str]) -> np.ndarray:
    """A taste "shared" for which the first dimension of embeddings counts alone, and such of these images; returns utilities."""
    vectors = np.eye(len(ids), 3, dtype=np.float32) + np.linspace(0, 1, len(ids), dtype=np.float32)[:, None]
    folder = workspace.embeddings("toy")
    embeddings.write_shard(folder, encoder_id="toy", image_ids=ids, sha256=[None] * len(ids), vectors=vectors)
    weights = np.array([[8.0, 0, 0]], np.float32)
    taste = Population(TasteInfo("population", "toy", ("attractive",), ()), weights, np.zeros(3, np.float32), [1.0])
    taste_registry.write(workspace.models, "shared", taste, figures={}, config={}, commit=None)
    return vectors @ weights[0]


def test_pairs_are_chosen_where_a_saved_taste_is_least_sure(service: StudyService, pictures: Path):
    ids = service.workspace.read("images")["image_id"].to_pylist()
    utilities = taste_of(service.workspace, ids)
    text = "name: next\npairs: {per_person: 4, choose: active, taste: shared}"
    service.create(study_config(text, images=pictures))
    service.store.set_state("next", "open")
    token = service.join("next", "somebody-with-a-browser", "en", "")
    trial = service.session("next", token).trials[0]
    gap = abs(utilities[ids.index(trial.left_id)] - utilities[ids.index(str(trial.right_id))])
    gaps = np.abs(utilities[:, None] - utilities)[np.triu_indices(len(ids), 1)]
    assert gap == pytest.approx(gaps.min())


def test_a_taste_that_says_nothing_of_a_study_is_refused_and_one_that_is_gone_is_done_without(
    service: StudyService, pictures: Path
):
    ids = service.workspace.read("images")["image_id"].to_pylist()
    text = "name: next\npairs: {per_person: 4, choose: active, taste: shared}"
    with pytest.raises(TasteError, match="no taste 'shared'"):
        service.create(study_config(text, images=pictures))
    taste_of(service.workspace, ids[1:])
    with pytest.raises(StudyError, match=rf"1 of 8 images, such as {ids[0]}, have no embedding of toy"):
        service.create(study_config(text, images=pictures))
    with pytest.raises(StudyError, match=r"taste shared does not know smart; it knows attractive"):
        service.create(study_config(text, images=pictures, questions="[{attribute: smart}]"))
    taste_of(service.workspace, ids)
    service.create(study_config(text, images=pictures))
    service.store.set_state("next", "open")
    service.workspace.models.filesystem.delete_dir((service.workspace.models / "shared").path)
    token = service.join("next", "somebody-with-a-browser", "en", "")
    assert len(service.session("next", token).trials) == 2


def test_ratings_on_a_slider_are_read_as_they_are_and_checks_ask_for_an_end(service: StudyService, pictures: Path):
    text = "name: slider\nratings: {per_person: 4, low: 0, high: 100, show: slider, checks: 2}\nquestions: [{attribute: calm}]"
    service.create(study_config(text, images=pictures))
    service.store.set_state("slider", "open")
    token = service.join("slider", "somebody-with-a-browser", "en", "")
    session = service.session("slider", token)
    while session.step == "trials":
        trial = session.trials[0]
        name, value = ("check", str(trial.expected)) if trial.role == CHECK else ("calm", "73")
        assert trial.expected in (None, "0", "100")
        answers = [TrialAnswer(name, value, 850)]
        session = service.answer("slider", token, f"e-{trial.trial_id}", trial.trial_id, answers, 0).session
    service.import_answers()
    assert service.workspace.read("ratings")["score"].to_pylist() == [73.0] * 4
    assert service.store.status("slider", now=pd.Timestamp.now("UTC").to_pydatetime()).checks_passed == 2


@pytest.mark.parametrize("format", ["csv", "parquet", "xlsx"])
def test_what_is_exported_is_read_by_import(service: StudyService, beholder, tmp_path: Path, format):
    take_part(service)
    service.import_answers()
    workspace, folder = service.workspace.place.path, tmp_path / "out"
    said = beholder("study", "export", "faces", f"folder={folder}", f"format={format}", f"workspace={workspace}")
    assert said.code == 0, said.err
    people = pd.read_csv(folder / "participants.csv")
    assert people["trials"].tolist() == [15]
    assert people["checks_passed"].tolist() == [2]
    if format == "xlsx":
        words = [f"source={folder}", "attributes=[attractive,smart]", f"workspace={tmp_path / 'again'}"]
        said = beholder("import", *words)
        assert said.code == 0, said.err
        assert {name: said.metrics[name] for name in ("ratings.accepted", "ratings.rejected", "comparisons.accepted")} == {
            "ratings.accepted": 14, "ratings.rejected": 0, "comparisons.accepted": 12,
        }  # fmt: skip
        assert said.metrics["comparisons.rejected"] == said.metrics["images.rejected"] == 0
        again = Workspace(str(tmp_path / "again"))
        for name in ("ratings", "comparisons"):
            keys = [(name, "ascending") for name in ("judgement_id", "attribute")]
            assert again.read(name).sort_by(keys).equals(service.workspace.read(name).sort_by(keys))
    else:
        read = pd.read_csv if format == "csv" else pd.read_parquet
        ratings = read(folder / f"ratings.{format}")
        assert list(ratings.columns) == ["judgement_id", "user_id", "image_id", "attribute", "score", "at", "lang"]
        assert len(ratings) == 14
        assert len(read(folder / f"comparisons.{format}")) == 12


def test_a_scale_that_spreadsheets_lack_is_refused(tmp_path: Path, pictures: Path, beholder):
    text = BOTH.replace("not_sure: true", "high: 7")
    (tmp_path / "study.yaml").write_text(f"{text}\nimages: {pictures}\n")
    workspace = f"workspace={tmp_path / 'workspace'}"
    assert beholder("study", "new", tmp_path / "study.yaml", workspace).code == 0
    said = beholder("study", "export", "faces", "format=xlsx", f"folder={tmp_path / 'out'}", workspace)
    assert (said.code, len(said.err)) == (2, 1)
    assert "this study's are 1 to 7: use format=csv or parquet" in said.err[0]


def test_images_that_can_not_be_shown_are_refused(tmp_path: Path, pictures: Path):
    (pictures / "broken.png").write_bytes(b"nothing")
    store = Store.at(tmp_path / "choices.db")
    service = StudyService(StudyStore(store), Workspace(str(tmp_path / "other")))
    with pytest.raises(StudyError, match=r"broken.* can't be shown"):
        service.create(study_config(images=pictures))
    assert service.store.names() == []
    store.close()
