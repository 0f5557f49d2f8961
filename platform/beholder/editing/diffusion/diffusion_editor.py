"""The diffusion editor: photos moved along instructions and slider adapters by a diffusion pipeline."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder import images as pictures
from beholder.cache import BoundedCache
from beholder.editing.diffusion import diffusion_directions
from beholder.editing.diffusion.diffusion_config import DiffusionConfig, file_identity
from beholder.editing.diffusion.diffusion_directions import DiffusionDirection
from beholder.editing.diffusion.diffusion_pipeline import DiffusionPipeline, Progress
from beholder.editing.directions.edit_text import check
from beholder.editing.editor import Edit, check_images, latent_rows
from beholder.editing.looks import landscape
from beholder.editing.looks.look_editor import LookLatents
from beholder.errors import EditError

_SEEDS = 2**32
_ASPECT = 1.5  # width over height of the landscapes of seeds
_SAME, _OTHER = 3.0, 16.0  # levels of 255 up to which nothing has changed, and from which on everything has
_NEAR = 1 / 64  # of the longer side: how far around a change it counts
_DRAWN = 8  # photos whose drawing without an edit stays in memory


class DiffusionEditor:
    """Signs the contract of editors, whose pictures are R x R: the middle squares of photos. `draw` draws whole photos.

    Alpha 0 is the photo itself. Where an edit changes nothing in what the pipeline draws, the photo keeps its own pixels at its own
    resolution; elsewhere it takes the drawn ones. Seeds choose among the photos that it was given, or draw landscapes where it was
    given none. Safe to share between threads: they draw in turn.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        photos: Sequence[np.ndarray] = (),
        *,
        directions: Mapping[str, DiffusionDirection] = diffusion_directions.DEFAULT,
        keep: bool = True,
    ) -> None:
        """photos: uint8 RGB [H, W, 3] each. Raises ImageError for other arrays, WeightsError for an adapter that does not fit."""
        for each in photos:
            check_images(each[None])
        self.resolution = max(1, pipeline.side // pipeline.multiple) * pipeline.multiple
        self._pipeline, self._photos, self._directions, self._keep = pipeline, tuple(photos), dict(directions), keep
        self.fingerprint = pipeline.fingerprint
        self._lock = threading.Lock()
        self._unedited: BoundedCache[Any, np.ndarray] = BoundedCache(_DRAWN)
        for direction in self._directions.values():
            if direction.adapter:
                pipeline.add_adapter(direction.name, direction.adapter)

    @classmethod
    def load(cls, config: DiffusionConfig, photos: Sequence[np.ndarray] = ()) -> "DiffusionEditor":
        """Load the pipeline and directions of a config. Raises WeightsError and EditError."""
        directions = diffusion_directions.DEFAULT if config.directions is None else diffusion_directions.read(config.directions)
        return cls(DiffusionPipeline.load(config), photos, directions=directions, keep=config.keep)

    @property
    def directions(self) -> Mapping[str, DiffusionDirection]:
        return self._directions

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
        squares = [pictures.fit_pixels(each, pictures.Fit(self.resolution)) for each in latent.photos]
        result = np.empty((len(rows), self.resolution, self.resolution, 3), np.uint8)
        for at, (row, edit) in enumerate(zip(rows, edits, strict=True)):
            result[at] = self._drawn(squares[row], edit, self.resolution)
        return result

    def draw(
        self,
        latent: LookLatents,
        edits: Sequence[Edit],
        *,
        side: int | None = None,
        progress: Progress = lambda step, steps: None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> list[np.ndarray]:
        """Draw whole photos under an edit each, or one photo under all of them: uint8 RGB [H, W, 3] each, in the photo's shape.

        side: the pixels of the longer side that the pipeline draws; by default its own. progress: told each step of a drawing and
        how many there are. Raises EditError as `edit` does, and DrawingAbandoned between two steps once `abandoned` says so.
        """
        rows = latent_rows(len(latent), edits)
        return [
            self._drawn(latent.photos[row], edit, side or self.resolution, progress, abandoned)
            for row, edit in zip(rows, edits, strict=True)
        ]

    def digest(self, edit: Edit) -> str:
        """Return an id of what an edit is drawn by: the pipeline, instructions, adapters and their strengths."""
        check(edit, self._directions)
        moves = [(self._directions[name], alpha) for name, alpha in sorted(edit.items()) if alpha]
        told = [
            (file_identity(Path(each.adapter)) if each.adapter else each.instruction, round(alpha * each.scale, 6))
            for each, alpha in moves
        ]
        return hashlib.sha256(json.dumps([self.fingerprint, self._keep, sorted(told)]).encode()).hexdigest()[:24]

    def _drawn(
        self,
        photo: np.ndarray,
        edit: Edit,
        side: int,
        progress: Progress = lambda step, steps: None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> np.ndarray:
        check(edit, self._directions)
        instructions: dict[str, float] = {}
        adapters: dict[str, float] = {}
        for name, alpha in sorted(edit.items()):
            direction = self._directions[name]
            if alpha and direction.adapter:
                adapters[name] = alpha * direction.scale
            elif alpha:
                instructions[direction.instruction] = instructions.get(direction.instruction, 0.0) + alpha * direction.scale
        if not instructions and not adapters:
            return photo.copy()
        height, width = self._pipeline.size_for(photo.shape[0], photo.shape[1], side)
        small = _resized(photo, height, width)
        with self._lock:
            after = self._pipeline.draw(small, instructions, adapters, progress=progress, abandoned=abandoned)
            if not self._keep:
                return _resized(after, *photo.shape[:2])
            key = f"{height} {width} {pictures.digest(small.tobytes())}"
            before = self._unedited.get_or_make(
                key, lambda: self._pipeline.draw(small, {}, {}, progress=progress, abandoned=abandoned)
            )
        return kept(photo, before, after)


def kept(photo: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return a photo with what differs between two drawings of it, uint8 RGB [H, W, 3]; bit for bit itself where nothing does.

    before, after: uint8 RGB [h, w, 3], drawn without and with an edit.
    """
    changed = np.abs(after.astype(np.float32) - before).max(axis=2)
    reach = max(1, round(max(changed.shape) * _NEAR))
    near = functional.avg_pool2d(torch.from_numpy(changed)[None, None], 2 * reach + 1, 1, reach, count_include_pad=False)
    share = ((near - _SAME) / (_OTHER - _SAME)).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    if changed.shape != photo.shape[:2]:
        share = functional.interpolate(share, photo.shape[:2], mode="bilinear", align_corners=False)
    part = share[0, 0, :, :, None].numpy()
    return np.asarray(np.rint(photo + part * (_resized(after, *photo.shape[:2]).astype(np.float32) - photo)).astype(np.uint8))


def _resized(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return uint8 RGB [H, W, 3] at another size, bicubic."""
    if photo.shape[:2] == (height, width):
        return photo
    values: Tensor = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float()
    drawn = functional.interpolate(values, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return np.asarray(drawn.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).contiguous().numpy())
