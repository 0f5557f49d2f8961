"""Editor: the contract of everything that edits pictures along named directions.

`stylegan` signs it, and so does `fake`, an editor of a few lines for tests. One that edits by diffusion fits
behind the same three calls: what a latent holds is an editor's own affair.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from beholder.errors import EditError, ImageError

if TYPE_CHECKING:
    import numpy as np

Edit = Mapping[str, float]  # direction -> alpha


class Latents(Protocol):
    """Pictures as an editor knows them, one a row; rows can be chosen."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Slider(Protocol):
    """A direction as people move along it: its name, the alphas that make sense, and the labels of its low and its high end."""

    @property
    def name(self) -> str: ...

    @property
    def range(self) -> tuple[float, float]: ...

    @property
    def labels(self) -> tuple[str, str]: ...


L = TypeVar("L", bound=Latents)


class Editor(Protocol[L]):
    """Makes pictures, takes pictures in, and edits both.

    A picture depends on its own latent and edit alone: the same call twice, and the same row among other rows, give the same
    bytes, and where an edit moves nothing nothing changes.
    """

    @property
    def resolution(self) -> int:
        """R: the pictures are R x R."""
        ...

    @property
    def directions(self) -> Mapping[str, Slider]:
        """The directions that an edit may name."""
        ...

    def generate(self, seeds: Sequence[int]) -> L:
        """Return one latent for each seed, 0..2^32-1, always the same one. Raises EditError for another seed."""
        ...

    def invert(self, images: "np.ndarray") -> L:
        """Return the latents that come closest to pictures, uint8 RGB [N, H, W, 3] of any size, their middle square taken.

        Raises ImageError for pictures of another kind.
        """
        ...

    def edit(self, latent: L, edits: Sequence[Edit], *, size: int | None = None) -> "np.ndarray":
        """Draw latents moved along an edit each, or one latent along all of them: uint8 RGB [N, R, R, 3].

        size: the pixels that are needed: an editor that draws smaller pictures for less may return those of another R, at least so
        large, or its largest.
        alpha 0 is the identity; the order of an edit means nothing; directions add up. Raises EditError for a direction nobody
        knows, an alpha that is not finite, and counts that don't match.
        """
        ...


def latent_rows(count: int, edits: Sequence[Edit]) -> list[int]:
    """Return the row of the latent that each edit belongs to: its own, or the only one.

    Raises EditError where the counts don't match.
    """
    if count != len(edits) and count != 1:
        raise EditError(f"expected an edit for each of {count} latents, got {len(edits)}")
    return [0] * len(edits) if count == 1 else list(range(count))


def check_images(images: "np.ndarray") -> None:
    """Raise ImageError for anything but uint8 RGB [N, H, W, 3] with at least one pixel."""
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype.name != "uint8" or 0 in images.shape[1:]:
        raise ImageError(f"expected pictures as uint8 RGB [N, H, W, 3], got {images.dtype} {list(images.shape)}")
