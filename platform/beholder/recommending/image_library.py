"""The images that people are asked about, by id: made from a seed or inverted from a photo, drawn, and kept as files."""

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from beholder import images
from beholder.config import setting
from beholder.editing.directions.edit_text import check, parse
from beholder.editing.editor import Edit
from beholder.editing.faces.photo import Photo
from beholder.editing.generator_store import fingerprint
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.editing.stylegan import StyleGAN
from beholder.errors import ConfigError, EditError, StorageError, UnknownImage
from beholder.images import ImageLimits
from beholder.recommending.store.choice_store import Store
from beholder.storage import Place

FORMATS = {"image/webp": "WEBP", "image/png": "PNG", "image/jpeg": "JPEG"}
_QUALITY = 95  # of pictures that people compare


@dataclass(frozen=True)
class ImageLibraryConfig:
    """What a photo may cost and how closely it is inverted; how much is kept."""

    limits: ImageLimits = setting(ImageLimits(max_pixels=40_000_000, max_bytes=12 * 1024 * 1024), "what a photo may cost")
    refinement: Refinement = setting(Refinement(seconds=8.0, stay=1.0), "how closely a photo is inverted")
    latents: int = setting(1000, "faces whose latents stay in memory")
    pictures_mb: float = setting(64.0, "megabytes of picture files that stay in memory")

    def __post_init__(self) -> None:
        if self.latents < 1 or self.pictures_mb < 0:
            raise ConfigError(
                f"darkroom.latents must be at least 1, pictures_mb at least 0, got {self.latents}, {self.pictures_mb}"
            )


@dataclass(frozen=True)
class LibraryImage:
    """A face that people can be asked about. source: seed or photo. loss: how far the inversion is off; None for a seed."""

    image_id: str
    source: str
    resolution: int
    loss: float | None = None


class LatentStore:
    """The faces of a workspace, for one generator."""

    def __init__(self, editor: "StyleGAN", place: Place, generator: str):
        """place: of the workspace; generator: the name of the editor's."""
        self.editor, self.generator = editor, generator
        self.fingerprint = fingerprint(editor.generator)
        self._folder = place / "latents" / self.fingerprint

    @staticmethod
    def of_seed(seed: int) -> str:
        """The id of what a generator makes of a seed."""
        return f"seed-{seed}"

    @staticmethod
    def of_photo(sha256: str) -> str:
        """The id of a photo, by the digest of its file."""
        return f"photo-{sha256[:24]}"

    def __contains__(self, image_id: str) -> bool:
        return bool(_SEED.fullmatch(image_id)) or (bool(_PHOTO.fullmatch(image_id)) and self._at(image_id).is_file())

    def keep(self, inverted: SavedInversion) -> str:
        """Keep a photo's latent; its id. Raises EditError for the latent of another generator."""
        inverted.check(self.editor.generator.config, self.fingerprint, self.generator)
        image_id = self.of_photo(inverted.sha256)
        inverted.write(self._at(image_id))
        return image_id

    def latent(self, image_id: str) -> "Latent":
        """The latent of a face, of one row. Raises NoFace for an id that is none, and for a photo that was never brought."""
        from beholder.editing.latent import Latent

        made = _SEED.fullmatch(image_id)
        if made:
            return self.editor.generate([int(made[1])])
        return Latent(self.inverted(image_id).latent.ws.to(self.editor.device))

    def inverted(self, image_id: str) -> SavedInversion:
        """What is known of a photo. Raises NoFace as `latent` does."""
        if not _PHOTO.fullmatch(image_id):
            raise UnknownImage(f"{image_id[:60]!r} is no image: expected seed-NUMBER or the photo-... that a photo was given")
        try:
            found = SavedInversion.read(self._at(image_id))
        except StorageError:
            raise UnknownImage(f"{image_id} is not among the photos brought to generator {self.generator}") from None
        found.check(self.editor.generator.config, self.fingerprint, self.generator)
        return found

    def remove(self, image_id: str) -> None:
        """Remove a photo's latent, if it is there."""
        if _PHOTO.fullmatch(image_id):
            self._at(image_id).delete()

    def uri(self, image_id: str) -> str:
        """Where a photo's latent lies."""
        return self._at(image_id).uri

    def _at(self, image_id: str) -> Place:
        return self._folder / f"{image_id}.safetensors"


