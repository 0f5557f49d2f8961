"""Components: what a recommendation is made of, as one config, and the service built from it.

`build_service` puts everything into this process; a service that is spread over processes builds the same components one by one.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beholder.config import setting
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.editor import Edit, Slider
from beholder.editing.editor_config import SHIPPED, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, StoreError
from beholder.progress import Progress
from beholder.recommending.acquisition import QuestionsConfig
from beholder.recommending.candidates import CandidatesConfig, OfferedDirectionsConfig, candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.image_library import ImageLibrary, ImageLibraryConfig, LatentStore, latent_place
from beholder.recommending.image_scoring import ImageScorer
from beholder.recommending.posteriors import PriorStore
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.ranking import RankingConfig
from beholder.recommending.service import Recommendation, RecommendationService, RecommendationServiceConfig
from beholder.recommending.steering import Steering
from beholder.recommending.store.choice_store import Store, StorePart, is_made
from beholder.taste import taste_registry
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from beholder.recommending.own_photos.diffusion_service import DiffusionLibrary
    from beholder.recommending.own_photos.look_service import LookLibrary
    from beholder.recommending.surrogate.surrogate_model import SurrogateInfo

_STORE = "choices.db"  # of a workspace
BOTH = "both"
EDITORS = ("stylegan", "looks", "diffusion", BOTH)
EDITOR_HELP = (
    "stylegan: images of a generator, faces in photos; looks: people's own photos, developed; diffusion: drawn by a pipeline "
    "that you have; both (serve alone): images of a generator under stylegan, people's own photos under looks"
)
TYPICAL = tuple(f"seed-{seed}" for seed in range(1, 9))  # images that others are scored beside


@dataclass(frozen=True)
class Components:
    """Which generator, taste and candidates a recommendation is made of."""

    generator: str = setting(SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    taste: str | None = setting(None, "a taste of the registry to start from, fitted on embeddings of this encoder")
    attribute: str = setting("attractive", "which of the taste's attributes people are thought to choose by")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits to choose among")
    ranking: RankingConfig = setting(RankingConfig(), "how many candidates are drawn")


@dataclass(frozen=True)
class ServiceConfig:
    """Everything that a recommendation service is built from."""

    editor: str = setting("stylegan", EDITOR_HELP)
    components: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    ranker: RankerConfig = setting(RankerConfig(), "the model of who would choose which edit")
    service: RecommendationServiceConfig = setting(RecommendationServiceConfig(), "how people are asked")
    questions: QuestionsConfig = setting(QuestionsConfig(), "which questions a person can answer")
    directions: OfferedDirectionsConfig = setting(OfferedDirectionsConfig(), "what questions and recommendations may change")
    diffusion: DiffusionConfig = setting(DiffusionConfig(), "the pipeline of editor=diffusion, and how it is run")
    image_library: ImageLibraryConfig = setting(ImageLibraryConfig(), "what photos may cost, and how they are inverted")
    tastes: list[str] = setting([], "tastes of the registry that answer predictions, beside components.taste")
    choices: str | None = setting(
        None,
        "the store of choices, sqlite:///FILE or postgresql://..., or file:PATH of a file with that URL; "
        "null: BEHOLDER_CHOICES, or choices.db of the workspace",
    )
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.editor not in EDITORS:
            raise ConfigError(f"editor={self.editor} is none of {', '.join(EDITORS)}")
        if self.editor == "diffusion" and not self.diffusion.model:
            self.diffusion.check_model()
        if self.components.taste is not None and self.ranker.kind not in ranker_factory.WITH_TASTE:
            raise ConfigError(
                f"ranker={self.ranker.kind} can't start from components.taste={self.components.taste}: "
                f"use ranker={ranker_factory.WITH_TASTE[0]}, or no components.taste"
            )

    @property
    def taste_names(self) -> list[str]:
        """The tastes that answer predictions, components.taste first."""
        first = [] if self.components.taste is None else [self.components.taste]
        return list(dict.fromkeys([*first, *self.tastes]))


@dataclass(frozen=True)
class PartConfig(ServiceConfig):
    """One part of editor=both: images of seeds under stylegan, or people's own photos under looks.

    It counts and learns from the choices about its own images alone, in a store that both parts share.
    """

    def owns(self, image_id: str) -> bool:
        """Return whether an image is this part's."""
        return is_photo(image_id) == (self.editor == "looks")


