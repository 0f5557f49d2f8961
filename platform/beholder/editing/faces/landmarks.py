"""Landmarks: where the faces of a photo are, and points of each; the only door to dlib.

dlib keeps Python's lock while it looks for faces, which stops all threads of a process for half a second; so it looks in a helper
process, which is this module run.

The extra `faces` brings MTCNN's weights (see mtcnn), the default, and dlib, whose detector of frontal faces finds drawn ones, too.
The extra `dlib` brings a predictor of 68 points besides. It was trained on the iBUG 300-W photos, whose licence excludes commercial
use: whoever uses it for more than research has to ask Imperial College London.
"""

import functools
import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from beholder import helper_process
from beholder.errors import EditError, NoFaceFound
from beholder.helper_process import HelperProcess

DETECTORS = ("mtcnn", "dlib")
_PREDICTOR = "shape_predictor_68_face_landmarks.dat"
_LOOKING_S = 60.0  # seconds that dlib has for a picture, beside much else
_LONG_SIDE = 1600  # faces are looked for in a copy no larger than this; they are found from about 40 of its pixels


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """A face of a photo, in its pixels from the upper left corner.

    box: left, top, right, bottom. points: float [68, 2], x and y, in the order of 300-W: jaw 0-16, brows 17-26, nose 27-35,
    eyes 36-41 and 42-47, mouth 48-67; or [5, 2]: eyes, nose, corners of the mouth; the side that is left in the upright picture
    first. sure: how sure the detector is, 0..1.
    """

    box: tuple[float, float, float, float]
    points: np.ndarray
    sure: float = 1.0

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class Detector(Protocol):
    """Finds faces."""

    def faces(self, photo: np.ndarray) -> list[DetectedFace]:
        """The faces of a photo, uint8 RGB [H, W, 3], from left to right; none is no error."""
        ...


@functools.lru_cache(maxsize=len(DETECTORS))
def load_detector(name: str = DETECTORS[0]) -> Detector:
    """Return the detector of this name, loaded once. Raises EditError for an unknown one and where its extra is not installed."""
    if name == "mtcnn":
        from beholder.editing.faces.mtcnn import MtcnnDetector

        return MtcnnDetector(boxes=_frontal_boxes())
    if name != "dlib":
        raise EditError(f"detector must be {' or '.join(DETECTORS)}, not {name!r}")
    return DlibDetector()


class DlibDetector:
    """dlib's detector and predictor. Raises EditError where the extra `dlib` is not installed."""

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError:
            raise EditError(
                'detector=dlib needs the extra "dlib": pip install "beholder[dlib]"; an aligned picture needs none: aligned=true'
            ) from None
        self._dlib: Any = dlib
        self._boxes = FrontalBoxes(upsample=1)
        self._predictor = dlib.shape_predictor(str(_model()))

    def faces(self, photo: np.ndarray) -> list[DetectedFace]:
        height, width = photo.shape[:2]
        step = max(1, -(-max(height, width) // _LONG_SIDE))
        small = np.ascontiguousarray(_shrink(photo, step))
        found = []
        for box in self._boxes(small).astype(int).tolist():
            whole = self._dlib.rectangle(*(edge * step for edge in box))
            shape = self._predictor(photo, whole)
            points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
            found.append(DetectedFace((whole.left(), whole.top(), whole.right(), whole.bottom()), points))
        return sorted(found, key=lambda face: face.box[0] + face.box[2])


@dataclass(frozen=True)
class KnownFaces:
    """A detector that finds what it was told, whatever the photo; for tests, and for faces that were marked by hand."""

    told: Sequence[DetectedFace]

    def faces(self, photo: np.ndarray) -> list[DetectedFace]:
        return sorted(self.told, key=lambda face: face.box[0] + face.box[2])


def choose(faces: Sequence[DetectedFace], which: str = "largest") -> int:
    """Which of faces, sorted from left to right, is meant: largest, left, right, or a number counted from 0 at the left.

    Raises EditError for no face at all, and for one that is not there.
    """
    if not faces:
        raise NoFaceFound(
            "no face was found in the photo, neither as it is nor turned on a side or upside down; "
            "if it is an aligned picture of one face, say aligned=true"
        )
    if which == "largest":
        return max(range(len(faces)), key=lambda at: faces[at].area)
    if which in ("left", "right"):
        return 0 if which == "left" else len(faces) - 1
    if not which.isdecimal():
        raise EditError(f"face must be largest, left, right or a number counted from 0 at the left, not {which!r}")
    if int(which) >= len(faces):
        raise EditError(f"face={which} is not there: the photo has {len(faces)}, counted from 0 at the left")
    return int(which)


def _frontal_boxes() -> "FrontalBoxes | None":
    """Return what finds boxes of frontal faces; None where dlib is not installed."""
    return FrontalBoxes() if importlib.util.find_spec("dlib") is not None else None


class FrontalBoxes:
    """dlib's detector of frontal faces in a helper process. Safe to share between threads."""

    def __init__(self, *, upsample: int = 0) -> None:
        """upsample: how often a picture is doubled first."""
        self._process, self._upsample, self._lock = HelperProcess("beholder.editing.faces.landmarks"), upsample, threading.Lock()

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return boxes float [N, 4] in a picture, uint8 RGB [H, W, 3]. Raises EditError where it takes too long."""
        head = {"shape": picture.shape, "upsample": self._upsample}
        with self._lock:
            try:
                reply = self._process.ask(head, np.ascontiguousarray(picture).tobytes(), _LOOKING_S)
            except TimeoutError:
                reply = None
        if reply is None:
            raise EditError(f"faces could not be looked for within {_LOOKING_S:.0f} seconds; try again, or with a smaller photo")
        return np.array(reply["boxes"], np.float64).reshape(-1, 4)


def _look() -> None:
    """Answer with the boxes of the frontal faces in pictures: the helper process."""
    import dlib

    detector: Any = dlib.get_frontal_face_detector()

    def boxes(head: dict[str, Any], data: bytes) -> dict[str, Any]:
        picture = np.frombuffer(data, np.uint8).reshape(head["shape"])
        found = detector(picture, head["upsample"])
        return {"boxes": [(box.left(), box.top(), box.right(), box.bottom()) for box in found]}

    helper_process.serve(boxes)


def _model() -> Path:
    """The predictor's file. Its package is not imported: that would ask for pkg_resources, which new setuptools lacks."""
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "models" / _PREDICTOR).is_file():
            return path
    raise EditError(f'{_PREDICTOR} is not installed; the extra "dlib" brings it: pip install "beholder[dlib]"')


def _shrink(photo: np.ndarray, step: int) -> np.ndarray:
    """Means of squares of step x step pixels; what is left over at the right and lower edge is dropped."""
    if step == 1:
        return photo
    height, width = (side // step * step for side in photo.shape[:2])
    tiles = photo[:height, :width].reshape(height // step, step, width // step, step, 3)
    return np.asarray(np.rint(tiles.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8))


if __name__ == "__main__":
    _look()
