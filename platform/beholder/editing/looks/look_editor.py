"""The look editor: photos, or landscapes of seeds, developed along photographic directions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder import colour
from beholder import images as pictures
from beholder.editing.editor import Edit, check_images, latent_rows
from beholder.editing.looks import landscape
from beholder.editing.looks.develop import COLOURFUL, light_under
from beholder.editing.looks.framing import Framing
from beholder.editing.looks.full_size import linear_of, render
from beholder.editing.looks.look_directions import ASKED, COLUMN, DIRECTIONS, NAMES, LookDirection, strengths
from beholder.editing.looks.tone_maps import ToneMaps
from beholder.errors import EditError

_SEEDS = 2**32
_ASPECT = 1.5  # width over height of the landscapes of seeds
_AT_ONCE = 16  # thumbnails that are developed together: they stay in a core's cache


@dataclass(frozen=True)
class LookLatents:
    """Photos as the look editor knows them: as they are. photos: uint8 RGB [H, W, 3] each, of any sizes."""

    photos: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, rows: int | slice | Sequence[int]) -> "LookLatents":
        """Return some of the photos, in that order; of one row a LookLatents of one."""
        if isinstance(rows, slice):
            return LookLatents(self.photos[rows])
        return LookLatents(tuple(self.photos[row] for row in ([rows] if isinstance(rows, int) else rows)))


class LookEditor:
    """Signs the contract of editors, whose pictures are R x R: the middle squares of photos. `develop` draws whole photos.

    Seeds choose among the photos that it was given, or draw landscapes where it was given none.
    """

    def __init__(self, photos: Sequence[np.ndarray] = (), *, resolution: int = 512) -> None:
        """photos: uint8 RGB [H, W, 3] each. Raises ImageError for other arrays."""
        for each in photos:
            check_images(each[None])
        self.resolution, self._photos = resolution, tuple(photos)

    @property
    def directions(self) -> Mapping[str, LookDirection]:
        return DIRECTIONS

    @property
    def asked(self) -> Mapping[str, LookDirection]:
        """The directions that people are asked about."""
        return ASKED

    def generate(self, seeds: Sequence[int]) -> LookLatents:
        for seed in seeds:
            if not 0 <= seed < _SEEDS:
                raise EditError(f"expected a seed between 0 and {_SEEDS - 1}, got {seed}")
        if self._photos:
            return LookLatents(tuple(self._photos[seed % len(self._photos)] for seed in seeds))
        height = self.resolution
        return LookLatents(tuple(landscape.draw(seed, height, round(_ASPECT * height)) for seed in seeds))

    def invert(self, images: np.ndarray) -> LookLatents:
        check_images(images)
        return LookLatents(tuple(images))

    def edit(self, latent: LookLatents, edits: Sequence[Edit], *, size: int | None = None) -> np.ndarray:
        rows = latent_rows(len(latent), edits)
        side = min(size or self.resolution, self.resolution)
        result = np.empty((len(rows), side, side, 3), np.uint8)
        squares = [pictures.fit_pixels(each, pictures.Fit(side)) for each in latent.photos]
        for at, (row, edit) in enumerate(zip(rows, edits, strict=True)):
            result[at] = pictures.fit_pixels(render(squares[row], edit), pictures.Fit(side))
        return result

    def develop(self, latent: LookLatents, edits: Sequence[Edit], *, side: int | None = None) -> list[np.ndarray]:
        """Draw whole photos under a look each, or one photo under all of them: uint8 RGB [H, W, 3] each, in the photo's shape.

        side: the pixels of the longer side at most; by default the photo's own. Raises EditError as `edit` does.
        """
        rows = latent_rows(len(latent), edits)
        small = [each if side is None else pictures.shrink(each, side) for each in latent.photos]
        return [render(small[row], edit) for row, edit in zip(rows, edits, strict=True)]


@torch.inference_mode()
def embeddings(photo: np.ndarray, alphas: np.ndarray, describe: Callable[[Tensor], Tensor], *, size: int) -> np.ndarray:
    """Return the embeddings of a photo under many looks, drawn small and encoded, float32 [C, E].

    photo: uint8 RGB [H, W, 3]. alphas: float32 [C, D] in the fixed order of directions. describe: pictures of 8 bits in
    linear light [N, 3, size, size] -> embeddings [N, E].
    """
    thumbnail = pictures.fit_pixels(photo, pictures.Fit(size, "squash", "bilinear"))
    units = strengths(torch.from_numpy(alphas))
    original = linear_of(thumbnail)
    frames = units[:, [COLUMN["straighten"], COLUMN["crop"]]]
    colourful = units[:, [COLUMN[name] for name in COLOURFUL]].ne(0).any(dim=1)
    result: list[tuple[Tensor, Tensor]] = []
    for frame in torch.unique(frames, dim=0):
        framed = original
        framing = Framing(*photo.shape[:2], *frame.tolist())
        if not framing.is_whole:
            framed = Framing(size, size, framing.degrees, 1 - framing.zoom / Framing(size, size, framing.degrees, 0).zoom).of(
                framed, size, size
            )
        maps = ToneMaps(framed, size, size).whole(framed)
        same = (frames == frame).all(dim=1)
        for group in (same & ~colourful, same & colourful):
            for rows in group.nonzero().flatten().split(_AT_ONCE) if group.any() else ():
                drawn = colour.as_levels(light_under(framed, maps, units[rows]))
                drawn[units[rows].eq(0).all(dim=1)] = original
                result.append((rows, describe(drawn)))
    order = torch.cat([rows for rows, _ in result])
    return np.asarray(torch.cat([each for _, each in result])[torch.argsort(order)].numpy())


def columns_of(directions: Sequence[str]) -> list[int]:
    """Return the places of some directions in the fixed order. Raises EditError for one that is none."""
    for name in directions:
        if name not in COLUMN:
            raise EditError(f"{name} is no direction of looks: {', '.join(NAMES)}")
    return [COLUMN[name] for name in directions]
