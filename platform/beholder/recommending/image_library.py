"""The image library: the images that people are asked about, made from a seed or inverted from a photo, and drawn under edits."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from beholder import images
from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.editing.directions.edit_text import check, parse
from beholder.editing.directions.vocabulary import check_range
from beholder.editing.editor import Edit
from beholder.editing.editor_config import Refinement
from beholder.editing.faces.landmarks import load_detector
from beholder.errors import ConfigError, PersonErased, StorageError, UnknownImage
from beholder.images import ImageLimits
from beholder.recommending.store.choice_store import Store
from beholder.storage import Place

if TYPE_CHECKING:
    from beholder.editing.inversion import InversionStep
    from beholder.editing.latent import Latent
    from beholder.editing.saved_inversion import SavedInversion
    from beholder.editing.stylegan import StyleGAN

# Latents are torch's, which is imported where they are made: who only passes on what a library says of images needs none.
FORMATS = {"image/webp": "WEBP", "image/png": "PNG", "image/jpeg": "JPEG"}
_QUALITY = 95  # of pictures that people compare
_SEED = re.compile(r"seed-(0|[1-9][0-9]{0,9})")
_PHOTO = re.compile(r"photo-[0-9a-f]{24}")


@dataclass(frozen=True)
class ImageLibraryConfig:
    """What a photo may cost and how closely it is inverted; how much is kept."""

    limits: ImageLimits = setting(ImageLimits(max_pixels=40_000_000, max_bytes=12 * 1024 * 1024), "what a photo may cost")
    refinement: Refinement = setting(Refinement(seconds=8.0, stay=1.0), "how closely a photo is inverted")
    detector: str = setting("mtcnn", "how faces are found: mtcnn, or dlib, whose landmarks exclude commercial use")
    force: bool = setting(False, "take photos all the same that the generator can't redraw")
    latents: int = setting(1000, "images whose latents stay in memory")
    pictures_mb: float = setting(64.0, "megabytes of picture files that stay in memory")

    def __post_init__(self) -> None:
        if self.latents < 1 or self.pictures_mb < 0:
            raise ConfigError(
                f"image_library.latents must be at least 1, pictures_mb at least 0, got {self.latents}, {self.pictures_mb}"
            )


@dataclass(frozen=True)
class LibraryImage:
    """An image that people can be asked about. source: seed or photo. loss: how far the inversion is off; None for a seed."""

    image_id: str
    source: str
    resolution: int
    loss: float | None = None


class Abandoned(Exception):
    """Work was given up before it was done, because nobody waits for it any more."""


class LatentStore:
    """The latents of a workspace's images, for one generator."""

    def __init__(self, editor: "StyleGAN", place: Place, generator: str, finished_from: Sequence[str] = ()) -> None:
        """place: of the workspace; generator: the name of the editor's; finished_from: fingerprints whose latents are its, too."""
        from beholder.editing.generator_store import fingerprint

        self.editor, self.generator, self._place, self.finished_from = editor, generator, place, tuple(finished_from)
        self.fingerprint = fingerprint(editor.generator)

    @staticmethod
    def id_of_seed(seed: int) -> str:
        """Return the id of what a generator makes of a seed."""
        return f"seed-{seed}"

    @staticmethod
    def id_of_photo(user_id: str, sha256: str) -> str:
        """Return the id of a person's photo, by the digest of its file.

        The same file has another id for everybody: so nobody learns whether somebody else has it, and it goes with its person.
        """
        return f"photo-{hashlib.sha256(f'{user_id} {sha256}'.encode()).hexdigest()[:24]}"

    def __contains__(self, image_id: str) -> bool:
        return bool(_SEED.fullmatch(image_id)) or (bool(_PHOTO.fullmatch(image_id)) and self._at(image_id).is_file())

    def write(self, image_id: str, inverted: "SavedInversion") -> None:
        """Keep a photo's latent. Raises EditError for the latent of another generator."""
        self._own(inverted).write(latent_place(self._place, self.fingerprint, (), image_id))

    def latent(self, image_id: str) -> "Latent":
        """Return the latent of an image, of one row.

        Raises UnknownImage for an id that is none, and for a photo that was never uploaded.
        """
        seed = _SEED.fullmatch(image_id)
        if seed:
            return self.editor.generate([int(seed[1])])
        return self.inverted(image_id).latent.to(self.editor.device)

    def inverted(self, image_id: str) -> "SavedInversion":
        """Return what is kept of a photo. Raises UnknownImage as `latent` does."""
        if not _PHOTO.fullmatch(image_id):
            raise UnknownImage(f"{image_id[:60]!r} is no image: expected seed-NUMBER or the photo-... that a photo was given")
        from beholder.editing.saved_inversion import SavedInversion

        try:
            inverted = SavedInversion.read(self._at(image_id))
        except StorageError:
            raise UnknownImage(f"{image_id} is not among the photos uploaded to generator {self.generator}") from None
        return self._own(inverted)

    def remove(self, image_id: str) -> None:
        """Remove a photo's latent, if it is there, also those of the generators that this one was trained on from."""
        if _PHOTO.fullmatch(image_id):
            for each in (self.fingerprint, *self.finished_from):
                latent_place(self._place, each, (), image_id).delete()

    def uri(self, image_id: str) -> str:
        """Return where a photo's latent lies."""
        return self._at(image_id).uri

    def _own(self, inverted: "SavedInversion") -> "SavedInversion":
        return inverted.of_generator(self.editor.generator.config, self.fingerprint, self.generator, self.finished_from)

    def _at(self, image_id: str) -> Place:
        return latent_place(self._place, self.fingerprint, self.finished_from, image_id)


