"""Drawn photos: the copy of a photo and what was drawn of it, in one file of the workspace, so that they are removed together."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from beholder import images
from beholder.errors import StorageError, UnknownImage
from beholder.recommending.own_photos.look_service import PhotoStore
from beholder.storage import Place

GENERATOR = "diffusion"  # what answers call the editor
_COPY = 1024  # pixels of the longer side of the copy that is kept of a photo: pipelines draw no more
_QUALITY = 95
_PHOTO = "photo"  # the entry of the copy; other entries are named by what they were drawn by


class DrawnPhotos(PhotoStore):
    """Photos of at most 1024 pixels a side with their drawings, JPEG each, a zip file a photo; of seeds the drawings alone."""

    generator = GENERATOR

    def __init__(self, place: Place, fingerprint: str = GENERATOR) -> None:
        """place: of the workspace. fingerprint: of the pipeline that draws."""
        self._folder, self.fingerprint = place / GENERATOR, fingerprint

    def write(self, image_id: str, pixels: np.ndarray) -> None:
        """Keep the copy of a photo, uint8 RGB [H, W, 3], without drawings."""
        self._write(image_id, {_PHOTO: _jpeg(images.shrink(pixels, _COPY))})

    def drawing(self, image_id: str, name: str) -> np.ndarray | None:
        """Return what was drawn of an image, uint8 RGB [H, W, 3]; None where it was not. name: what it was drawn by."""
        if not self._at(image_id).is_file():
            return None
        data = self._entries(image_id, name).get(name)
        return None if data is None else images.decode(data)

    def keep(self, image_id: str, name: str, drawing: np.ndarray) -> np.ndarray:
        """Keep a drawing with its image, and return it as `drawing` will. Raises UnknownImage for a photo that is gone."""
        data = _jpeg(drawing)
        there = self._at(image_id).is_file()
        if not there and not image_id.startswith("seed-"):
            raise UnknownImage(f"{image_id} is not among the photos uploaded to {self.generator}")
        self._write(image_id, {**(self._entries(image_id) if there else {}), name: data})
        return images.decode(data)

    def _file(self, image_id: str) -> bytes:
        return self._entries(image_id, _PHOTO)[_PHOTO]

    def _at(self, image_id: str) -> Place:
        return self._folder / f"{image_id}.zip"

    def _write(self, image_id: str, entries: Mapping[str, bytes]) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:  # JPEG is compressed already
            for name, data in entries.items():
                archive.writestr(name, data)
        self._at(image_id).write_bytes(file.getvalue())

    def _entries(self, image_id: str, only: str | None = None) -> dict[str, bytes]:
        """Return the entries of a file, or one of them if it is there. Raises StorageError for what is no such file."""
        place = self._at(image_id)
        try:
            with zipfile.ZipFile(io.BytesIO(place.read_bytes())) as archive:
                return {name: archive.read(name) for name in archive.namelist() if only in (None, name)}
        except zipfile.BadZipFile:
            raise StorageError(f"{place.uri} is damaged: delete it, and bring the photo again") from None


def _jpeg(pixels: np.ndarray) -> bytes:
    return images.encode(pixels, format="JPEG", quality=_QUALITY)
