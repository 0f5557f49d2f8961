"""Landmarks: which face is meant; and with the extra installed, faces in photos."""

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from beholder import images
from beholder.editing.faces.landmarks import DetectedFace, DlibDetector, FrontalBoxes, KnownFaces, _shrink, choose, load_detector
from beholder.errors import EditError


def face(left: float, width: float) -> DetectedFace:
    return DetectedFace((left, 10, left + width, 10 + width), np.zeros((68, 2)))


def test_the_face_that_is_meant() -> None:
    faces = KnownFaces([face(300, 50), face(10, 40), face(120, 90)]).faces(np.zeros((9, 9, 3), np.uint8))
    assert [each.box[0] for each in faces] == [10, 120, 300]
    assert [choose(faces, which) for which in ("largest", "left", "right", "0", "2")] == [1, 0, 2, 0, 2]
    assert choose(faces) == 1


@pytest.mark.parametrize(
    ("which", "says"),
    [("3", "face=3 is not there: the photo has 3"), ("middle", "largest, left, right or a number"), ("-1", "largest, left, right")],
)
def test_a_face_that_is_not_there_is_refused(which: str, says: str) -> None:
    with pytest.raises(EditError, match=says):
        choose([face(0, 9)] * 3, which)


def test_no_face_is_said() -> None:
    with pytest.raises(EditError, match="no face was found"):
        choose([])


def test_shrinking_takes_means() -> None:
    photo = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    small = _shrink(photo, 2)
    assert small.shape == (2, 2, 3)
    assert small[1, 0].tolist() == np.rint(photo[2:4, 0:2].reshape(4, 3).mean(axis=0)).tolist()


def test_without_the_extra_it_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['dlib'] = None\n"
        "from beholder.editing.faces.landmarks import DlibDetector\nfrom beholder.errors import EditError\n"
        "try: DlibDetector()\nexcept EditError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert 'pip install "beholder[dlib]"' in ran.stdout
    assert "aligned=true" in ran.stdout


@pytest.fixture(scope="module")
def dlib() -> DlibDetector:
    if importlib.util.find_spec("dlib") is None or importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip('the extra "dlib" is not installed')
    return DlibDetector()


def test_a_photo_without_faces_has_none(dlib: DlibDetector, scene) -> None:
    assert dlib.faces(scene(200, 150)) == []


def test_faces_of_photos_are_where_they_are(dlib: DlibDetector, omi: Path) -> None:
    """These photos were cut out by FFHQ's recipe: one face each, eyes and mouth at known places."""
    found = []
    for name in ("1", "10", "100", "1000"):
        faces = dlib.faces(images.decode((omi / "images" / f"{name}.jpg").read_bytes()))
        assert len(faces) == 1
        found.append(faces[0].points / 256)
    mean = np.mean(found, axis=0)
    np.testing.assert_allclose(mean[36:42].mean(axis=0), [0.38, 0.47], atol=0.03)
    np.testing.assert_allclose(mean[42:48].mean(axis=0), [0.62, 0.47], atol=0.03)
    np.testing.assert_allclose(mean[48:68].mean(axis=0), [0.5, 0.73], atol=0.04)


def test_two_faces_in_a_large_photo(dlib: DlibDetector, omi: Path) -> None:
    wide = np.full((700, 3400, 3), 128, np.uint8)  # looked at in a copy a third as large
    for name, at in (("1", 200), ("10", 2400)):
        photo = images.decode((omi / "images" / f"{name}.jpg").read_bytes())
        wide[80:592, at : at + 512] = photo.repeat(2, axis=0).repeat(2, axis=1)
    faces = dlib.faces(wide)
    assert len(faces) == 2
    assert [float(each.points[36:48, 0].mean()) for each in faces] == pytest.approx([200 + 256, 2400 + 256], abs=30)


def test_a_detector_is_loaded_once_and_an_unknown_one_refused(dlib: DlibDetector) -> None:
    assert load_detector("dlib") is load_detector("dlib")
    with pytest.raises(EditError, match="detector must be mtcnn or dlib, not 'haar'"):
        load_detector("haar")


def test_other_threads_go_on_while_frontal_faces_are_looked_for() -> None:
    pytest.importorskip("dlib", reason="the extra faces is not installed")
    find = FrontalBoxes()
    assert find(np.zeros((64, 64, 3), np.uint8)).shape == (0, 4)  # the process has started
    gaps, over = [0.0], threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not over.wait(0.001):
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.monotonic()
    find(np.zeros((2000, 2000, 3), np.uint8))
    took = time.monotonic() - began
    over.set()
    thread.join()
    assert max(gaps) < took / 2
