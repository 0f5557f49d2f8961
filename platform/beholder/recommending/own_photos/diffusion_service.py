"""The diffusion service: people's own photos, asked about and recommended under edits that a diffusion pipeline draws.

A drawing takes seconds, so there are few candidates: each direction at a few alphas, `components.candidates.drawn` of them in all.
Of each photo they are drawn once, when it is brought, and kept with its copy in the workspace; they are encoded as they were drawn.
Pairs are asked of these alone, so that showing one draws nothing. The embedding of any other edit is interpolated between theirs:
what each direction changes at its alpha, added up. Only the best of a recommendation are drawn, where they are not yet.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder import images
from beholder.editing.diffusion.diffusion_pipeline import DrawingAbandoned
from beholder.editing.directions.edit_text import write
from beholder.editing.editor import Edit, Slider
from beholder.encoder import EncoderConfig
from beholder.errors import EditError, UnknownImage
from beholder.recommending.candidates import Candidates, CandidatesConfig, candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.image_library import Abandoned, LibraryImage
from beholder.recommending.own_photos.drawn_embeddings import GridEmbeddings
from beholder.recommending.own_photos.drawn_photos import GENERATOR, DrawnPhotos
from beholder.recommending.own_photos.look_service import LookLibrary, look_encoder, thumbnail_fit
from beholder.recommending.posteriors import PriorStore
from beholder.recommending.ranking import PROBABILITY
from beholder.recommending.service import RecommendationService

if TYPE_CHECKING:
    from beholder.editing.diffusion.diffusion_editor import DiffusionEditor
    from beholder.recommending.components import ServiceConfig
    from beholder.recommending.store.choice_store import Store
    from beholder.workspace import Workspace

REFERENCE = "seed-0"  # the landscape whose drawings tell how much edits change
_STEP = 1.0  # of the grid of alphas, at least


class DiffusionLibrary(LookLibrary):
    """Photos under edits of a diffusion pipeline, each of which is drawn once. Safe to share between threads: they draw in turn."""

    def __init__(
        self, editor: "DiffusionEditor", photos: DrawnPhotos, store: "Store", place: Any, grid: Candidates, config: Any = None
    ) -> None:
        """grid: the edits that are drawn of each photo when it is brought."""
        super().__init__(store, place, config, editor=editor, photos=photos)
        self.grid = grid
        self._turn = threading.Lock()

    def add_photo(
        self,
        data: bytes,
        user_id: str,
        *,
        aligned: bool = False,
        abandoned: Callable[[], bool] = lambda: False,
        progress: Callable[[], None] = lambda: None,
    ) -> LibraryImage:
        """Keep a copy of a photo, the bytes of its file, as uploaded by this person, and draw it under every candidate.

        progress: called with each that is there. Where it is abandoned, between two steps of a drawing, the photo stays with what
        was drawn, and the same photo again goes on from there. Raises as `LookLibrary.add_photo`, EditError as `draw_candidates`.
        """
        image = super().add_photo(data, user_id)
        self.draw_candidates(image.image_id, progress=progress, abandoned=abandoned)
        return image

    def draw_candidates(
        self,
        image_id: str,
        *,
        progress: Callable[[], None] = lambda: None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        """Draw an image under every candidate that is not drawn yet. progress, abandoned: as for `add_photo`.

        Raises UnknownImage for an unknown image, EditError for one that can't be drawn, Abandoned.
        """
        latent = self.latent(image_id)
        for edit in self.grid.edits():
            try:
                self._drawing(image_id, latent, edit, abandoned)
            except DrawingAbandoned:
                raise Abandoned from None
            except UnknownImage:
                raise
            except EditError as error:
                raise EditError(f"{write(edit)} can't be drawn: {error}") from None
            progress()

    def picture(self, image_id: str, edit: Edit, media_type: str, size: int | None = None) -> bytes:
        """Return a photo under an edit as a file. size: the pixels of its longer side that are needed. Raises as `check` does."""
        cached = self.cached_file(image_id, edit, media_type, size)
        if cached is not None:
            return cached
        drawn = self.draw_images([(image_id, [edit])])[0][0]
        return self.encode_file(image_id, edit, media_type, drawn if size is None else images.shrink(drawn, size), size)

    def draw_images(self, requests: Sequence[tuple[str, Sequence[Edit]]], *, size: int | None = None) -> list[np.ndarray]:
        """Draw photos under some edits each: uint8 RGB [its edits, H, W, 3] in the photo's shape. Raises as `check` does.

        size: of the square that an encoder takes, to which drawings are scaled. What was drawn before is not drawn again.
        """
        result = []
        for image_id, edits in requests:
            latent: Any = self.check(image_id, edits)
            drawn = [self._drawing(image_id, latent, edit) for edit in edits]
            drawn = drawn if size is None else [images.fit_pixels(each, thumbnail_fit(size)) for each in drawn]
            result.append(np.stack(drawn) if drawn else np.empty((0, *latent.photos[0].shape), np.uint8))
        return result

    def _drawing(self, image_id: str, latent: Any, edit: Edit, abandoned: Callable[[], bool] = lambda: False) -> np.ndarray:
        """Return a photo under an edit, uint8 RGB [H, W, 3]; without an edit its copy, bit for bit."""
        if not any(edit.values()):
            return np.asarray(latent.photos[0])
        name = self.editor.digest(edit)
        found: np.ndarray | None = self.latents.drawing(image_id, name)
        if found is not None:
            return found
        with self._turn:
            found = self.latents.drawing(image_id, name)  # drawn by who had the turn before
            if found is not None:
                return found
            drawn = self.editor.draw(latent, [edit], abandoned=abandoned)[0]
            kept: np.ndarray = self.latents.keep(image_id, name, drawn)
        if image_id.startswith("photo-") and not self.store.is_uploaded(image_id):  # erased while it was drawn
            self.forget(image_id)
            raise UnknownImage(f"{image_id} is not among the photos uploaded to {GENERATOR}")
        return kept


def drawn_grid(sliders: Mapping[str, Slider], config: CandidatesConfig) -> Candidates:
    """Return the edits that are drawn of each photo: every direction by itself, at a few alphas, `config.drawn` in all at most."""
    return candidates(sliders, replace(config, count=config.drawn, step=max(config.step, _STEP), pairs=False))


def diffusion_encoder(config: EncoderConfig) -> EncoderConfig:
    """Return the encoder of drawings: any CLIP, joined or not, and the descriptor of looks where the default encoder of portraits
    stands alone."""
    return look_encoder(config) if config.name in ("looks", "portraits", "") else config


def build_diffusion_recommendations(
    config: "ServiceConfig",
    sliders: Mapping[str, Slider],
    embed: Callable[[str, Sequence[Edit]], np.ndarray],
    store: "Store",
    workspace: "Workspace",
) -> RecommendationService:
    """Build the recommendation service of photos that are drawn, which needs no pipeline itself.

    embed: an image's id and edits -> the embeddings of what is drawn, float32 [N, E], wherever that is done.
    """
    grid, photos = drawn_grid(sliders, config.components.candidates), DrawnPhotos(workspace.place)

    def encode_image(image_id: str) -> EditableImage:
        embeddings = embed(image_id, [{}, *grid.edits()])
        return EditableImage(image_id, embeddings[1:].copy(), embeddings[0].copy())

    made_for = {
        "generator": GENERATOR,
        "pipeline": config.diffusion.fingerprint(),
        "encoder_id": config.encoder.encoder_id(),
        "directions": [[name, *each.range] for name, each in sliders.items()],
        "drawn": len(grid),
        "ranker": asdict(config.ranker),
    }
    ranking = config.components.ranking
    return RecommendationService(
        EditFeatures(GridEmbeddings(grid), grid),
        store,
        workspace,
        encode_image,
        sliders,
        exists=lambda image_id: image_id in photos,
        ranker=config.ranker,
        ranking_config=replace(ranking, by=PROBABILITY) if ranking.by is None else ranking,
        priors=PriorStore(workspace.place / "rankers", made_for),
        config=config.service,
        attribute=config.components.attribute,
        questions=config.questions,
        directions=config.directions,
    )
