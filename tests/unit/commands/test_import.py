"""`beholder import` from the command line to the tables; no Ray."""

import datetime
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as sampling
from hypothesis import strategies as st

from beholder.commands import import_
from beholder.embedding import embeddings
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

NOON = datetime.datetime(2025, 2, 1, 12)
SAID = ("_id", "user_id", "item_id", "attractive", "smart", "trustworthy", "lang", "insert_time")


@pytest.fixture
def study(tmp_path, sheet):
    """study(big_label=rows, ...): a folder of sheets over three images a, b, c and the pairs ab, bc."""

    def write(**sheets: list) -> Path:
        headers = {
            "data": ("_id", "name", "data_image_part", "update_date"),
            "label": SAID,
            "compare_label": SAID,
            "compares": ("im1", "im2", "db1", "_id1", "db2", "_id2", "name"),
            "compare_data": ("_id", "im1_path", "im2_path"),
        }
        default = {
            "big_data": [(i, i, f"images/{i}.png", NOON) for i in "abc"],
            "big_compares": [("a.png", "b.png", "big", "a", "big", "b", "ab"), ("b.png", "c.png", "big", "b", "big", "c", "bc")],
        }
        for name, rows in (default | sheets).items():
            if rows is not None:
                sheet(tmp_path / "study" / f"{name}.xlsx", headers[name.partition("_")[2]], rows)
        return tmp_path / "study"

    return write


@pytest.fixture
def faces(tmp_path, scene, saved) -> Path:
    """The image files of the study."""
    for number, name in enumerate("abc"):
        (tmp_path / "study" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "study" / "images" / f"{name}.png").write_bytes(saved(scene(20 + number, 10, number)))
    return tmp_path / "study"


@pytest.fixture
def imported(beholder, tmp_path):
    """imported(folder, *overrides): what the command did and the workspace it wrote, into the same one each time."""

    def run(source: Path, *words: str):
        said = beholder("import", f"source={source}", f"workspace={tmp_path}/w", *words)
        return said, Workspace(f"{tmp_path}/w")

    return run


def refusals(workspace: Workspace) -> list[tuple]:
    rows = workspace.read("rejected").to_pylist()
    return [(Path(r["file"]).name, r["row"], r["column"], r["value"], r["reason"], r["attribute"]) for r in rows]


def line(judgement="1", user="u", item="a", scores=(1, 2, 3), lang="en", at=NOON) -> tuple:
    return (judgement, user, item, *scores, lang, at)


# ---- ratings and comparisons


def test_ratings(study, imported):
    said, workspace = imported(study(big_label=[line(), line("2", "v", "b", (4.0, "3", 1), None, "2025-02-01T15:30:00+03:30")]))
    assert said.code == 0
    rows = workspace.read("ratings").to_pylist()
    assert [(r["judgement_id"], r["user_id"], r["image_id"], r["attribute"], r["score"], r["lang"]) for r in rows] == [
        ("1", "u", "a", "attractive", 1, "en"),
        ("1", "u", "a", "smart", 2, "en"),
        ("1", "u", "a", "trustworthy", 3, "en"),
        ("2", "v", "b", "attractive", 4, None),
        ("2", "v", "b", "smart", 3, None),
        ("2", "v", "b", "trustworthy", 1, None),
    ]
    assert {r["at"] for r in rows} == {NOON.replace(tzinfo=datetime.UTC)}
    assert said.metrics == {
        "rows.read": 6,
        "ratings.accepted": 6,
        "ratings.rejected": 0,
        "comparisons.accepted": 0,
        "comparisons.rejected": 0,
        "people": 2,
        "images": 3,
        "images.rejected": 0,
    }


@pytest.mark.parametrize("form", ["compares", "compare_data"])
def test_both_forms_of_the_pair_table_and_ties(study, imported, form):
    pairs: dict = {}
    if form == "compare_data":
        pairs = {
            "big_compares": None,
            "big_compare_data": [(a + b, f"images/{a}.png", f"images/{b}.png") for a, b in ("ab", "bc")],
        }
    _, workspace = imported(
        study(**pairs, big_compare_label=[line("1", item="ab", scores=(1, 2, 0)), line("2", item="bc", scores=("tie", "Equal", 2))])
    )
    rows = workspace.read("comparisons").to_pylist()
    assert [(r["left_id"], r["right_id"], r["attribute"], r["choice"]) for r in rows] == [
        ("a", "b", "attractive", "left"),
        ("a", "b", "smart", "right"),
        ("a", "b", "trustworthy", "tie"),
        ("b", "c", "attractive", "tie"),
        ("b", "c", "smart", "tie"),
        ("b", "c", "trustworthy", "right"),
    ]
    assert refusals(workspace) == []


