"""The commands of studies: a study made, people invited, status, closing; mistakes in one line."""

from pathlib import Path

import pytest

from beholder import images


@pytest.fixture
def study(tmp_path: Path, beholder, scene):
    """The study of the template, on 30 pictures; returns its workspace's word."""
    (tmp_path / "photos").mkdir()
    for number in range(30):
        (tmp_path / "photos" / f"{number}.png").write_bytes(images.encode(scene(32, 32, number)))
    file, workspace = tmp_path / "faces.yaml", f"workspace={tmp_path / 'workspace'}"
    assert beholder("study", "new", f"template={file}", workspace).code == 0
    file.write_text(file.read_text().replace("images: photos", f"images: {tmp_path / 'photos'}"))
    said = beholder("study", "new", file, workspace)
    assert said.code == 0, said.err
    assert said.out[0] == "study faces: 30 images, 50 trials for each participant"
    return workspace


def test_from_the_template_to_closing(study: str, beholder, tmp_path: Path):
    said = beholder("study", "invite", "faces", "count=2", "address=https://lab.example/", f"write={tmp_path / 'links.csv'}", study)
    assert said.code == 0, said.err
    links = (tmp_path / "links.csv").read_text().splitlines()
    assert links[0] == "link"
    assert all(link.startswith("https://lab.example/study/faces#") for link in links[1:])
    assert len({len(link) for link in links[1:]}) == 1
    said = beholder("study", "status", study)
    assert said.out[0].startswith("faces: new; 0 joined, 0 finished, 0 there now, 2 invited and not come")
    assert said.metrics["faces.ratings.images"] == 30
    assert beholder("study", "close", "faces", study).out[0].startswith("faces: closed")
    assert "was closed already" in beholder("study", "close", "faces", study).out[0]
    said = beholder("study", "export", "faces", f"folder={tmp_path / 'out'}", study)
    assert said.code == 0, said.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"images.csv", "participants.csv"}


def test_no_study_yet(beholder, tmp_path: Path):
    assert beholder("study", "status", f"workspace={tmp_path}").out[0].startswith("no study yet")


MISTAKES = {
    "study new": "give the study's file",
    "study new no.yaml": "no.yaml does not exist",
    "study new TMP/faces.yaml": "there is a study 'faces' already",
    "study new template=TMP/faces.yaml": "is there already; give another name",
    "study invite faces count=0": "count must be between 1 and 100,000, got 0",
    "study invite face": "there is no study 'face'; did you mean faces?",
    "study invite faces address=lab": "address must begin with http",
    "study close": "study close needs name=...",
    "study close faces now": "'now' is not of the form key=value",
    "study status x": "there is no study 'x'",
    "study export faces format=doc": "format must be one of csv, parquet, xlsx, got 'doc'",
    "study open face port=8999": "there is no study 'face'",
    "study open": "study open needs name=...",
}


def test_mistakes_are_one_line(study: str, beholder, tmp_path: Path):
    for line, said in MISTAKES.items():
        done = beholder(*line.replace("TMP", str(tmp_path)).split(), study)
        assert (done.code, len(done.err)) == (2, 1), line
        assert said in done.err[0], line
