"""Faces: the images that people are asked about, by their ids: made from a seed, or a photo that was inverted once and kept.

`seed-7` is what the generator makes of the seed 7, everywhere and without a file. A photo's latent lies in
latents/<the generator's fingerprint>/<image id>.safetensors of the workspace.
"""

import re
from typing import TYPE_CHECKING

from beholder.editing.fingerprint import fingerprint
from beholder.editing.inverted import Inverted
from beholder.errors import NoFace, StorageError
from beholder.storage import Place

if TYPE_CHECKING:
    from beholder.editing.latent import Latent
    from beholder.editing.stylegan import StyleGAN

_SEED = re.compile(r"seed-(0|[1-9][0-9]{0,9})")
_PHOTO = re.compile(r"photo-[0-9a-f]{24}")


class Faces:
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

    def keep(self, inverted: Inverted) -> str:
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

    def inverted(self, image_id: str) -> Inverted:
        """What is known of a photo. Raises NoFace as `latent` does."""
        if not _PHOTO.fullmatch(image_id):
            raise NoFace(f"{image_id[:60]!r} is no image: expected seed-NUMBER or the photo-... that a photo was given")
        try:
            found = Inverted.read(self._at(image_id))
        except StorageError:
            raise NoFace(f"{image_id} is not among the photos brought to generator {self.generator}") from None
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
