"""Parts: what a recommendation is made of, as settings, and the things themselves, read from a workspace."""

from dataclasses import dataclass
from pathlib import Path

from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.errors import ConfigError
from beholder.recommending.candidates import Candidates, CandidatesConfig, candidates
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.ranking import RecommendConfig
from beholder.recommending.store.choice_store import Store
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo
from beholder.taste import taste_registry
from beholder.workspace import Workspace


@dataclass(frozen=True)
class Components:
    """What a recommendation is made of."""

    generator: str = setting(generator_store.SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    taste: str | None = setting(None, "a taste of the registry to start from, fitted on embeddings of this encoder")
    attribute: str = setting("attractive", "which of the taste's attributes people are thought to choose by")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits to choose among")
    recommend: RecommendConfig = setting(RecommendConfig(), "how much is drawn")
    ranker: BayesRankerConfig = setting(BayesRankerConfig(), "how people's choices are believed")

    def editor(self, workspace: Workspace) -> StyleGAN:
        """The generator with its directions. Raises WeightsError where there is none of this name."""
        return StyleGAN.load(self.generator, workspace, config=self.drawing)

    def perception(self, editor: StyleGAN, workspace: Workspace, *, encoder_id: str) -> Surrogate:
        """What was learned of this generator and this encoder. Raises WeightsError where nothing was."""
        return surrogate_model.find(SurrogateInfo.of(editor, generator=self.generator, encoder_id=encoder_id), workspace)

    def choose_among(self, editor: StyleGAN) -> Candidates:
        """The edits to choose among."""
        return candidates(editor.directions, self.candidates)

    def opinion(self, workspace: Workspace, *, encoder_id: str) -> TastePrior | None:
        """What the taste says of edits; None without one. Raises TasteError for a taste of other embeddings or attributes."""
        if self.taste is None:
            return None
        entry = taste_registry.read(workspace.models, self.taste, encoder_id=encoder_id)
        entry.taste.about.attribute(self.attribute)
        return TastePrior(entry.taste, self.attribute)


def open_store(choices: str | None, workspace: Workspace) -> Store:
    """The store of a URL, or the workspace's own. Raises ConfigError for a workspace in an object store, which can't hold one."""
    if choices is not None:
        return Store(choices)
    place = workspace.place
    if not place.is_local:
        raise ConfigError(f"{place.uri} can't hold a database: give choices=postgresql://USER:PASSWORD@HOST/NAME")
    return Store.at(Path(place.path) / "choices.db")
