"""Picture: pixels that a notebook shows, with what was done to them in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from beholder import images
from beholder.errors import InputError
from beholder.storage import Place

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_SHOWN = 512  # pixels of the longer side of what a notebook shows


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a notebook shows.

    pixels: uint8 RGB [H, W, 3]. caption: what is done in it, in words. edit: direction -> alpha. `np.asarray(picture)` are its
    pixels, `picture.to_pil()` a PIL image. source: what it was drawn from, so that `bh.edit` goes on from there.

    >>> import numpy as np
    >>> picture = Picture(np.zeros((2, 3, 3), np.uint8), "a hat")
    >>> picture
    <Picture 3 x 2: a hat>
    >>> np.asarray(picture).shape
    (2, 3, 3)
    """

    pixels: np.ndarray
    caption: str = ""
    edit: Mapping[str, float] = field(default_factory=dict)
    source: Any = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def to_pil(self) -> Any:
        """Return it as a PIL image."""
        return images.to_pil(self.pixels)

    def save(self, path: str | Path) -> Path:
        """Write it to a .png, .jpg or .webp file and return the path. Raises InputError for another kind of file."""
        kind = FORMATS.get(Path(path).suffix.lower())
        if kind is None:
            raise InputError(f"{path}: expected a file that ends in {', '.join(FORMATS)}")
        Place.at(path).write_bytes(images.encode(self.pixels, format=kind, quality=92))
        return Path(path)

    def _repr_png_(self) -> bytes:
        return images.encode(images.shrink(self.pixels, _SHOWN))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.pixels, dtype=dtype, copy=bool(copy) or dtype is not None)

    def __repr__(self) -> str:
        return f"<Picture {self.size[0]} x {self.size[1]}{': ' * bool(self.caption)}{self.caption}>"

    def data_uri(self, side: int = 512) -> str:
        """Return it as a data: URI, to be put into HTML; its longer side at most `side` pixels."""
        import base64

        return (
            "data:image/webp;base64,"
            + base64.b64encode(images.encode(images.shrink(self.pixels, side), format="WEBP", quality=90)).decode()
        )


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Pictures side by side, as a notebook shows them; captions: below each."""

    pictures: tuple[Picture, ...]
    captions: tuple[str, ...]
    width: int = 160

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        return f"<SideBySide of {len(self)}: {'; '.join(filter(None, self.captions))}>"

    def _repr_html_(self) -> str:
        return row_html(self.pictures, self.captions, width=self.width)


def row_html(pictures: Sequence[Picture], captions: Sequence[str], *, width: int = 200) -> str:
    """Return HTML of pictures side by side with a caption below each; width: of each, in pixels."""
    cells = "".join(
        f'<figure style="margin:0;width:{width}px"><img src="{picture.data_uri(2 * width)}" width="{width}" alt="{escape(text)}">'
        f'<figcaption style="font-size:90%;text-align:center">{escape(text)}</figcaption></figure>'
        for picture, text in zip(pictures, captions, strict=True)
    )
    return f'<div style="display:flex;gap:12px;flex-wrap:wrap">{cells}</div>'