class ImageLibrary:
    """Pictures of faces under edits. Safe to share between threads."""

    def __init__(self, editor: StyleGAN, faces: LatentStore, store: Store, config: ImageLibraryConfig | None = None) -> None:
        self.editor, self.faces, self.store = editor, faces, store
        self.config = config or ImageLibraryConfig()
        self._lock = threading.Lock()
        self._latents: OrderedDict[str, Latent] = OrderedDict()
        self._files: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._bytes = 0

    def face(self, image_id: str) -> LibraryImage:
        """A face by its id. Raises EditError for an id that is none, and for a photo that was never brought or is gone."""
        self.latent(image_id)
        return LibraryImage(image_id, image_id.partition("-")[0], self.editor.resolution)

    def bring(self, data: bytes, user_id: str, *, aligned: bool = False) -> LibraryImage:
        """Invert a photo, the bytes of its file, and keep it as brought by this person; what is there already is not done again.

        Raises ImageError for what is no picture or too large, EditError for a photo without a face.
        """
        from beholder.editing.faces.landmarks import DlibDetector

        image_id = LatentStore.of_photo(images.digest(data))
        if image_id in self.faces and (self.faces.inverted(image_id).square is None) == aligned:
            self.store.uploaded(user_id, image_id, self.faces.uri(image_id), at=datetime.now(UTC))
            return LibraryImage(image_id, "photo", self.editor.resolution)
        pixels = images.decode(data, limits=self.config.limits)
        photo = Photo(pixels) if aligned else Photo.find(pixels, detector=DlibDetector)
        found = self.editor.inversion(photo.aligned(self.editor.resolution)[None], refinement=self.config.refinement)
        inverted = SavedInversion(Latent(found.ws), self.faces.fingerprint, self.faces.generator, images.digest(data), photo.square)
        # known as theirs before it is kept: so there is nothing that could not be removed with them
        self.store.uploaded(user_id, image_id, self.faces.uri(image_id), at=datetime.now(UTC))
        self.faces.keep(inverted)
        return LibraryImage(image_id, "photo", self.editor.resolution, round(float(found.after[0]), 4))

    def latent(self, image_id: str) -> Latent:
        """The latent of a face, of one row. Raises EditError as `face` does: what was removed is not remembered."""
        if image_id not in self.faces:
            with self._lock:
                self._latents.pop(image_id, None)
            return self.faces.latent(image_id)  # says what is wrong
        with self._lock:
            found = self._latents.get(image_id)
            if found is not None:
                self._latents.move_to_end(image_id)
                return found
        found = self.faces.latent(image_id)
        with self._lock:
            self._latents[image_id] = found
            while len(self._latents) > self.config.latents:
                self._latents.popitem(last=False)
        return found

    def draw(self, wanted: Sequence[tuple[str, Sequence[Edit]]]) -> list[np.ndarray]:
        """Faces under some edits each, drawn together: for each face uint8 RGB [its edits, R, R, 3].

        Raises EditError as `face` does and for an edit that makes no sense.
        """
        latents = [self.latent(image_id) for image_id, _ in wanted]
        edits = [edit for _, some in wanted for edit in some]
        if not edits:
            return [np.empty((0, self.editor.resolution, self.editor.resolution, 3), np.uint8) for _ in wanted]
        rows = [latent for latent, (_, some) in zip(latents, wanted, strict=True) for _ in some]
        drawn = self.editor.edit(Latent.join(rows), edits)
        ends = np.cumsum([len(some) for _, some in wanted])
        return [drawn[end - len(some) : end] for end, (_, some) in zip(ends, wanted, strict=True)]

    def check(self, image_id: str, edits: Sequence[Edit]) -> None:
        """Raise EditError where `draw` would."""
        self.latent(image_id)
        for edit in edits:
            check(edit, self.editor.directions)

    def read_edit(self, text: str) -> dict[str, float]:
        """An edit as people write it. Raises EditError for a direction nobody knows and an alpha outside the direction's range."""
        edit = parse(text, self.editor.directions)
        for name, alpha in edit.items():
            low, high = self.editor.directions[name].range
            if not low <= alpha <= high:
                raise EditError(f"{name}={alpha:g}: expected an alpha between {low:g} and {high:g}")
        return edit

    def picture(self, image_id: str, edit: Edit, kind: str) -> bytes:
        """A face under an edit as a file. kind: image/webp, image/png or image/jpeg. Raises EditError as `draw` does."""
        found = self.kept(image_id, edit, kind)
        return found or self.develop(image_id, edit, kind, self.draw([(image_id, [edit])])[0][0])

    def kept(self, image_id: str, edit: Edit, kind: str) -> bytes | None:
        """The file of a picture that was made a moment ago. Raises EditError where the face is gone."""
        if image_id not in self.faces:
            self.faces.latent(image_id)  # says what is wrong
        key = image_id, _text(edit), kind
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
            return self._files.get(key)

    def develop(self, image_id: str, edit: Edit, kind: str, pixels: np.ndarray) -> bytes:
        """A picture that was drawn, uint8 RGB [R, R, 3], as a file, which is kept for a while."""
        data = images.encode(pixels, format=FORMATS[kind], quality=_QUALITY)
        with self._lock:
            key = image_id, _text(edit), kind
            self._bytes += len(data) - len(self._files.pop(key, b""))
            self._files[key] = data
            while self._bytes > self.config.pictures_mb * 1e6:
                self._bytes -= len(self._files.popitem(last=False)[1])
        return data


def _text(edit: Edit) -> str:
    return ",".join(f"{name}={edit[name]!r}" for name in sorted(edit) if edit[name])


if TYPE_CHECKING:
    from beholder.editing.latent import Latent
    from beholder.editing.stylegan import StyleGAN

_SEED = re.compile(r"seed-(0|[1-9][0-9]{0,9})")
_PHOTO = re.compile(r"photo-[0-9a-f]{24}")
