"""Assembly: the parts of the service built from its settings, the same for one process and for a cluster."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from beholder.config import setting
from beholder.editing.editor import Slider
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending import perception
from beholder.recommending.advisor import Advisor, AdvisorConfig
from beholder.recommending.candidates import candidates
from beholder.recommending.critic import Critic
from beholder.recommending.darkroom import Darkroom, DarkroomConfig
from beholder.recommending.faces import Faces
from beholder.recommending.parts import Parts, open_store
from beholder.recommending.perception import PerceptionAbout
from beholder.recommending.priors import Shelf
from beholder.recommending.sight import Look, Sight
from beholder.serve.graph import Palette, Way
from beholder.workspace import Workspace

TYPICAL = tuple(f"seed-{seed}" for seed in range(1, 9))  # faces that others are judged beside


@dataclass(frozen=True)
class ServiceConfig:
    """What is served."""

    parts: Parts = setting(Parts(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    advisor: AdvisorConfig = setting(AdvisorConfig(), "how people are asked")
    darkroom: DarkroomConfig = setting(DarkroomConfig(), "what photos may cost, and how they are inverted")
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


def darkroom(config: ServiceConfig) -> Darkroom:
    """The editor with its faces. Raises WeightsError and the like where a part is missing."""
    workspace = Workspace(config.workspace)
    editor = config.parts.editor(workspace)
    faces = Faces(editor, workspace.place, config.parts.generator)
    return Darkroom(editor, faces, open_store(config.choices, workspace), config.darkroom)


def critic(config: ServiceConfig, encoder: Encoder, typical: Callable[[], np.ndarray]) -> Critic:
    """The tastes that answer predictions."""
    return Critic.load(encoder, Workspace(config.workspace).models, config.names, typical)


def about(config: ServiceConfig, room: Darkroom) -> PerceptionAbout:
    """What the advisor's perception has to fit."""
    encoder_id = config.encoder.encoder_id()
    return PerceptionAbout.of(room.editor, generator=config.parts.generator, encoder_id=encoder_id)


def advisor(config: ServiceConfig, about: PerceptionAbout, sliders: Mapping[str, Slider], look: Callable[[str], Look]) -> Advisor:
    """The advisor, which needs no generator: only what is known of one, and somebody who looks at faces."""
    workspace, parts = Workspace(config.workspace), config.parts
    sight = Sight(perception.find(about, workspace), candidates(sliders, parts.candidates))
    store = open_store(config.choices, workspace)
    opinion = parts.opinion(workspace, encoder_id=config.encoder.encoder_id())
    folder = workspace.place / "latents" / about.fingerprint

    def there(image_id: str) -> bool:
        return image_id.startswith("seed-") or (folder / f"{image_id}.safetensors").is_file()

    made_for = {**asdict(about), "taste": parts.taste, "attribute": parts.attribute, "ranker": asdict(parts.ranker)}
    shelf = Shelf(workspace.place / "rankers", made_for, opinion)
    return Advisor(
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


def versions(about: PerceptionAbout) -> dict[str, str]:
    """The models that answer, name -> version."""
    return {"generator": f"{about.generator} {about.fingerprint}", "encoder": about.encoder_id}


def palette(room: Darkroom) -> Palette:
    """The editor's directions as people see them."""
    ways = (Way(name, *each.range, *each.says) for name, each in room.editor.directions.items())
    return Palette(room.faces.generator, tuple(ways))