def test_pairs_of_paths_alone_make_images_of_their_paths(study, imported):
    folder = study(
        big_data=None,
        big_compares=None,
        big_compare_data=[("p", "x/1.png", "x/2.png")],
        big_compare_label=[line(item="p", scores=(1, 2, 1))],
    )
    _, workspace = imported(folder)
    assert workspace.read("images")["image_id"].to_pylist() == ["x/1.png", "x/2.png"]
    assert workspace.read("comparisons")["left_id"].to_pylist() == ["x/1.png"] * 3


def test_big_and_small_are_one_study(study, imported):
    said, workspace = imported(
        study(
            small_data=[("d", "d", "images/d.png", NOON), ("a", "a", "images/a.png", NOON)],
            big_label=[line("1", item="a"), line("2", item="d")],
            small_label=[line("1", "other", item="d"), line("2", item="d")],
        )
    )
    assert workspace.read("images")["image_id"].to_pylist() == ["a", "b", "c", "d"]
    assert said.metrics["ratings.accepted"] == 9  # `2` is the same judgement in both files, `1` is not
    assert workspace.read("ratings").num_rows == 9
    assert {fault[:4] for fault in refusals(workspace)} == {("small_label.xlsx", 3, "_id", "2")}


@pytest.mark.parametrize("again", [{"at": NOON + datetime.timedelta(days=1)}, {"user": "other"}, {"item": "b"}])
def test_the_same_id_in_both_files_is_counted_as_it_is_kept(study, imported, again):
    said, workspace = imported(study(big_label=[line()], small_label=[line(**again)]))
    assert said.metrics["ratings.accepted"] == workspace.read("ratings").num_rows


def test_judging_the_same_image_twice_is_two_judgements(study, imported):
    later = NOON + datetime.timedelta(hours=1)
    _, workspace = imported(study(big_label=[line("1"), line("2", scores=(4, 4, 4), at=later)]))
    rows = workspace.read("ratings").to_pylist()
    assert [(r["score"], r["at"].hour) for r in rows if r["attribute"] == "smart"] == [(2, 12), (4, 13)]


# ---- what is refused

WHOLE_ROW = [
    (line(item="z"), "item_id", "z", "unknown item: no image has this id"),
    (line(item=None), "item_id", None, "missing"),
    (line(user=None), "user_id", None, "missing"),
    (line(user="  "), "user_id", None, "missing"),
    (line(judgement=None), "_id", None, "missing"),
    (line(at="yesterday"), "insert_time", "yesterday", "not a readable time"),
    (line(at=45689), "insert_time", "45689", "not a readable time"),
    (line(at=None), "insert_time", None, "missing"),
    (line(at="0001-01-01T00:00:00+10:00"), "insert_time", "0001-01-01T00:00:00+10:00", "not a readable time"),
    (line(judgement="0", user="v"), "_id", "0", "repeated: the first judgement of this _id stays"),
]


@pytest.mark.parametrize(("bad", "column", "value", "reason"), WHOLE_ROW)
def test_a_row_that_is_refused_takes_nothing_with_it(study, imported, bad, column, value, reason):
    said, workspace = imported(study(big_label=[line("0"), bad, line("9")]))
    assert said.code == 0
    expected = [("big_label.xlsx", 3, column, value, reason, attribute) for attribute in ("attractive", "smart", "trustworthy")]
    assert refusals(workspace) == expected
    assert workspace.read("ratings")["judgement_id"].to_pylist() == ["0"] * 3 + ["9"] * 3
    assert (said.metrics["rows.read"], said.metrics["ratings.rejected"]) == (9, 3)
    assert workspace.read("ratings")["user_id"].to_pylist() == ["u"] * 6


@pytest.mark.parametrize("score", [0, 5, -1, 2.5, "high", True, 1e300, "1,5"])
def test_a_score_outside_the_scale_loses_one_judgement(study, imported, score):
    said, workspace = imported(study(big_label=[line(scores=(1, score, 4))]))
    ((file, row, column, _, reason, attribute),) = refusals(workspace)
    assert (file, row, column, attribute) == ("big_label.xlsx", 2, "smart", "smart")
    assert reason == "outside the scale: expected 1, 2, 3 or 4"
    assert workspace.read("ratings")["score"].to_pylist() == [1, 4]
    assert said.metrics["rows.read"] == 3