def is_photo(image_id: str) -> bool:
    """Return whether an image is one that somebody brought, by its id: photo-..., where those of a generator are seed-NUMBER."""
    return image_id.startswith("photo-")


def parts_of(config: ServiceConfig) -> tuple[PartConfig, PartConfig]:
    """Return the parts of editor=both: of portraits, and of photos, which has no tastes: those are of portraits' embeddings.

    With encoder.looks=true the CLIP is joined to looks for photos, and alone for portraits, whose surrogate predicts it so.
    """
    given = {each.name: getattr(config, each.name) for each in fields(ServiceConfig)}
    portraits = PartConfig(**{**given, "editor": "stylegan", "encoder": replace(config.encoder, looks=False)})
    encoder = config.encoder if config.encoder.looks else EncoderConfig(name="looks")
    plain = replace(config.components, taste=None)
    photos = PartConfig(**{**given, "editor": "looks", "encoder": encoder, "components": plain, "tastes": []})
    return portraits, photos


@dataclass(frozen=True, eq=False)
class InProcessService:
    """All components in this process. Safe to share between threads."""

    library: ImageLibrary
    encoder: Encoder
    recommendations: RecommendationService
    scorer: ImageScorer
    versions: Mapping[str, str]

    def recommend(
        self, user_id: str, image_id: str, *, count: int | None = None, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        """Return the best edits of an image for a person. Raises as `RecommendationService.shortlist` does."""
        shortlist = self.recommendations.shortlist(user_id, image_id, attribute=attribute, steering=steering)
        embeddings = None
        if shortlist.edits:
            drawn = self.library.draw_images([(image_id, shortlist.edits)], size=self.encoder.size)
            embeddings = self.encoder.images(drawn[0])
        return self.recommendations.recommend(shortlist, embeddings, count=count)

    def pictures(self, image_id: str, edits: Sequence[Edit]) -> np.ndarray:
        """Return an image under edits, uint8 RGB [N, R, R, 3]. Raises EditError for an unknown image or direction."""
        return self.library.draw_images([(image_id, edits)])[0]

    def close(self) -> None:
        """Close the connections to the store."""
        self.library.store.close()
        self.recommendations.store.close()


def build_service(config: ServiceConfig) -> InProcessService:
    """Build all components in this process. Raises BeholderError where one of them is missing or does not fit the others."""
    if config.editor == BOTH:
        raise ConfigError(
            "editor=both is for `beholder serve`, which asks what people bring: here give editor=stylegan or editor=looks"
        )
    for name in config.taste_names:  # before a store is made for what can't be answered
        taste_registry.info(Workspace(config.workspace).models, name)
    if config.editor != "stylegan":
        return _build_photo_service(for_editor(config))
    library, encoder = build_image_library(config), Encoder.load(config.encoder)
    info = surrogate_info(config, library)

    def encode_image(image_id: str) -> EditableImage:
        latent = library.latent(image_id)
        return EditableImage(image_id, latent, encoder.images(library.draw(latent, [{}], size=encoder.size))[0])

    recommendations = build_recommendations(config, info, library.editor.directions, encode_image)

    def typical() -> np.ndarray:
        return np.concatenate(library.draw_images([(each, [{}]) for each in TYPICAL], size=encoder.size))

    scorer = build_image_scorer(config, encoder, typical)
    return InProcessService(library, encoder, recommendations, scorer, versions(info))


def _build_photo_service(config: ServiceConfig) -> InProcessService:
    """Build the service of people's own photos in this process."""
    encoder = Encoder.load(config.encoder)
    library: ImageLibrary
    if config.editor == "looks":
        from beholder.recommending.own_photos import look_service

        library, workspace = _look_library(config), Workspace(config.workspace)
        recommendations = look_service.build_look_recommendations(config, library, encoder, _choices(config), workspace)
    else:
        library = _diffusion_library(config)

        def embed(image_id: str, edits: Sequence[Edit]) -> np.ndarray:
            return encoder.images(library.draw_images([(image_id, edits)], size=encoder.size)[0])

        recommendations = build_drawn_recommendations(config, library.editor.directions, embed)

    def typical() -> np.ndarray:
        return np.concatenate(library.draw_images([(each, [{}]) for each in TYPICAL], size=encoder.size))

    scorer = build_image_scorer(config, encoder, typical)
    return InProcessService(library, encoder, recommendations, scorer, versions_of(config, library))


def _look_library(config: ServiceConfig) -> "LookLibrary":
    from beholder.recommending.own_photos.look_service import LookLibrary

    workspace = Workspace(config.workspace)
    return LookLibrary(open_store(config.choices, workspace), workspace.place, config.image_library)


def _diffusion_library(config: ServiceConfig) -> "DiffusionLibrary":
    """Load the pipeline, and draw the landscape that tells how much edits change, once for a workspace."""
    config.diffusion.check_model()  # before torch is imported
    from beholder.editing.diffusion.diffusion_editor import DiffusionEditor
    from beholder.recommending.own_photos import diffusion_service
    from beholder.recommending.own_photos.drawn_photos import DrawnPhotos

    workspace, editor = Workspace(config.workspace), DiffusionEditor.load(config.diffusion)
    grid = diffusion_service.drawn_grid(editor.directions, config.components.candidates)
    photos, store = DrawnPhotos(workspace.place, editor.fingerprint), open_store(config.choices, workspace)
    library = diffusion_service.DiffusionLibrary(editor, photos, store, workspace.place, grid, config.image_library)
    with Progress("draw the reference", total=len(grid), unit="pictures") as progress:
        library.draw_candidates(diffusion_service.REFERENCE, progress=progress.advance)
    return library


def build_drawn_recommendations(
    config: ServiceConfig, sliders: Mapping[str, Slider], embed: Callable[[str, Sequence[Edit]], np.ndarray]
) -> RecommendationService:
    """Build the recommendation service of editor=diffusion, which needs no pipeline itself.

    embed: an image's id and edits -> the embeddings of what is drawn, float32 [N, E], wherever that is done.
    """
    from beholder.recommending.own_photos.diffusion_service import build_diffusion_recommendations

    workspace = Workspace(config.workspace)
    return build_diffusion_recommendations(config, sliders, embed, open_store(config.choices, workspace), workspace)


def for_editor(config: ServiceConfig) -> ServiceConfig:
    """Return a config with the encoder that its editor goes with: looks have one of their own. Raises ConfigError for another."""
    if config.editor == "stylegan":
        return config
    if config.editor == "diffusion":
        from beholder.recommending.own_photos.diffusion_service import diffusion_encoder

        return replace(config, encoder=diffusion_encoder(config.encoder))
    from beholder.recommending.own_photos.look_service import look_encoder

    return replace(config, encoder=look_encoder(config.encoder))


def build_image_library(config: ServiceConfig) -> ImageLibrary:
    """Build the editor with its images. Raises WeightsError where there is no such generator."""
    if config.editor == "looks":
        return _look_library(config)
    if config.editor == "diffusion":
        return _diffusion_library(config)
    from beholder.editing import generator_store  # here and below: who only passes settings on needs no torch
    from beholder.editing.stylegan import StyleGAN

    workspace = Workspace(config.workspace)
    name = config.components.generator
    editor = StyleGAN.load(name, workspace, config=config.components.drawing)
    latents = LatentStore(editor, workspace.place, name, generator_store.finished_from(name, workspace))
    return ImageLibrary(editor, latents, open_store(config.choices, workspace), config.image_library)


def build_image_scorer(config: ServiceConfig, encoder: Encoder, typical: Callable[[], np.ndarray]) -> ImageScorer:
    """Build what answers predictions. typical: the pictures of TYPICAL, uint8 RGB [M, R, R, 3]."""
    return ImageScorer.load(encoder, Workspace(config.workspace), config.taste_names, typical)


def surrogate_info(config: ServiceConfig, library: ImageLibrary) -> "SurrogateInfo":
    """Return what the service's surrogate has to be made for."""
    from beholder.recommending.surrogate.surrogate_model import SurrogateInfo

    encoder_id = config.encoder.encoder_id()
    return SurrogateInfo.of(library.editor, generator=config.components.generator, encoder_id=encoder_id)


def build_recommendations(
    config: ServiceConfig, info: "SurrogateInfo", sliders: Mapping[str, Slider], encode_image: Callable[[str], EditableImage]
) -> RecommendationService:
    """Build the recommendation service, which needs no generator itself: `encode_image` draws and encodes, wherever it runs."""
    from beholder.editing import generator_store
    from beholder.recommending.surrogate import surrogate_model

    workspace, components = Workspace(config.workspace), config.components
    features = EditFeatures(surrogate_model.find(info, workspace), candidates(sliders, components.candidates))
    taste_prior = _taste_prior(config, workspace)
    earlier = generator_store.finished_from(info.generator, workspace)

    def exists(image_id: str) -> bool:
        return image_id.startswith("seed-") or latent_place(workspace.place, info.fingerprint, earlier, image_id).is_file()

    made_for = {**asdict(info), "taste": components.taste, "attribute": components.attribute, "ranker": asdict(config.ranker)}
    return RecommendationService(
        features,
        _choices(config),
        workspace,
        encode_image,
        sliders,
        exists=exists,
        ranker=config.ranker,
        ranking_config=components.ranking,
        taste_prior=taste_prior,
        priors=PriorStore(workspace.place / "rankers", made_for, taste_prior),
        config=config.service,
        attribute=components.attribute,
        questions=config.questions,
        directions=config.directions,
    )


def versions_of(config: ServiceConfig, library: ImageLibrary) -> dict[str, str]:
    """Return the models that answer, name -> version, without those that only a ranker knows."""
    if config.editor != "stylegan":
        names = dict.fromkeys([library.latents.generator, library.latents.fingerprint])  # of looks they are the same
        return {"generator": " ".join(names), "encoder": config.encoder.encoder_id()}
    return versions(surrogate_info(config, library))


def versions(info: "SurrogateInfo") -> dict[str, str]:
    """Return the models that answer, name -> version."""
    return {"generator": f"{info.generator} {info.fingerprint}", "encoder": info.encoder_id}


def store_url(choices: str | None, env: Mapping[str, str] = os.environ) -> str | None:
    """Return the URL of the store of choices: as given, from the file that file:PATH names, or from BEHOLDER_CHOICES.

    So its password need not be on a command line, where everybody on the machine reads it. Raises ConfigError where the file
    can't be read.
    """
    if choices is None:
        return env.get("BEHOLDER_CHOICES") or None
    if not choices.startswith("file:"):
        return choices
    path = Path(choices.removeprefix("file:").removeprefix("//")).expanduser()
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"choices=file:{path} can't be read: {getattr(error, 'strerror', None) or 'no text'}") from None


