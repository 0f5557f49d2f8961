"""An upload: a photo as a path, bytes, a file object or a PIL image, read while it is sent."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Any


class Upload:
    """A photo to be sent, perhaps more than once.

    A file object is sent whole, from its beginning. again: whether it can be: a stream that can't go back to its beginning is
    sent once. Raises TypeError for what is no photo, OSError for a path that can't be read.
    """

    def __init__(self, source: Source) -> None:
        self.again, self.name = True, "photo"
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._bytes = b""
        if isinstance(source, str | os.PathLike):
            self._path = Path(source)
            self.name = self._path.name
            self._path.open("rb").close()  # says now what is wrong with it
        elif isinstance(source, bytes | bytearray | memoryview):
            self._bytes = bytes(source)
        elif hasattr(source, "read"):
            self._file = source
            self.again = bool(getattr(source, "seekable", lambda: False)())
            self.name = os.path.basename(str(getattr(source, "name", "photo")))
        elif hasattr(source, "save") and hasattr(source, "mode"):
            self._bytes = _written(source)
        else:
            raise TypeError(f"expected a path, bytes, a file opened for reading bytes, or a PIL image, got {type(source).__name__}")

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[str, Any, str]]:
        """Return its file name, its bytes or a file at its beginning, and its media type, as httpx takes a file."""
        media_type = "application/octet-stream"  # the server looks into the bytes
        if self._path is not None:
            with self._path.open("rb") as file:
                yield self.name, file, media_type
        elif self._file is not None:
            if self.again:
                self._file.seek(0)
            yield self.name, self._file, media_type
        else:
            yield self.name, self._bytes, media_type


def _written(picture: Any) -> bytes:
    """Return a PIL image as a file, with its profile and the side that it lies on."""
    file = io.BytesIO()
    kept = {"exif": picture.getexif(), "icc_profile": picture.info.get("icc_profile")}
    if picture.mode in ("RGB", "L"):
        picture.save(file, format="JPEG", quality=95, **kept)
    else:
        picture.save(file, format="PNG", **kept)
    return file.getvalue()
