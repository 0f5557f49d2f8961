"""What `ask` and `recommend` share: settings of the service in this process, and the image that a person is asked about."""

from dataclasses import dataclass
from datetime import UTC, datetime

from beholder import identifiers, image_lists, image_shards, images
from beholder.commands import _photo_input
from beholder.config import required, setting
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.directions.vocabulary import GROUPS, LOCKED
from beholder.editing.inversion import Refinement
from beholder.editing.saved_inversion import SavedInversion
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.images import ImageLimits
from beholder.progress import Progress
from beholder.recommending.components import EDITOR_HELP, Components, InProcessService, ServiceConfig, build_service
from beholder.recommending.image_library import LatentStore
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.service import RecommendationServiceConfig
from beholder.recommending.steering import Steering
from beholder.storage import Place

CHOICES = (
    "the store of choices, sqlite:///FILE or postgresql://..., or file:PATH of a file with that URL; "
    "null: BEHOLDER_CHOICES, or choices.db of the workspace"
)


@dataclass(frozen=True)
class PhotoSettings:
    """How a photo becomes an image to be edited."""

    aligned: bool = setting(False, "it is cut out around a face already, as FFHQ's are: take it as it is")
    face: str = setting("largest", "which of its faces: largest, left, right, or a number counted from 0 at the left")
    detector: str = setting("mtcnn", _photo_input.DETECTOR)
    force: bool = setting(False, _photo_input.FORCE)
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely it is inverted")


@dataclass(frozen=True)
class PersonImageSettings:
    """Who, which image, and what the service is built from."""

    user: str = required("the person")
    image: str | None = setting(
        None,
        "a photo of a face, a file or URI; with editor=looks any photos: a folder, a glob, a file; with editor=diffusion any photo",
    )
    seed: int | None = setting(None, "instead of a photo: an image that the generator makes")
    editor: str = setting("stylegan", EDITOR_HELP)
    diffusion: DiffusionConfig = setting(DiffusionConfig(), "the pipeline of editor=diffusion, and how it is run")
    components: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    ranker: RankerConfig = setting(RankerConfig(), "the model of who would choose which edit")
    service: RecommendationServiceConfig = setting(RecommendationServiceConfig(), "how people are asked")
    photo: PhotoSettings = setting(PhotoSettings(), "how a photo becomes an image to be edited")
    allow: list[str] = setting([], f"directions or groups of them that may change, and nothing else: {', '.join(GROUPS)}; []: all")
    forbid: list[str] = setting([], "directions or groups of them that must not change")
    lock: list[str] | None = setting(None, f"what stays as it is; null: {', '.join(LOCKED)}, but for what allow names")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read of a folder or list of photos")
    attribute: str | None = setting(None, "by what the person chooses, trustworthy for one; null: components.attribute")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", identifiers.person_name(self.user, what="user", error=ConfigError))
        if (self.image is None) == (self.seed is None):
            raise ConfigError("give either image=FILE, a photo, or seed=NUMBER, an image that the generator makes")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed must be between 0 and {2**32 - 1}, got {self.seed}")
        if self.editor == "diffusion" and not self.diffusion.model:
            self.diffusion.check_model()

    @property
    def steering(self) -> Steering:
        """What may change."""
        return Steering(tuple(self.allow), tuple(self.forbid), None if self.lock is None else tuple(self.lock))

    def build(self) -> InProcessService:
        """Build the service in this process. Raises BeholderError where a component, or the photo, is missing."""
        if self.image is not None:  # before a store is made for a name that was typed wrong
            if self.editor == "looks":
                next(image_lists.iterate(self.image, roots=self.limits.roots))
            elif "://" not in self.image and not image_shards.is_member(self.image):
                Place.at(self.image).open().close()
        return build_service(
            ServiceConfig(
                components=self.components,
                editor=self.editor,
                diffusion=self.diffusion,
                encoder=self.encoder,
                ranker=self.ranker,
                service=self.service,
                choices=self.choices,
                workspace=self.workspace,
            )
        )


def image_id_of(settings: PersonImageSettings, service: InProcessService) -> str:
    """Return the id of the seed, or of the photo: inverted and kept where it is new, and known as uploaded by this person."""
    if settings.editor == "diffusion":
        return _drawn_image_id(settings, service)
    if settings.image is None:
        assert settings.seed is not None
        return LatentStore.id_of_seed(settings.seed)
    library, latents, photo = service.library, service.library.latents, settings.photo
    image_id = LatentStore.id_of_photo(settings.user, images.digest(images.read(settings.image)))
    # known as theirs before it is kept: so there is nothing that could not be removed with them
    library.store.uploaded(settings.user, image_id, latents.uri(image_id), at=datetime.now(UTC))
    if image_id not in latents:
        _photo_input.warn(latents.generator)
        taken, digest = _photo_input.take(settings.image, aligned=photo.aligned, face=photo.face, detector=photo.detector)
        pixels = taken.aligned(library.editor.resolution)
        inversion = _photo_input.search(library.editor, pixels, photo.refinement, force=photo.force)
        found = (inversion.latent, latents.fingerprint, latents.generator, digest, taken.square, taken.grey)
        latents.write(image_id, SavedInversion(*found))
    return image_id


def _drawn_image_id(settings: PersonImageSettings, service: InProcessService) -> str:
    """Return the id of the seed, or of the photo, drawn under every candidate, with progress; what is drawn is not drawn again."""
    from beholder.recommending.own_photos.diffusion_service import DiffusionLibrary

    library = service.library
    assert isinstance(library, DiffusionLibrary)
    data = None if settings.image is None else images.read(settings.image, limits=settings.limits)
    with Progress("draw", total=len(library.grid), unit="pictures") as progress:
        if data is not None:
            return library.add_photo(data, settings.user, progress=progress.advance).image_id
        image_id = LatentStore.id_of_seed(settings.seed or 0)
        library.draw_candidates(image_id, progress=progress.advance)
    return image_id