def open_store(choices: str | None, workspace: Workspace) -> Store:
    """Open the store of a URL, or the workspace's own.

    Raises ConfigError for a workspace in an object store, which can't hold one.
    """
    choices = store_url(choices)
    if choices is not None:
        return Store(choices)
    place = workspace.place
    if not place.is_local:
        raise ConfigError(f"{place.uri} can't hold a database: give choices=postgresql://USER:PASSWORD@HOST/NAME")
    return Store.at(Path(place.path) / _STORE)


def _choices(config: ServiceConfig) -> Store:
    """Open the store that a recommendation service learns from: of a part, with the choices about its own images alone."""
    store = open_store(config.choices, Workspace(config.workspace))
    return StorePart(store, config.owns) if isinstance(config, PartConfig) else store


def existing_store(choices: str | None, workspace: Workspace) -> Store | None:
    """Open the store that `open_store` opens, but make none: None where there is none yet. Raises as `open_store` does."""
    url = store_url(choices)
    missing = not is_made(url) if url is not None else workspace.place.is_local and not (workspace.place / _STORE).is_file()
    return None if missing else open_store(choices, workspace)


def required_store(choices: str | None, workspace: Workspace) -> Store:
    """Open the store that `open_store` opens, but make none. Raises StoreError where there is none yet."""
    store = existing_store(choices, workspace)
    if store is None:
        own = f"{workspace.place.uri} has no choices, keys or studies yet: there is no {_STORE} in it"
        where = own if store_url(choices) is None else "there is no file at the URL of the store of choices"
        raise StoreError(
            f"{where}; ask, serve, keys make=NAME and study new make one; workspace=FOLDER or choices=URL looks elsewhere"
        )
    return store


def _taste_prior(config: ServiceConfig, workspace: Workspace) -> TastePrior | None:
    """Return what components.taste says of edits. Raises TasteError for a taste of other embeddings or attributes."""
    name, attribute = config.components.taste, config.components.attribute
    if name is None:
        return None
    entry = taste_registry.read(workspace.models, name, encoder_id=config.encoder.encoder_id())
    entry.taste.info.attribute(attribute)
    return TastePrior(entry.taste, attribute)
