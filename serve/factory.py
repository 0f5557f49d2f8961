"""Assembly: the parts of the service built from its settings, the same for one process and for a cluster."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from beholder.config import setting
from beholder.editing.editor import Slider
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending.candidates import candidates
from beholder.recommending.components import Components, open_store
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.image_library import ImageLibrary, ImageLibraryConfig, LatentStore
from beholder.recommending.image_scoring import ImageScorer
from beholder.recommending.posteriors import PriorStore
from beholder.recommending.service import RecommendationService, RecommendationServiceConfig
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_model import SurrogateInfo
from beholder.serve.protocols import DirectionInfo, DirectionList
from beholder.workspace import Workspace

TYPICAL = tuple(f"seed-{seed}" for seed in range(1, 9))  # faces that others are judged beside


@dataclass(frozen=True)
class ServiceConfig:
    """What is served."""

    parts: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    advisor: RecommendationServiceConfig = setting(RecommendationServiceConfig(), "how people are asked")
    darkroom: ImageLibraryConfig = setting(ImageLibraryConfig(), "what photos may cost, and how they are inverted")
    tastes: list[str] = setting([], "tastes of the registry that answer predictions, beside parts.taste")
    choices: str | None = setting(
        None, "the store of choices, sqlite:///FILE or postgresql://...; null: choices.db of the workspace"
    )
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    @property
    def names(self) -> list[str]:
        """Of all tastes that answer predictions."""
        first = [] if self.parts.taste is None else [self.parts.taste]
        return list(dict.fromkeys([*first, *self.tastes]))


def check_nodes(choices: str | None, nodes: int) -> None:
    """Raise ConfigError for a store in a file of one node where the service has several."""
    if nodes > 1 and not (choices or "").startswith("postgresql"):
        raise ConfigError(
            f"{nodes} nodes can't share a SQLite file: each would keep choices that the others never see; "
            "give choices=postgresql://USER:PASSWORD@HOST/NAME"
        )


def darkroom(config: ServiceConfig) -> ImageLibrary:
    """The editor with its faces. Raises WeightsError and the like where a part is missing."""
    workspace = Workspace(config.workspace)
    editor = config.parts.editor(workspace)
    faces = LatentStore(editor, workspace.place, config.parts.generator)
    return ImageLibrary(editor, faces, open_store(config.choices, workspace), config.darkroom)


def critic(config: ServiceConfig, encoder: Encoder, typical: Callable[[], np.ndarray]) -> ImageScorer:
    """The tastes that answer predictions."""
    return ImageScorer.load(encoder, Workspace(config.workspace).models, config.names, typical)


def about(config: ServiceConfig, room: ImageLibrary) -> SurrogateInfo:
    """What the advisor's perception has to fit."""
    encoder_id = config.encoder.encoder_id()
    return SurrogateInfo.of(room.editor, generator=config.parts.generator, encoder_id=encoder_id)


def advisor(
    config: ServiceConfig, about: SurrogateInfo, sliders: Mapping[str, Slider], look: Callable[[str], EditableImage]
) -> RecommendationService:
    """The advisor, which needs no generator: only what is known of one, and somebody who looks at faces."""
    workspace, parts = Workspace(config.workspace), config.parts
    sight = EditFeatures(surrogate_model.find(about, workspace), candidates(sliders, parts.candidates))
    store = open_store(config.choices, workspace)
    opinion = parts.opinion(workspace, encoder_id=config.encoder.encoder_id())
    folder = workspace.place / "latents" / about.fingerprint

    def there(image_id: str) -> bool:
        return image_id.startswith("seed-") or (folder / f"{image_id}.safetensors").is_file()

    made_for = {**asdict(about), "taste": parts.taste, "attribute": parts.attribute, "ranker": asdict(parts.ranker)}
    shelf = PriorStore(workspace.place / "rankers", made_for, opinion)
    return RecommendationService(
        sight,
        store,
        workspace,
        look,
        sliders,
        there=there,
        parts=parts,
        opinion=opinion,
        shelf=shelf,
        config=config.advisor,
    )


def versions(about: SurrogateInfo) -> dict[str, str]:
    """The models that answer, name -> version."""
    return {"generator": f"{about.generator} {about.fingerprint}", "encoder": about.encoder_id}


def palette(room: ImageLibrary) -> DirectionList:
    """The editor's directions as people see them."""
    ways = (DirectionInfo(name, *each.range, *each.labels) for name, each in room.editor.directions.items())
    return DirectionList(room.faces.generator, tuple(ways))
