"""`beholder import` of everybody else's tables, from the command line to the workspace; no Ray."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder.importing import templates
from beholder.workspace import Workspace

RATED = "rater,photo,rating\nana,1.jpg,3\nana,2.jpg,1\nben,1.jpg,4\n"


@pytest.fixture
def imported(beholder, tmp_path):
    """imported(source, *overrides): what the command did and the workspace it wrote, into the same one each time."""

    def run(source: Path, *words: str):
        said = beholder("import", f"source={source}", f"workspace={tmp_path}/w", *words)
        return said, Workspace(f"{tmp_path}/w")

    return run


def rated(workspace: Workspace) -> list[tuple]:
    return [(r["user_id"], r["image_id"], r["attribute"], r["score"]) for r in workspace.read("ratings").to_pylist()]


def compared(workspace: Workspace) -> list[tuple]:
    return [(r["user_id"], r["left_id"], r["right_id"], r["choice"]) for r in workspace.read("comparisons").to_pylist()]


def refusals(workspace: Workspace) -> list[tuple]:
    rows = workspace.read("rejected").to_pylist()
    return [(r["sheet"], r["row"], r["column"], r["value"], r["reason"], r["attribute"]) for r in rows]


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


EXPECTED = [("ana", "1.jpg", "kind", 3), ("ana", "2.jpg", "kind", 1), ("ben", "1.jpg", "kind", 4)]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "json", "xlsx"])
def test_the_same_table_in_every_kind_of_file(tmp_path, sheet, imported, kind):
    lines = [line.split(",") for line in RATED.splitlines()]
    path = tmp_path / f"x.{kind}"
    rows = [(rater, photo, int(rating)) for rater, photo, rating in lines[1:]]
    records = [dict(zip(lines[0], row, strict=True)) for row in rows]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif kind == "xlsx":
        sheet(path, lines[0], rows)
    elif kind == "json":
        path.write_text(json.dumps(records))
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        path.write_text(RATED.replace(",", "\t" if kind == "tsv" else ","))
    said, workspace = imported(path, "attribute=kind")
    assert (said.code, rated(workspace)) == (0, EXPECTED)
    assert "guessed: columns.user_id=rater columns.image_id=photo columns.score=rating" in said.out
    assert "guessed: scale=1..4 of kind" in said.out
    assert said.metrics["scale.kind"] == "1..4"
    assert workspace.read("images")["image_id"].to_pylist() == ["1.jpg", "2.jpg"]


def test_columns_that_are_given(tmp_path, imported):
    path = written(tmp_path / "x.csv", "who;what;nice;certain\nana;1.jpg;3,5;1\nben;2.jpg;1,0;2\n")
    said, workspace = imported(path, "columns.user_id=who", "columns.image_id=what", "columns.score=nice", "scale=1..5:0.5")
    assert rated(workspace) == [("ana", "1.jpg", "nice", 3.5), ("ben", "2.jpg", "nice", 1)]
    assert said.out[0] == "columns: columns.user_id=who columns.image_id=what columns.score=nice"


def test_a_column_for_each_rater(tmp_path, imported):
    said, workspace = imported(written(tmp_path / "x.csv", "image,mean,r1,r2\n1.jpg,2,1,3\n2.jpg,4,,4\n"), "attribute=kind")
    assert rated(workspace) == [("r1", "1.jpg", "kind", 1), ("r2", "1.jpg", "kind", 3), ("r2", "2.jpg", "kind", 4)]
    assert (said.metrics["cells.blank"], said.metrics["rows.read"], said.metrics["ratings.rejected"]) == (1, 3, 0)


def test_a_column_for_each_image(tmp_path, imported):
    path = written(tmp_path / "kind.csv", "sex,age,bob,ann,eve\nmale,30.5,1,2,3\nfemale,20,4,x,6\n")
    _, workspace = imported(path, "columns.attribute=@file", "columns.images=bob,ann,eve")
    assert [row for row in rated(workspace) if row[0] == "kind:2"] == [
        ("kind:2", "bob", "kind", 1),
        ("kind:2", "ann", "kind", 2),
        ("kind:2", "eve", "kind", 3),
    ]
    assert refusals(workspace) == [
        (None, 3, "ann", "x", "no number: expected a score; words need scale=LOWEST,...,HIGHEST", "kind"),
    ]


def test_a_column_for_each_attribute(tmp_path, imported):
    _, workspace = imported(written(tmp_path / "x.csv", "user,image,kind,smart\nana,1.jpg,3,2\n"))
    assert rated(workspace) == [("ana", "1.jpg", "kind", 3), ("ana", "1.jpg", "smart", 2)]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (
            "user,left,right,choice\nana,a,b,left\nana,b,c,2\nana,a,c,tie\nana,c,d,d\n",
            (),
            [("ana", "a", "b", "left"), ("ana", "b", "c", "right"), ("ana", "a", "c", "tie"), ("ana", "c", "d", "right")],
        ),
        (
            "user,image1,image2,label\nana,a,b,0\nana,b,c,1\nana,a,c,0.5\n",
            ("choices=0,1,0.5",),
            [("ana", "a", "b", "left"), ("ana", "b", "c", "right"), ("ana", "a", "c", "tie")],
        ),
        ("user,winner,loser\nana,b,a\nana,b,c\n", (), [("ana", "a", "b", "right"), ("ana", "b", "c", "left")]),
        (
            "user,image,rank\nana,a,2\nana,b,1\nana,c,2\nben,a,1\n",
            (),
            [("ana", "a", "b", "right"), ("ana", "a", "c", "tie"), ("ana", "b", "c", "left")],
        ),
        (
            "user,order\nana,b > a = c\n",
            ("columns.ranking=order",),
            [("ana", "a", "b", "right"), ("ana", "b", "c", "left"), ("ana", "a", "c", "tie")],
        ),
        (
            "user,best,then,last\nana,b,a,c\n",
            ("columns.ranking=best,then,last",),
            [("ana", "a", "b", "right"), ("ana", "b", "c", "left"), ("ana", "a", "c", "left")],
        ),
    ],
)
def test_pairs_and_rankings(tmp_path, imported, text, words, expected):
    said, workspace = imported(written(tmp_path / "x.csv", text), *words)
    assert (said.code, sorted(compared(workspace))) == (0, sorted(expected))


def test_choices_that_may_mean_several_things(tmp_path, imported):
    said, workspace = imported(written(tmp_path / "x.csv", "user,left,right,choice\nana,a,b,0\nana,b,c,1\n"))
    assert (said.code, len(said.err)) == (2, 1)
    assert "choice has 0 and 1 alone, which may mean several things; give choices=LEFT,RIGHT" in said.err[0]
    assert workspace.read("comparisons").num_rows == 0


# ---- scales


@pytest.mark.parametrize(
    ("cells", "words", "scores"),
    [
        (["1", "7"], ("scale=1..7",), [1, 7]),
        (["1", "7"], ("scale=1..7", "onto=1..4"), [1, 4]),
        (["1", "7"], ("scale=7..1",), [7, 1]),
        (["bad", "Good"], ("scale=bad,fair,good",), [1, 3]),
        (["33,3", "100"], ("scale=0..100:0",), [pytest.approx(33.3, rel=1e-6), 100]),
    ],
)
def test_scales(tmp_path, imported, cells, words, scores):
    text = "user;image;score\n" + "".join(f"ana;{row}.jpg;{cell}\n" for row, cell in enumerate(cells))
    _, workspace = imported(written(tmp_path / "x.csv", text), *words)
    assert workspace.read("ratings")["score"].to_pylist() == scores
    (scale,) = workspace.read("scales").to_pylist()
    assert scale["declared"]
    assert (scale["low"], scale["high"]) == {"onto=1..4": (1, 4), "scale=0..100:0": (0, 100), "scale=bad,fair,good": (1, 3)}.get(
        words[-1], (1, 7)
    )


def test_another_scale_than_the_workspace_has(tmp_path, imported):
    first = written(tmp_path / "a.csv", "user,image,score\nana,1.jpg,4\n")
    second = written(tmp_path / "b.csv", "user,image,score\nana,2.jpg,7\n")
    imported(first, "scale=1..4")
    said, workspace = imported(second, "scale=1..7")
    assert said.code == 2
    assert (
        f"preference is on a scale of 1..4 in {tmp_path}/w, and of 1..7 in {second}; onto=1..4 moves its scores there"
        in said.err[0]
    )
    assert workspace.read("ratings").num_rows == 1
    said, workspace = imported(second, "scale=1..7", "onto=1..4")
    assert (said.code, workspace.read("ratings")["score"].to_pylist()) == (0, [4, 4])


def test_onto_needs_to_know_the_scale(tmp_path, imported):
    said, _ = imported(written(tmp_path / "x.csv", RATED), "onto=1..4")
    assert (said.code, "say by scale= what the file's is" in said.err[0]) == (2, True)


# ---- what is refused


def test_every_cell_that_can_not_be_read_is_listed(tmp_path, imported):
    text = (
        "id,user,image,score,time\n"
        "1,ana,1.jpg,3,2025-02-01\n"
        "2,,1.jpg,3,2025-02-01\n"
        "3,ana,,3,2025-02-01\n"
        "4,ana,2.jpg,9,2025-02-01\n"
        "5,ana,2.jpg,,2025-02-01\n"
        "1,ben,1.jpg,2,2025-02-01\n"
        "7,ana\u200b,1.jpg,3,2025-02-01\n"
        "8,7.65E+17,1.jpg,3,2025-02-01\n"
        ",,,,\n"
        "9,eve,1.jpg,2,someday\n"
        "10,eve,2.jpg,2,2025-02-01,more\n"
    )
    said, workspace = imported(written(tmp_path / "x.csv", text), "scale=1..4", "attribute=kind")
    assert [row[0] for row in rated(workspace)] == ["ana", "eve"]
    found = refusals(workspace)
    assert {row[1:5] for row in found} == {
        (3, "user", None, "missing"),
        (4, "image", None, "missing"),
        (5, "score", "9", "outside the scale: expected 1..4"),
        (6, "score", None, "missing: expected 1..4"),
        (7, "id", "1", "repeated: the first judgement of this id stays"),
        (8, "user", "ana\u200b", "a control or format character (U+200B) in a name"),
        (9, "user", "7.65E+17", "a number of more than 15 digits, which spreadsheets round: store the column as text"),
        (11, "time", "someday", "not a readable time"),
        (12, "user", "eve", "6 cells where the header has 5 (a delimiter in a cell that is not quoted?)"),
    }
    assert {row[5] for row in found if row[2] != "time"} == {"kind"}
    assert [row[5] for row in found if row[2] == "time"] == [None]
    assert (said.metrics["rows.read"], said.metrics["ratings.accepted"], said.metrics["ratings.rejected"]) == (10, 2, 8)
    assert workspace.read("ratings")["at"].null_count == 1


def test_pairs_that_are_refused(tmp_path, imported):
    text = "user,left,right,choice\nana,a,a,left\nana,a,b,up\nana,a,b,right\n"
    said, workspace = imported(written(tmp_path / "x.csv", text))
    assert compared(workspace) == [("ana", "a", "b", "right")]
    assert [row[4].partition(":")[0] for row in refusals(workspace)] == ["the pair of an image with itself", "outside the choices"]
    assert (said.metrics["comparisons.accepted"], said.metrics["comparisons.rejected"]) == (1, 2)


def test_nothing_that_can_be_read_is_a_mistake(tmp_path, imported):
    said, workspace = imported(written(tmp_path / "x.csv", "user,image,score\nana,1.jpg,good\nana,2.jpg,bad\n"))
    assert (said.code, len(said.err)) == (2, 1)
    assert "none of the 2 judgements in" in said.err[0]
    assert "row 2, column score: 'good': no number" in said.err[0]
    assert workspace.read("ratings").num_rows == 0


def test_sheets_of_a_workbook(tmp_path, imported):
    from openpyxl import Workbook

    book = Workbook()
    notes, one, two = book.active, book.create_sheet("women"), book.create_sheet("men")
    notes.append(["Study of 2024"])
    for page, people in ((one, ("ana", 765432109876543210)), (two, ("ben", "eve"))):
        page.append(["Rater", "Filename", "Rating"])
        for row, person in enumerate(people):
            page.append([person, f"{page.title}{row}.jpg", row + 1])
    two.append([None, None, " "])
    two.append(["eve", "men9.jpg", "=1+1"])
    book.save(tmp_path / "x.xlsx")
    said, workspace = imported(tmp_path / "x.xlsx", "columns.attribute=@sheet")
    assert rated(workspace) == [("ana", "women0.jpg", "women", 1), ("ben", "men0.jpg", "men", 1), ("eve", "men1.jpg", "men", 2)]
    assert {(row[0], row[1], row[2], row[4].partition(":")[0]) for row in refusals(workspace)} == {
        ("women", 3, "Rater", "a number of more than 15 digits, which spreadsheets round"),
        ("men", 5, "Rating", "a formula without its result"),
    }
    assert any(line.startswith("not read: ") and "'Sheet'" in line for line in said.out)


def test_dates_of_1904(tmp_path, imported):
    import datetime

    from openpyxl import Workbook
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    page = book.active
    page.append(["user", "image", "score", "time"])
    page.append(["ana", "1.jpg", 1, datetime.datetime(2024, 3, 14, 12)])
    book.save(tmp_path / "x.xlsx")
    _, workspace = imported(tmp_path / "x.xlsx")
    assert workspace.read("ratings")["at"].to_pylist() == [datetime.datetime(2024, 3, 14, 12, tzinfo=datetime.UTC)]


# ---- again, and images


def test_twice_changes_nothing_and_a_correction_corrects(tmp_path, imported):
    path = written(tmp_path / "x.csv", RATED)
    imported(path, "scale=1..5")
    before = {p: p.read_bytes() for p in (tmp_path / "w").rglob("*.parquet")}
    imported(path, "scale=1..5")
    assert {p: p.read_bytes() for p in (tmp_path / "w").rglob("*.parquet")} == before
    written(path, "rater,photo,rating\nben,1.jpg,5\nana,1.jpg,3\nana,2.jpg,1\n")  # in another order, too
    _, workspace = imported(path, "scale=1..5")
    assert sorted(rated(workspace)) == [
        ("ana", "1.jpg", "preference", 3),
        ("ana", "2.jpg", "preference", 1),
        ("ben", "1.jpg", "preference", 5),
    ]


def test_judging_the_same_image_twice_is_two_judgements(tmp_path, imported):
    _, workspace = imported(written(tmp_path / "x.csv", "user,image,score\nana,1.jpg,3\nana,1.jpg,4\n"))
    rows = workspace.read("ratings").to_pylist()
    assert [(row["judgement_id"], row["score"]) for row in rows] == [("x.csv", 3), ("x.csv#2", 4)]


def test_names_of_images_are_those_of_the_workspace(tmp_path, scene, saved, imported):
    for name in ("CF1", "CF2"):
        (tmp_path / "faces" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / "deep" / f"{name}.png").write_bytes(saved(scene(12, 10)))
    path = written(tmp_path / "x.csv", "user,image,score\nana,CF1,1\nana,/elsewhere/deep/CF2.png,2\nana,CF9,3\n")
    said, workspace = imported(path, f"images={tmp_path}/faces")
    assert said.code == 0
    assert {row["uri"] for row in workspace.read("images").to_pylist()} == {
        f"{tmp_path}/faces/deep/CF1.png",
        f"{tmp_path}/faces/deep/CF2.png",
    }
    assert [row[1] for row in rated(workspace)] == ["CF1", "/elsewhere/deep/CF2.png"]
    assert ("image", "CF9", "its image CF9 is of no use: the image file does not exist") in {
        (row[2] if row[2] == "image" else "image", row[3], row[4]) for row in refusals(workspace)
    }
    assert (said.metrics["ratings.rejected"], said.metrics["images.rejected"]) == (1, 1)
    written(tmp_path / "y.csv", "user,image,score\nben,CF2,1\n")
    _, workspace = imported(tmp_path / "y.csv")
    assert rated(workspace)[-1][:2] == ("ben", "/elsewhere/deep/CF2.png")


# ---- templates and published shapes


@pytest.mark.parametrize("name", list(templates.TEMPLATES))
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_template_is_imported_as_it_is(beholder, tmp_path, imported, name, kind):
    said = beholder("import", f"template={tmp_path}/{name}.{kind}", f"workspace={tmp_path}/w")
    assert said.code == 0
    said, _ = imported(tmp_path / f"{name}.{kind}")
    assert (said.code, said.metrics["ratings.rejected"], said.metrics["comparisons.rejected"]) == (0, 0, 0)
    assert said.metrics["rows.read"] >= 2


def test_a_template_of_another_name(beholder, tmp_path):
    said = beholder("import", f"template={tmp_path}/rating.csv", f"workspace={tmp_path}/w")
    assert (said.code, len(said.err)) == (2, 1)
    assert "expected ratings, attributes, raters, comparisons, winners, rankings with .csv" in said.err[0]
    assert said.err[0].endswith("did you mean ratings?")


def test_an_apostrophe_keeps_text_from_being_a_formula(tmp_path, imported):
    text = "user,image,score\n=1+2,1.jpg,x\n-3,1.jpg,4\n@ana,1.jpg,3\n"
    said, workspace = imported(written(tmp_path / "x.csv", text))
    assert [row[0] for row in rated(workspace)] == ["-3", "@ana"]
    written(tmp_path / "y.csv", "user,image,score\n=cmd|x,1.jpg,=1+2\nana,1.jpg,3\n")
    said, _ = imported(tmp_path / "y.csv")
    assert "'=1+2" in (said.run / "results.csv").read_text()


PUBLISHED: dict[str, tuple[str, str, list[tuple]]] = {
    "scut_fbp5500": (
        "All_Ratings.csv",
        "Rater,Filename,Rating,original Rating\n1,CF1.jpg,3,\n1,CF2.jpg,5,4\n",
        [("1", "CF1.jpg", "attractive", 3)],
    ),
    "mebeauty": (
        "scores.csv",
        ",mean,image,path,17,18\n0,5.5,a.jpg,/x/a.jpg,10,\n1,5,b.jpg,/x/b.jpg,1,2\n",
        [("17", "a.jpg", "attractive", 10)],
    ),
    "omi": (
        "attribute_ratings.csv",
        "rating_type,participant,stimulus,attribute,rating\nnormal,9,17,smart,33.5\nrepeat,9,17,smart,100\n",
        [("9", "17", "smart", 33.5)],
    ),
    "para": (
        "PARA-Images.csv",
        "sessionId,imageName,userId,aestheticScore,qualityScore,compositionScore,colorScore,dofScore,contentScore,lightScore,semantic\n"
        "session1,iaa_pub1_.jpg,A9,3.5,3,4,3,2,5,4,portrait\n",
        [("A9", "iaa_pub1_.jpg", "aestheticScore", 3.5), ("A9", "iaa_pub1_.jpg", "qualityScore", 3)],
    ),
    "lapis": (
        "LAPIS_PIAA.csv",
        "participant_id,image_filename,rating,age,VAIAK1\n5d,abstract/1.jpg,71,30,4\n",
        [("5d", "abstract/1.jpg", "aesthetic", 71)],
    ),
    "flickr_aes": ("workers.csv", "worker, imagePair, score\nA1, farm1_2.jpg,4\n", [("A1", "farm1_2.jpg", "aesthetic", 4)]),
    "eva": ("votes_filtered.csv", 'image_id=user_id=score=difficulty\n"9"="7"=10=1\n"8"="7"=0=1\n', [("7", "9", "aesthetic", 10)]),
    "threedsk": (
        "3dsk_men_att.csv",
        "sex,sexpref,age,alex,arnold\nmale,women,36.4,1,7\n",
        [("3dsk_men_att:2", "alex", "3dsk_men_att", 1)],
    ),
}


@pytest.mark.parametrize("shape", list(PUBLISHED))
def test_published_shapes(tmp_path, imported, shape):
    name, text, expected = PUBLISHED[shape]
    if shape != "threedsk":  # which takes every column of every table for an image
        written(tmp_path / "data" / "README.csv", "about,what\nthis,that\n")
    written(tmp_path / "data" / name, text)
    said, workspace = imported(tmp_path / "data", f"shape={shape}")
    assert said.code == 0
    assert rated(workspace)[: len(expected)] == expected
    assert said.metrics["ratings.rejected"] == 0
    assert {row["declared"] for row in workspace.read("scales").to_pylist()} == {True}
    assert any(line.startswith("not read: ") and "README.csv" in line for line in said.out) == (shape != "threedsk")


def test_mebeauty_as_a_file_for_each_rater(tmp_path, sheet, imported):
    sheet(tmp_path / "data" / "female_20.xlsx", [None, "image", "label"], [[0, "CF1", 7], [1, "CF2", 10]])
    _, workspace = imported(tmp_path / "data", "shape=mebeauty")
    assert rated(workspace) == [("female_20", "CF1", "attractive", 7), ("female_20", "CF2", "attractive", 10)]


def test_imagereward(tmp_path, imported):
    records = [{"id": "0-1", "prompt": "a cat", "generations": ["a", "b", "c"], "ranking": [1, 2, 2]}]
    written(tmp_path / "train.json", json.dumps(records))
    _, workspace = imported(tmp_path / "train.json", "shape=imagereward")
    assert compared(workspace) == [("everyone", "a", "b", "left"), ("everyone", "a", "c", "left"), ("everyone", "b", "c", "tie")]


def test_pickapic(tmp_path, imported):
    columns = {
        "user_id": [5, 5, 6],
        "image_0_uid": list("ace"),
        "image_1_uid": list("bdf"),
        "label_0": [1.0, 0.0, 0.5],
        "jpg_0": [b"x"] * 3,
    }
    pq.write_table(pa.table(columns | {"created_at": ["2023-02-01"] * 3}), tmp_path / "x.parquet")
    _, workspace = imported(tmp_path / "x.parquet", "shape=pickapic")
    assert compared(workspace) == [("5", "a", "b", "left"), ("5", "c", "d", "right"), ("6", "e", "f", "tie")]


def test_an_unknown_shape(tmp_path, imported):
    said, _ = imported(written(tmp_path / "x.csv", RATED), "shape=scut")
    assert (said.code, "shape=scut is not known" in said.err[0]) == (2, True)


def test_the_real_wide_tables(omi, imported):
    folder = omi.parent / "threedsk"
    said, _ = imported(folder, "shape=threedsk")
    assert said.metrics["rows.read"] == said.metrics["ratings.accepted"] == 100_000  # ten files of 200 raters and 50 faces


def test_a_source_that_is_not_there_is_said_to_be_so(beholder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = beholder("import", "source=ratingss.csv")
    assert (said.code, said.err) == (2, ["beholder: source=ratingss.csv: there is no such file or folder"])


def test_a_workspace_in_the_folder_of_the_tables_is_no_source(beholder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"p{person},i{image},{1 + (person + image) % 4}" for person in range(3) for image in range(6)]
    (tmp_path / "ratings.csv").write_text("\n".join(["user_id,image_id,score", *rows]) + "\n")
    for _ in range(2):
        said = beholder("import", "source=.", "attribute=kind")
        assert said.code == 0, said.err
        assert said.metrics["ratings.accepted"] == 18


def test_why_rows_are_refused_is_printed_with_an_example_and_where_all_are(tmp_path, imported):
    text = "rater,photo,rating\nana,1.jpg,3\nana,2.jpg,9\nben,1.jpg,8\nben,,2\n"
    said, _ = imported(written(tmp_path / "x.csv", text), "scale=1..4", "attribute=kind")
    assert said.code == 0
    assert "refused: 2 for rating: outside the scale: expected 1..4; the first: x.csv row 3, '9'" in said.out
    assert any(line.startswith("refused: 1 for photo: missing") for line in said.out)
    assert f"refused rows are in {said.run}/results.csv" in said.out


def test_columns_are_named_as_other_lists_are(tmp_path, imported):
    text = "sex,alex,ben,carl\nf,3,4,1\nm,2,2,2\n"
    said, workspace = imported(written(tmp_path / "x.csv", text), "columns.images=[alex,ben]", "attribute=kind")
    assert said.code == 0
    assert sorted({row[1] for row in rated(workspace)}) == ["alex", "ben"]
    said, _ = imported(written(tmp_path / "x.csv", text), "columns.images=[alex,benn]", "attribute=kind")
    assert "has no column 'benn' (columns.images)" in said.err[0]


def test_tables_of_which_none_says_what_was_judged_are_told_to_be_taken_as_one_attribute(tmp_path, imported):
    for name in ("attractive", "dominant"):
        written(tmp_path / "study" / f"{name}.csv", "sex,age,alex,ben,carl,dora\nf,30,3,4,1,7\nm,21,2,2,2,6\n")
    said, workspace = imported(tmp_path / "study")
    (note,) = [line for line in said.out if line.startswith("guessed: attribute=")]
    assert "the same in several tables" in note
    assert "columns.attribute=@file" in note
    assert {row[2] for row in rated(workspace)} == {"preference"}
    said, workspace = imported(tmp_path / "study", "columns.attribute=@file")
    assert {row[2] for row in rated(workspace)} == {"preference", "attractive", "dominant"}