def test_an_empty_score_is_missing(study, imported):
    _, workspace = imported(study(big_label=[line(scores=(1, None, 4))]))
    assert refusals(workspace) == [("big_label.xlsx", 2, "smart", None, "missing: expected 1, 2, 3 or 4", "smart")]


@pytest.mark.parametrize("choice", [3, -1, "leftish", 1.5])
def test_a_choice_outside_the_scale(study, imported, choice):
    said, workspace = imported(study(big_compare_label=[line(item="ab", scores=(1, choice, 2))]))
    ((_, row, column, _, reason, _),) = refusals(workspace)
    assert (row, column, reason) == (2, "smart", "outside the scale: expected 1 (left), 2 (right) or 0 (tie)")
    assert (said.metrics["comparisons.accepted"], said.metrics["comparisons.rejected"]) == (2, 1)


def test_pairs_that_are_refused(study, imported):
    pairs = [("a.png", "b.png", "big", "a", "big", "b", "ab"), ("a.png", "z.png", "big", "a", "big", "z", "az")]
    _, workspace = imported(
        study(
            big_compares=pairs,
            big_compare_label=[line("1", item="ab", scores=(1, 1, 1)), line("2", item="az"), line("3", item="nn")],
        )
    )
    found = {(row, column, reason) for _, row, column, _, reason, _ in refusals(workspace)}
    assert found == {(3, "item_id", "unknown image 'z' in this pair"), (4, "item_id", "unknown item: no pair has this id")}
    assert workspace.read("comparisons").num_rows == 3


def test_a_repeated_image(study, imported):
    rows = [("a", "a", "1.png", NOON), ("a", "a", "2.png", NOON), (None, "b", "3.png", NOON), ("c", "c", None, NOON)]
    said, workspace = imported(study(big_data=rows))
    assert [(row, column) for _, row, column, *_ in refusals(workspace)] == [(3, "_id"), (4, "_id"), (5, "data_image_part")]
    assert workspace.read("images")["uri"].to_pylist() == ["1.png"]
    assert said.metrics["images.rejected"] == 3


def test_a_missing_column(study, sheet, tmp_path, imported):
    folder = study()
    header = [name.replace("user_id", "usr_id") for name in SAID]
    sheet(folder / "big_label.xlsx", header, [line()])
    said, _ = imported(folder)
    assert said.code == 2
    (error,) = said.err
    assert error == (
        f"beholder: {folder}/big_label.xlsx has no column 'user_id'; "
        "found: _id, usr_id, item_id, attractive, smart, trustworthy, lang, insert_time; did you mean usr_id?"
    )
    assert not (tmp_path / "w" / "ratings").exists()


def test_other_attributes(sheet, study, imported):
    folder = study()
    sheet(folder / "big_label.xlsx", ("_id", "user_id", "item_id", "kind", "lang", "insert_time"), [("1", "u", "a", 4, "en", NOON)])
    _, workspace = imported(folder, "attributes=[kind]")
    assert [(r["attribute"], r["score"]) for r in workspace.read("ratings").to_pylist()] == [("kind", 4)]


def test_results_and_summary_tell_what_was_refused(study, imported):
    said, _ = imported(study(big_label=[line(scores=(1, 7, 3)), line("2", item="z")]))
    assert len((said.run / "results.csv").read_text().splitlines()) == 5
    summary = (said.run / "summary.md").read_text()
    assert "| 3 | item_id: unknown item: no image has this id | big_label.xlsx row 3, 'z' |" in summary
    assert "| ratings.rejected | 4 |" in summary


# ---- image files


def test_images_are_measured(study, faces, imported):
    from hashlib import sha256

    said, workspace = imported(study(), f"images={faces}")
    assert said.metrics["images"] == 3
    for number, row in enumerate(workspace.read("images").to_pylist()):
        path = faces / "images" / f"{row['image_id']}.png"
        assert row["uri"] == str(path)
        assert row["sha256"] == sha256(path.read_bytes()).hexdigest()
        assert (row["width"], row["height"]) == (20 + number, 10)


