"""Photo: somebody's picture, the square around the face in it, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from beholder import images
from beholder.editing.faces import blending
from beholder.editing.faces.alignment import Square, cut
from beholder.editing.faces.landmarks import Detector, choose


@dataclass(frozen=True, eq=False)
class Photo:
    """pixels: uint8 RGB [H, W, 3]. square: where its face is; None where the picture is an aligned one and needs no square.

    faces: how many were found; face: which of them this is, counted from 0 at the left.
    """

    pixels: np.ndarray
    square: Square | None = None
    faces: int = 1
    face: int = 0

    @classmethod
    def find(cls, pixels: np.ndarray, *, which: str = "largest", detector: Callable[[], Detector]) -> "Photo":
        """Find the face: the largest, left or right one, or a number counted from 0 at the left.

        Raises EditError for no face, a number that is not there, and a face that is too small.
        """
        faces = detector().faces(pixels)
        chosen = choose(faces, which)
        return cls(pixels, Square.around(faces[chosen].points), len(faces), chosen)

    def aligned(self, size: int) -> np.ndarray:
        """What a generator of faces takes, uint8 [size, size, 3]: the square upright, or the middle of an aligned picture."""
        if self.square is not None:
            return cut(self.pixels, self.square, size)
        return images.fit_pixels(self.pixels, images.Fit(size))

    def with_face(self, drawn: np.ndarray) -> np.ndarray:
        """The photo with its square drawn anew, uint8 [R, R, 3], without a seam; of an aligned picture the drawing itself."""
        if self.square is None:
            return drawn
        return blending.put_back(self.pixels, self.square, self.aligned(len(drawn)), drawn)