def latent_place(workspace: Place, fingerprint: str, finished_from: Sequence[str], image_id: str) -> Place:
    """Return where a photo's latent lies, or would lie where there is none.

    finished_from: fingerprints of the generators that this one was trained on from, in whose folders it may lie, too.
    """
    places = [workspace / "latents" / each / f"{image_id}.safetensors" for each in (fingerprint, *finished_from)]
    return next((place for place in places if place.is_file()), places[0])


class ImageLibrary:
    """Pictures of images under edits. Safe to share between threads."""

    def __init__(self, editor: "StyleGAN", latents: LatentStore, store: Store, config: ImageLibraryConfig | None = None) -> None:
        self.editor, self.latents, self.store = editor, latents, store
        self.config = config or ImageLibraryConfig()
        self._latents: BoundedCache[str, Latent] = BoundedCache(self.config.latents)
        self._grey: BoundedCache[str, bool] = BoundedCache(self.config.latents)
        self._files: BoundedCache[tuple[str, str, str, int | None], bytes] = BoundedCache(self.config.pictures_mb * 1e6, weigh=len)

    def image(self, image_id: str) -> LibraryImage:
        """Return an image by its id. Raises UnknownImage for an id that is none, and for a photo that is not there or gone."""
        self.latent(image_id)
        return LibraryImage(image_id, image_id.partition("-")[0], self.editor.resolution)

    def add_photo(
        self, data: bytes, user_id: str, *, aligned: bool = False, abandoned: Callable[[], bool] = lambda: False
    ) -> LibraryImage:
        """Invert a photo, the bytes of its file, and keep it as uploaded by this person; one that is there is not inverted again.

        abandoned: asked now and then whether nobody waits for it any more. Raises ImageError for what is no picture or too large,
        EditError for a photo without a face and one that the generator can't redraw, Abandoned where it was given up, PersonErased
        where the person was erased meanwhile: then nothing of it is kept.
        """

        from beholder.editing.faces.photo import Photo
        from beholder.editing.saved_inversion import SavedInversion

        def go_on(step: "InversionStep | None" = None) -> None:
            if abandoned():
                raise Abandoned

        erasures = self.store.erasures(user_id)
        image_id = LatentStore.id_of_photo(user_id, images.digest(data))
        if image_id in self.latents and (self.latents.inverted(image_id).square is None) == aligned:
            self._keep(user_id, image_id, erasures)
            return LibraryImage(image_id, "photo", self.editor.resolution)
        go_on()
        photo = Photo.read(
            data, aligned=aligned, detector=lambda: load_detector(self.config.detector), limits=self.config.limits
        )  # fmt: skip
        go_on()
        square = photo.aligned(self.editor.resolution)
        inversion = self.editor.inversion(square[None], refinement=self.config.refinement, progress=go_on)
        if not self.config.force:
            self.editor.check_kind(inversion)
        go_on()
        latents = self.latents
        digest = images.digest(data)
        inverted = SavedInversion(inversion.latent, latents.fingerprint, latents.generator, digest, photo.square, photo.grey)
        self._keep(user_id, image_id, erasures, inverted)
        return LibraryImage(image_id, "photo", self.editor.resolution, round(float(inversion.after[0]), 4))

    def _keep(self, user_id: str, image_id: str, erasures: int, inverted: "SavedInversion | None" = None) -> None:
        """Keep that a photo is a person's, then its latent, where it is new.

        So there is no file that could not be removed with them. Raises PersonErased where they were erased since `erasures`.
        """
        self.store.uploaded(user_id, image_id, self.latents.uri(image_id), at=datetime.now(UTC), erasures=erasures)
        if inverted is not None:
            self.latents.write(image_id, inverted)
        if not self.store.has_upload(user_id, image_id):  # erased while it was written
            self.forget(image_id)
            raise PersonErased("this person was erased meanwhile, and nothing is kept of them")

    def forget(self, image_id: str) -> None:
        """Remove a photo's latent, if it is there, and what of it is in memory."""
        self.latents.remove(image_id)
        self._latents.pop(image_id)
        self._grey.pop(image_id)
        for key in self._files.held():
            if key[0] == image_id:
                self._files.pop(key)

    def latent(self, image_id: str) -> "Latent":
        """Return the latent of an image, of one row. Raises UnknownImage as `image` does: what was removed is not remembered."""
        if image_id not in self.latents:
            self._latents.pop(image_id)
            return self.latents.latent(image_id)  # raises, and says what is wrong
        return self._latents.get_or_make(image_id, lambda: self.latents.latent(image_id))

    def check(self, image_id: str, edits: Sequence[Edit]) -> "Latent":
        """Return the latent to draw. Raises UnknownImage as `image` does, EditError for an edit that makes no sense."""
        latent = self.latent(image_id)
        for edit in edits:
            check(edit, self.editor.directions)
        return latent

    def draw_images(self, requests: Sequence[tuple[str, Sequence[Edit]]], *, size: int | None = None) -> list[np.ndarray]:
        """Draw images under some edits each, together: for each image uint8 RGB [its edits, R, R, 3]. Raises as `check` does.

        size: the pixels that are needed, as for `StyleGAN.edit`.
        """
        return self.draw_latents([(self.check(image_id, edits), edits) for image_id, edits in requests], size=size)

    def draw_latents(self, requests: "Sequence[tuple[Latent, Sequence[Edit]]]", *, size: int | None = None) -> list[np.ndarray]:
        """Draw latents of one row under some edits each, together: for each uint8 RGB [its edits, R, R, 3]; size: as above."""
        from beholder.editing.latent import Latent

        edits = [edit for _, some in requests for edit in some]
        if not edits:
            side = self.editor.drawn_size(size)
            return [np.empty((0, side, side, 3), np.uint8) for _ in requests]
        drawn = self.editor.edit(Latent.join([latent for latent, some in requests for _ in some]), edits, size=size)
        ends = np.cumsum([len(some) for _, some in requests])
        return [drawn[end - len(some) : end] for end, (_, some) in zip(ends, requests, strict=True)]

    def draw(self, latent: "Latent", edits: Sequence[Edit], *, size: int | None = None) -> np.ndarray:
        """Draw a latent of one row under edits, uint8 RGB [N, R, R, 3]; size: as for `draw_images`."""
        return self.draw_latents([(latent, edits)], size=size)[0]

    def read_edit(self, text: str) -> dict[str, float]:
        """Return an edit as people write it. Raises EditError for an unknown direction and an alpha outside its range."""
        edit = parse(text, self.editor.directions)
        check_range(edit, self.editor.directions)
        return edit

    def picture(self, image_id: str, edit: Edit, media_type: str, size: int | None = None) -> bytes:
        """Return an image under an edit as a file of image/webp, image/png or image/jpeg. Raises as `check` does.

        size: the pixels that are needed, as for `StyleGAN.edit`.
        """
        size = self.shown_size(image_id, size)
        cached = self.cached_file(image_id, edit, media_type, size)
        if cached is not None:
            return cached
        drawn = self.draw_images([(image_id, [edit])], size=size)
        return self.encode_file(image_id, edit, media_type, drawn[0][0], size)

    def shown_size(self, image_id: str, size: int | None) -> int | None:
        """Return at what size an image is drawn for people who need `size` pixels; None: whole.

        It is one of the few sizes that the generator draws, so that a picture's file is kept once. A photo with detail is drawn
        whole, since smaller pictures lack it.
        """
        side = self.editor.drawn_size(size)
        return None if side == self.editor.resolution or any(self.latent(image_id).details) else side

    def grey(self, image_id: str) -> bool:
        """Whether an image is a black-and-white photo, whose pictures are to be so, too."""
        if image_id.startswith("seed-"):
            return False
        return self._grey.get_or_make(image_id, lambda: self.latents.inverted(image_id).grey)

    def cached_file(self, image_id: str, edit: Edit, media_type: str, size: int | None = None) -> bytes | None:
        """Return the file of a picture that was made a moment ago. Raises UnknownImage where the image is gone."""
        if image_id not in self.latents:
            self.latents.latent(image_id)  # raises, and says what is wrong
        return self._files.get((image_id, _text(edit), media_type, size))

    def encode_file(self, image_id: str, edit: Edit, media_type: str, pixels: np.ndarray, size: int | None = None) -> bytes:
        """Return a drawn picture, uint8 RGB [side, side, 3], as a file, which is kept for a while."""
        if self.grey(image_id):
            from beholder.editing.faces.photo import to_grey

            pixels = to_grey(pixels)
        data = images.encode(pixels, format=FORMATS[media_type], quality=_QUALITY)
        self._files.put((image_id, _text(edit), media_type, size), data)
        return data


def _text(edit: Edit) -> str:
    return ",".join(f"{name}={edit[name]!r}" for name in sorted(edit) if edit[name])
