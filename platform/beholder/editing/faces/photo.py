"""Photo: somebody's picture, the square around the face in it, and the way back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from beholder import images
from beholder.editing.faces import blending
from beholder.editing.faces.alignment import Square, cut
from beholder.editing.faces.landmarks import DetectedFace, Detector, choose
from beholder.errors import EditError
from beholder.images import ImageLimits, Transparency

_UPRIGHT = 0.995  # of a detector's certainty: a face that is surer is not looked for in the photo turned
_GREY = 4  # levels of 255 between a pixel's channels, up to which a photo counts as grey
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
_TURNS = (0, 1, 3, 2)  # quarter turns against the clock, likeliest first


@dataclass(frozen=True, eq=False)
class Photo:
    """pixels: uint8 RGB [H, W, 3]. square: where its face is; None where the picture is an aligned one and needs no square.

    faces: how many were found; face: which of them this is, counted from 0 at the left.
    turned: by how many degrees against the clock it has to be turned for its faces to stand upright: 0, 90, 180 or 270.
    transparency: what the pixels have lost on white.
    """

    pixels: np.ndarray
    square: Square | None = None
    faces: int = 1
    face: int = 0
    turned: int = 0
    transparency: Transparency | None = None

    @classmethod
    def read(
        cls,
        data: bytes,
        *,
        aligned: bool = False,
        which: str = "largest",
        detector: Callable[[], Detector],
        limits: ImageLimits | None = None,
    ) -> "Photo":
        """Read a photo, the bytes of its file, and find its face as `find` does, unless it is aligned.

        Raises ImageError for what is no picture, EditError as `find` and `of_aligned` do.
        """
        pixels, transparency = images.decode_layers(data, limits=limits)
        photo = cls.of_aligned(pixels) if aligned else cls.find(pixels, which=which, detector=detector)
        return replace(photo, transparency=transparency)

    @classmethod
    def of_aligned(cls, pixels: np.ndarray) -> "Photo":
        """Take a picture that was cut out around a face. Raises EditError for one that is not square, which nobody cut out so."""
        height, width = pixels.shape[:2]
        if height != width:
            raise EditError(
                f"aligned=true is for a square cut out around a face, as FFHQ's are; this picture is {width} x {height}: "
                "leave aligned out, so that its face is looked for, or cut it square"
            )
        return cls(pixels)

    @classmethod
    def find(cls, pixels: np.ndarray, *, which: str = "largest", detector: Callable[[], Detector]) -> "Photo":
        """Find the face: the largest, left or right one, or a number counted from 0 at the left.

        Where none stands upright, the photo is looked at turned on its sides and upside down. Raises EditError for no face, a
        number that is not there, and a face that is too small.
        """
        faces, turn = _found(pixels, detector())
        chosen = choose(faces, which)
        return cls(pixels, Square.around(faces[chosen].points), len(faces), chosen, 90 * turn)

    @property
    def grey(self) -> bool:
        """Whether it is a black-and-white photo."""
        sparse = max(1, min(self.pixels.shape[:2]) // 256)  # colours are mostly seen in a few pixels
        return all(_spread(part) <= _GREY for part in (self.pixels[::sparse, ::sparse], self.pixels))

    def aligned(self, size: int) -> np.ndarray:
        """What a generator of faces takes, uint8 [size, size, 3]: the square upright, or an aligned picture."""
        if self.square is not None:
            return cut(self.pixels, self.square, size)
        return images.fit_pixels(self.pixels, images.Fit(size))

    def with_face(self, drawn: np.ndarray, *, transparent: bool = True) -> np.ndarray:
        """The photo with its square drawn anew, uint8 [R, R, 3], without a seam; of an aligned picture the drawing itself.

        Of a grey photo it is grey. Of a transparent one it is RGBA, as transparent as it was; not `transparent`: it lies on white.
        """
        if self.grey:
            drawn = to_grey(drawn)
        layers = self.transparency if transparent else None
        if self.square is None:
            return drawn if layers is None else np.dstack([drawn, _opacity(layers, len(drawn))])
        whole = blending.put_back(self.pixels, self.square, self.aligned(len(drawn)), drawn)
        return whole if layers is None else layers.restore(self.pixels, whole)


def _spread(pixels: np.ndarray) -> int:
    """The largest difference between two channels of a pixel."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return int((highest - lowest).max())


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 RGB [..., 3] as a black-and-white photo shows it, in three equal channels."""
    return np.repeat(np.rint(pixels @ _LUMA).astype(np.uint8)[..., None], 3, axis=-1)


def _opacity(transparency: Transparency, size: int) -> np.ndarray:
    return images.fit_pixels(np.repeat(transparency.alpha[..., None], 3, axis=2), images.Fit(size))[..., 0]


def _found(pixels: np.ndarray, detector: Detector) -> tuple[Sequence[DetectedFace], int]:
    """Return the faces of a photo from left to right, and the quarter turns against the clock in which they stand upright."""
    best: tuple[Sequence[DetectedFace], int] = ((), 0)
    surest = 0.0
    for turn in _TURNS:
        faces = detector.faces(np.ascontiguousarray(np.rot90(pixels, turn)))
        sure = max((face.sure for face in faces), default=0.0)
        if sure > surest:
            best, surest = ([_turned_back(face, turn, pixels.shape[1], pixels.shape[0]) for face in faces], turn), sure
        if turn == 0 and surest >= _UPRIGHT:
            break
    return sorted(best[0], key=lambda face: face.box[0] + face.box[2]), best[1]


def _turned_back(face: DetectedFace, turn: int, width: int, height: int) -> DetectedFace:
    """Return a face found after quarter turns against the clock, where it is in the photo of this size."""

    def back(at: np.ndarray) -> np.ndarray:
        x, y = at[..., 0], at[..., 1]
        places = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}
        return np.stack(places[turn], axis=-1)

    edges = back(np.array(face.box).reshape(2, 2))
    (left, top), (right, bottom) = edges.min(axis=0).tolist(), edges.max(axis=0).tolist()
    return DetectedFace((left, top, right, bottom), back(face.points), face.sure)