def test_image_paths_may_start_at_the_folder_itself(study, faces, imported):
    said, _ = imported(study(), f"images={faces}/images")
    assert said.metrics["images"] == 3


def test_image_files_that_are_of_no_use(study, faces, imported):
    (faces / "images" / "a.png").unlink()
    (faces / "images" / "b.png").write_bytes(b"")
    said, workspace = imported(study(big_label=[line("1", item="a"), line("2", item="b"), line("3", item="c")]), f"images={faces}")
    assert said.code == 0
    assert workspace.read("images")["image_id"].to_pylist() == ["c"]
    assert workspace.read("ratings")["image_id"].to_pylist() == ["c"] * 3
    faults = refusals(workspace)
    assert ("big_data.xlsx", 2, "data_image_part", "images/a.png", "the image file does not exist", None) in faults
    assert ("big_data.xlsx", 3, "data_image_part", "images/b.png", "the file is empty", None) in faults
    assert ("big_label.xlsx", 2, "item_id", "a", "its image a is of no use: the image file does not exist", "smart") in faults
    assert (said.metrics["images.rejected"], said.metrics["ratings.rejected"]) == (2, 6)


def test_no_image_file_at_all_is_a_mistake(study, faces, tmp_path, imported):
    said, _ = imported(study(), f"images={tmp_path}/nowhere")
    assert (said.code, len(said.err)) == (2, 1)
    assert "none of the 3 image files is below it; the first should be" in said.err[-1]


# ---- again


def tables_of(workspace: Path) -> dict[str, bytes]:
    return {str(p.relative_to(workspace)): p.read_bytes() for p in workspace.rglob("*.parquet")}


def test_twice_changes_nothing(study, faces, tmp_path, imported):
    folder = study(big_label=[line(), line("2", item="z")], big_compare_label=[line(item="ab", scores=(1, 2, 5))])
    first, _ = imported(folder, f"images={faces}")
    before = tables_of(tmp_path / "w")
    assert {name.partition("/")[0] for name in before} == {"images", "ratings", "comparisons", "rejected"}
    second, _ = imported(folder, f"images={faces}")
    assert tables_of(tmp_path / "w") == before
    assert second.metrics == first.metrics
    assert second.run != first.run


def test_a_corrected_sheet_corrects_the_tables(study, imported):
    imported(study(big_label=[line(scores=(1, 9, 1))]))
    _, workspace = imported(study(big_label=[line(scores=(1, 3, 2))]))
    found = {r["attribute"]: r["score"] for r in workspace.read("ratings").to_pylist()}
    assert found == {"attractive": 1, "smart": 3, "trustworthy": 2}
    assert refusals(workspace) == []


