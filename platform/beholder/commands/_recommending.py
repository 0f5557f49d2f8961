"""What `ask`, `recommend` and `choices` share: a face, and a ranker that knows what everybody chose so far."""

from dataclasses import dataclass
from datetime import UTC, datetime

from beholder import images
from beholder.commands import _photo
from beholder.config import setting
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending.components import Components, open_store
from beholder.recommending.image_library import LatentStore
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.studio import Studio, View
from beholder.runs import log
from beholder.workspace import Workspace

CHOICES = "the store of choices, sqlite:///FILE or postgresql://...; null: choices.db of the workspace"


@dataclass(frozen=True)
class PhotoSettings:
    """How a photo becomes a face to be edited."""

    aligned: bool = setting(False, "it is cut out around a face already, as FFHQ's are: take it as it is")
    face: str = setting("largest", "which of its faces: largest, left, right, or a number counted from 0 at the left")
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely it is inverted")


class LocalComponents:
    """Everything at hand to ask one person about one image."""

    def __init__(self, parts: Components, encoder: EncoderConfig, workspace: str, choices: str | None) -> None:
        self.parts, self.workspace = parts, Workspace(workspace)
        self.store = open_store(choices, self.workspace)
        self.editor = parts.editor(self.workspace)
        self.faces = LatentStore(self.editor, self.workspace.place, parts.generator)
        self._opinion = parts.opinion(self.workspace, encoder_id=encoder.encoder_id())
        perception = parts.perception(self.editor, self.workspace, encoder_id=encoder.encoder_id())
        self.studio = Studio(self.editor, Encoder.load(encoder), perception, parts.choose_among(self.editor))
        self._views: dict[str, View] = {}

    def face(self, image: str | None, seed: int | None, photo: PhotoSettings, *, user_id: str) -> str:
        """The id of a seed, or of a photo: inverted and kept where it is new, and known as brought by this person."""
        if image is None:
            assert seed is not None
            return LatentStore.of_seed(seed)
        image_id = LatentStore.of_photo(images.digest(images.read(image)))
        if image_id not in self.faces:
            _photo.warn(self.parts.generator)
            found, digest = _photo.take(image, aligned=photo.aligned, face=photo.face)
            inverted = _photo.search(self.editor, found.aligned(self.editor.resolution), photo.refinement)
            self.faces.keep(SavedInversion(Latent(inverted.ws), self.faces.fingerprint, self.parts.generator, digest, found.square))
        self.store.uploaded(user_id, image_id, self.faces.uri(image_id), at=datetime.now(UTC))
        return image_id

    def look(self, image_id: str) -> View:
        """An image as the studio sees it; looked at once."""
        if image_id not in self._views:
            self._views[image_id] = self.studio.look(image_id, self.faces.latent(image_id))
        return self._views[image_id]

    def ranker(self, image_id: str) -> Ranker:
        """A ranker that has learned from every choice in the store. image_id: whose candidates tell how large features are."""
        events, lost = self.studio.events(self.store.choices(), self.look)
        if lost:
            log.info("%d choices are about images that generator %s does not know, and are left out", lost, self.parts.generator)
        return bayes_ranker.learn(events, self.look(image_id).options, self.parts.ranker, opinion=self._opinion)


def check_face(image: str | None, seed: int | None) -> None:
    """Raise ConfigError unless there is one of both."""
    if (image is None) == (seed is None):
        raise ConfigError("give either image=FILE, a photo, or seed=NUMBER, a picture that the generator makes")
    if seed is not None and not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