CELL = st.one_of(
    st.none(),
    st.integers(-2, 6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text("ab1 .é", max_size=3),
    st.just(NOON),
)
MOSTLY = {
    "_id": st.integers(1, 6).map(str),
    "user_id": st.sampled_from(["u", "v", 7]),
    "item_id": st.sampled_from(["a", "b", "ab", "bc"]),
    "attractive": st.integers(1, 4),
    "smart": st.integers(0, 2),
    "trustworthy": st.integers(1, 2),
    "lang": st.sampled_from(["en", "fa", None]),
    "insert_time": st.sampled_from([NOON, "2025-02-01T10:00:00Z"]),
}
ROW = st.tuples(*(st.one_of(sound, sound, sound, sound, CELL) for sound in MOSTLY.values()))
SHEET = st.lists(ROW, max_size=8)


@sampling(max_examples=20, deadline=None)
@given(sheets=st.fixed_dictionaries({}, optional={f"{f}_{k}": SHEET for f in ("big", "small") for k in ("label", "compare_label")}))
def test_read_is_accepted_and_rejected_whatever_the_sheets_hold(tmp_path_factory, sheet, sheets):
    folder = tmp_path_factory.mktemp("random")
    sheet(folder / "big_data.xlsx", ("_id", "data_image_part"), [(i, f"{i}.png") for i in "abc"])
    sheet(folder / "big_compares.xlsx", ("_id1", "_id2", "name"), [("a", "b", "ab"), ("b", "c", "bc")])
    rows = 0
    for name, lines in sheets.items():
        sheet(folder / f"{name}.xlsx", SAID, lines)
        rows += sum(any(cell is not None and cell != "" for cell in line) for line in lines)

    run = Run(Place.at(folder / "run"), "import")
    import_.main(import_.ImportSettings(source=str(folder), workspace=str(folder / "w")), run)
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    workspace = Workspace(str(folder / "w"))
    rejected = workspace.read("rejected").to_pylist()
    assert metrics["rows.read"] == 3 * rows
    assert metrics["rows.read"] == sum(metrics[f"{k}.{w}"] for k in ("ratings", "comparisons") for w in ("accepted", "rejected"))
    assert workspace.read("ratings").num_rows == metrics["ratings.accepted"]
    assert workspace.read("comparisons").num_rows == metrics["comparisons.accepted"]
    assert len(rejected) == metrics["ratings.rejected"] + metrics["comparisons.rejected"]
    assert all(row["reason"] and row["row"] >= 2 and row["column"] in SAID for row in rejected)


def test_the_real_study(omi, imported):
    said, workspace = imported(omi / "raters", f"images={omi}")
    assert said.code == 0
    assert said.metrics["rows.read"] == 36_933
    assert (said.metrics["ratings.rejected"], said.metrics["comparisons.rejected"]) == (0, 0)
    assert (said.metrics["people"], said.metrics["images"]) == (28, 1004)
    assert workspace.read("rejected").num_rows == 0
    assert workspace.read("ratings").num_rows + workspace.read("comparisons").num_rows == 36_933
    assert set(workspace.read("images")["width"].to_pylist()) == {256}


# ---- embeddings from elsewhere


@pytest.mark.parametrize("kind", ["parquet", "npz", "pickle"])
def test_embeddings_from_elsewhere(study, faces, imported, beholder, tmp_path, kind):
    imported(study(), f"images={faces}")
    vectors = {f"/home/ana/images/{i}.png": np.full(4, ord(i), np.float32) for i in "cab"}
    path = tmp_path / f"v.{kind}"
    if kind == "parquet":
        import pyarrow as pa

        pq.write_table(pa.table({"image_id": list(vectors), "embedding": [v.tolist() for v in vectors.values()]}), path)
    elif kind == "npz":
        np.savez(path, image_id=np.array(list(vectors)), embedding=np.stack(list(vectors.values())))
    else:
        path.write_bytes(pickle.dumps(vectors))
    words = ("import", f"embeddings={path}", "encoder_id=old-clip", f"workspace={tmp_path}/w")
    said = beholder(*words)
    assert said.metrics == {"embeddings": 3, "embeddings.renamed": 3, "dimensions": 4}
    found = embeddings.read(Workspace(f"{tmp_path}/w").embeddings("old-clip"))
    assert found.image_ids == ["a", "b", "c"]
    assert found.vectors.tolist() == [[97] * 4, [98] * 4, [99] * 4]
    before = tables_of(tmp_path / "w")
    beholder(*words)
    assert tables_of(tmp_path / "w") == before


def test_new_vectors_take_the_place_of_old_ones(beholder, tmp_path):
    for shift, names in ((0, "ab"), (5, "bc")):
        vectors: dict[str, Any] = {i: np.full(2, shift, np.float32) for i in names}
        np.savez(tmp_path / "v.npz", **vectors)
        beholder("import", f"embeddings={tmp_path}/v.npz", "encoder_id=e", f"workspace={tmp_path}/w")
    found = embeddings.read(Workspace(f"{tmp_path}/w").embeddings("e"))
    assert dict(zip(found.image_ids, found.vectors[:, 0].tolist(), strict=True)) == {"a": 0, "b": 5, "c": 5}


def test_vectors_of_another_length_are_refused(beholder, tmp_path):
    for dims, code in ((2, 0), (3, 2)):
        np.savez(tmp_path / "v.npz", a=np.ones(dims))
        said = beholder("import", f"embeddings={tmp_path}/v.npz", "encoder_id=e", f"workspace={tmp_path}/w")
        assert said.code == code
    assert "holds vectors of length 2" in said.err[0]
    assert len(embeddings.known(Workspace(f"{tmp_path}/w").embeddings("e"))) == 1


def test_a_hostile_pickle_is_one_line_and_nothing_runs(beholder, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "v.pkl").write_bytes(pickle.dumps({"a": Hostile()}))
    said = beholder("import", f"embeddings={tmp_path}/v.pkl", "encoder_id=e", f"workspace={tmp_path}/w")
    assert (said.code, len(said.err)) == (2, 1)
    assert "which is not allowed" in said.err[0]
    assert not (tmp_path / "ran").exists()
