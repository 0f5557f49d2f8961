"""StyleGAN: the editor that moves latents of a StyleGAN2 along directions."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch

from beholder import images as pictures
from beholder.editing import generator_store
from beholder.editing import latent as latents
from beholder.editing.directions import Direction, direction_registry, edited_styles
from beholder.editing.editor import Edit, check_images, latent_rows
from beholder.editing.editor_config import StyleGANConfig as StyleGANConfig
from beholder.editing.features.detail_drawing import DetailDrawing, refine
from beholder.editing.features.feature_networks import FeatureNetworks
from beholder.editing.generator import Generator, to_pixels, to_rgb
from beholder.editing.generator_store import fingerprint
from beholder.editing.inversion import Inversion, InversionStep, LatentEncoder, Refinement, invert, loss
from beholder.editing.latent import Detail, Latent
from beholder.editing.layer_cache import LayerCache, Still
from beholder.errors import ConfigError, EditError, PhotoNotRedrawn
from beholder.process import ThreadShare

if TYPE_CHECKING:
    from beholder.workspace import Workspace

EditedLatent = tuple[Latent, Edit]  # a latent of one row, and its edit
_SMALL = 2e9  # multiplications of a picture that one core draws sooner than others could help it


class StyleGAN:
    """A generator, an inverter where there is one, and directions.

    On a CPU pictures of a small generator are drawn by one core each, several at a time; one of a large generator by all together.

    With `batch` 1 a picture is the same bit for bit whatever is drawn beside it; in larger batches on a CPU a value may be another
    by one of 255, because sums are taken in another order.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        inverter: LatentEncoder | None = None,
        features: FeatureNetworks | None = None,
        directions: Mapping[str, Direction] | None = None,
        refinement: Refinement | None = None,
        config: StyleGANConfig | None = None,
        own_distance: float | None = None,
    ) -> None:
        """own_distance: the largest distance (see Inversion) of pictures of the kind that it was made for; None: not known."""
        self.config = config or StyleGANConfig()
        self.device = _device(self.config.device)
        self.generator = generator.to(self.device).eval().requires_grad_(False)
        self.inverter = None if inverter is None else inverter.to(self.device).eval().requires_grad_(False)
        self.features = None if features is None else features.to(self.device).eval().requires_grad_(False)
        if self.features is not None:
            self.features.check(generator.config)
        self._before: WeakKeyDictionary[Detail, torch.Tensor] = WeakKeyDictionary()  # what a drawing of a detail begins with
        self.refinement = refinement or Refinement(steps=0)
        self.own_distance = own_distance
        self._threads = ThreadShare() if self.device == "cpu" and generator.config.macs < _SMALL else None
        self._directions = dict(directions or {})
        for each in self._directions.values():
            each.check(generator.config)

    @classmethod
    def load(
        cls,
        name: str = generator_store.SHIPPED,
        workspace: "Workspace | None" = None,
        *,
        force: bool = False,
        refinement: Refinement | None = None,
        config: StyleGANConfig | None = None,
    ) -> "StyleGAN":
        """Load the editor of a generator of the registry with its directions, and the encoder of its photos where it has one.

        force: take directions that were made for another generator. Raises WeightsError where there is no such generator and
        EditError for directions of another one.
        """
        generator = generator_store.read(name, workspace)
        earlier = generator_store.finished_from(name, workspace)
        known = direction_registry.read(
            workspace, name, fingerprint=fingerprint(generator), finished_from=earlier, force=force
        )  # fmt: skip
        inverter: LatentEncoder | None
        features: FeatureNetworks | None
        own_distance = None
        if name == generator_store.SHIPPED:
            from beholder.editing import pretrained

            inverter, features = pretrained.inverter(), pretrained.features(generator)
            own_distance = pretrained.own_distance()
        else:
            inverter = generator_store.read_encoder(name, workspace, generator)
            features = generator_store.read_features(name, workspace)
        if config is not None and not config.features:
            features = None
        return cls(
            generator,
            inverter=inverter,
            features=features,
            directions=known,
            refinement=refinement,
            config=config,
            own_distance=own_distance,
        )

    @property
    def resolution(self) -> int:
        return self.generator.config.resolution

    @property
    def directions(self) -> Mapping[str, Direction]:
        return self._directions

    def generate(self, seeds: Sequence[int]) -> Latent:
        """Return one latent for each seed, the one that NVIDIA's programs draw for it.

        Raises EditError for a seed outside 0..2^32-1.
        """
        if not len(seeds):
            empty = self.generator.mapping.w_avg.new_empty(0, self.generator.config.num_ws, self.generator.config.w_dim)
            return Latent(empty, empty.new_empty(0, self.generator.config.z_dim))
        some = [latents.from_seeds(self.generator, [seed], truncation=self.config.truncation) for seed in seeds]
        return Latent.join(some)

    def invert(self, images: np.ndarray) -> Latent:
        """Return the latents nearest to pictures, uint8 RGB [N, H, W, 3], by this editor's refinement."""
        return self.inversion(images).latent

    def inversion(
        self,
        images: np.ndarray,
        *,
        refinement: Refinement | None = None,
        progress: Callable[[InversionStep], None] = lambda step: None,
        detail: bool = True,
    ) -> Inversion:
        """Invert as `invert` does, and return the losses, too. Raises ImageError for what is no pictures.

        detail: keep what w+ loses, where there are networks for that.
        """
        check_images(images)
        size = self.resolution if self.inverter is None else self.inverter.sizes[0]
        refinement = refinement or self.refinement
        if not len(images):
            refinement = replace(refinement, steps=0)
        found = invert(
            self.generator, self.inverter, self._squares(images, size), refinement=refinement, progress=progress
        )  # fmt: skip
        return self._keep(found, images, refinement) if detail and self.features is not None else found

    def _squares(self, images: np.ndarray, size: int) -> torch.Tensor:
        """Return the middle squares of pictures at a size, RGB in -1..1 [N, 3, size, size]."""
        squares = [pictures.fit_pixels(each, pictures.Fit(size)) for each in images]
        return to_rgb(np.stack(squares) if squares else np.empty((0, size, size, 3), np.uint8)).to(self.device)

    @torch.no_grad()
    def _keep(self, found: Inversion, images: np.ndarray, refinement: Refinement) -> Inversion:
        """Add to an inversion what w+ loses of its pictures, one by one."""
        assert self.features is not None
        ws, details, losses = [found.ws[:0]], list[Detail | None](), [found.after[:0]]
        squares = self._squares(images, self.resolution)
        for row, start in enumerate(found.start):
            image, close = squares[row : row + 1], found.ws[row : row + 1]
            own, features = self.features.keep(self.generator, image, close, noise=self._noise)
            if self.features.exact:
                features = refine(
                    self.generator, features, own, image, at=self.features.at, steps=refinement.feature_steps,
                    edges=refinement.edges, noise=self._noise, until=self.features.seen,
                )  # fmt: skip
            features = features.half().float()  # as files keep them, so that one that is read again is drawn the same
            latent = Latent(own, details=(Detail(start, features[0]),))
            ws.append(own)
            details += latent.details
            losses.append(loss(self.detail_drawing(latent).draw({}) - image, refinement.edges))
        return replace(found, ws=torch.cat(ws), details=tuple(details), kept=torch.cat(losses))

    def check_kind(self, inversion: Inversion) -> None:
        """Raise EditError for an inversion that is farther off than any picture of the generator's own kind.

        What counts is w+, whose directions are meant for pictures of that kind; detail that is kept beside it would hide the rest.
        """
        distance = float(inversion.distance.max()) if len(inversion.distance) else 0.0
        if self.own_distance is not None and not distance <= self.own_distance:
            raise PhotoNotRedrawn(
                f"the generator can't redraw this picture, and what it draws instead would be a smeared ghost: the inversion is "
                f"{distance:.3f} off, pictures of its own kind at most {self.own_distance:.3f}. A generator of such pictures "
                "would do, for photos of faces one of FFHQ: beholder import generator=FILE, then generator=NAME"
            )

    @torch.no_grad()
    def edit(self, latent: Latent, edits: Sequence[Edit], *, size: int | None = None) -> np.ndarray:
        """Draw latents moved along an edit each, or one latent along all of them: uint8 RGB [N, R, R, 3].

        size: the pixels that are needed: the picture is then what the first layers of that size have, and of a latent with detail
        what w+ alone gives, for an encoder to rank. Drawn one at a time, edits of one latent share what they leave
        unchanged. Raises EditError as the contract says, and for a move in z of latents that come from a picture.
        """
        edited = [(latent[row], edit) for row, edit in zip(latent_rows(len(latent), edits), edits, strict=True)]
        until = self.drawn_size(size)
        if not edited:
            return np.empty((0, until, until, 3), np.uint8)
        batch = self.config.batch or (1 if self.device == "cpu" else 16)
        if size is None and self.features is not None and any(each.details for each, _ in edited):
            return self.on_threads(self._with_details, edited)
        if batch == 1:
            return self.on_threads(lambda some: self._one_by_one(some, until=until), edited)
        return self._together(edited, batch=batch, until=until)

    def drawn_size(self, size: int | None) -> int:
        """Return the pixels of a side of what `edit` draws where `size` are needed: the next resolution of its layers, or R."""
        return min((each for each in self.generator.config.resolutions if size and each >= size), default=self.resolution)

    def sliders(self, latent: Latent) -> "Sliders":
        """Return one latent, set up to be drawn under sliders."""
        return Sliders(self, latent)

    def on_threads(self, draw: Callable[[Sequence[EditedLatent]], np.ndarray], edited: Sequence[EditedLatent]) -> np.ndarray:
        """Run `draw` over pictures, a row for each, on the threads that draw this generator's pictures."""
        return draw(edited) if self._threads is None else self._threads.share(draw, edited)

    def detail_drawing(self, latent: Latent) -> DetailDrawing:
        """Return one latent that has detail, set up to be drawn with it. Raises EditError where no networks for it are here."""
        if self.features is None:
            raise EditError("this latent keeps detail as features, and the editor has no networks for them (editor.features=true)")
        detail = latent.details[0]
        assert detail is not None
        known = self._before.get(detail)
        drawing = DetailDrawing(self.generator, self.features, self._directions, latent, noise=self._noise, before=known)
        self._before[detail] = drawing.before
        return drawing

    def edit_around(self, latent: Latent, edit: Edit, still: np.ndarray) -> np.ndarray:
        """Draw one latent under an edit that leaves some places as they are: uint8 RGB [R, R, 3].

        still: how far each place stays, float [H, W] in 0..1, of any size. Where the latent has detail its features are held there,
        and what is drawn unedited is put back over it. Raises EditError as `edit` does, and for places of another shape.
        """
        if still.ndim != 2 or not still.size or not (still.min() >= 0 and still.max() <= 1):
            raise EditError(f"expected places [H, W] with values in 0..1 that stay, got {list(still.shape)}")
        held = torch.from_numpy(np.asarray(still, np.float32))[None, None].to(self.device)
        plain = self.edit(latent, [{}])[0]
        if self.features is not None and any(latent.details):
            with _exact(self.device):
                moved = to_pixels(self.detail_drawing(latent).draw(edit, still=held))[0]
        else:
            moved = self.edit(latent, [edit])[0]
        share = torch.nn.functional.interpolate(held, plain.shape[:2], mode="bilinear", align_corners=False)[0, 0, :, :, None]
        mixed = moved + share.cpu().numpy() * (plain.astype(np.float32) - moved)
        result: np.ndarray = mixed.round().astype(np.uint8)
        return result

    def layer_cache(self) -> LayerCache:
        """Return a cache that draws this generator's pictures one after the other."""
        return LayerCache(self.generator.synthesis, noise=self._noise)

    @torch.no_grad()
    def styles(self, latent: Latent, edit: Edit) -> tuple[torch.Tensor, ...]:
        """Return S of one latent after an edit, a tensor [1, width] for each layer. Raises EditError as `edit` does."""
        return edited_styles(self.generator, latent, edit, self._directions)

    def _one_by_one(self, edited: Sequence[EditedLatent], *, until: int) -> np.ndarray:
        styles, cache = [self.styles(*each) for each in edited], self.layer_cache()
        with _exact(self.device):
            return np.concatenate([to_pixels(cache.draw(each, until=until)) for each in styles])

    @torch.no_grad()
    def _with_details(self, edited: Sequence[EditedLatent]) -> np.ndarray:
        """Draw pictures one by one, with the detail that they have."""
        drawn, cache, made = [], self.layer_cache(), dict[int, DetailDrawing]()
        for latent, edit in edited:
            detail = latent.details[0] if latent.details else None
            with _exact(self.device):
                if detail is None:
                    drawn.append(to_pixels(cache.draw(self.styles(latent, edit))))
                    continue
                if id(detail) not in made:
                    made[id(detail)] = self.detail_drawing(latent)
                drawn.append(to_pixels(made[id(detail)].draw(edit)))
        return np.concatenate(drawn)

    @torch.no_grad()
    def _together(self, edited: Sequence[EditedLatent], *, batch: int, until: int) -> np.ndarray:
        styles, drawn = [self.styles(*each) for each in edited], []
        for start in range(0, len(styles), batch):
            whole = [torch.cat(layer) for layer in zip(*styles[start : start + batch], strict=True)]
            with _exact(self.device):
                drawn.append(to_pixels(self.generator.synthesis.draw(whole, noise=self._noise, until=until)))
        return np.concatenate(drawn)

    @property
    def _noise(self) -> Still:
        return "none" if self.config.noise == "none" else "const"


class Sliders:
    """One picture under sliders: `draw` returns what `StyleGAN.edit` gives, sooner where an edit leaves the first layers alone."""

    def __init__(self, editor: StyleGAN, latent: Latent) -> None:
        latent_rows(len(latent), [{}])
        self._editor, self._latent = editor, latent
        self.cache = editor.layer_cache()
        kept = editor.features is not None and any(latent.details)
        self._detail = editor.detail_drawing(latent) if kept else None

    @torch.no_grad()
    def draw(self, edit: Edit) -> np.ndarray:
        """Draw the picture under an edit, uint8 RGB [R, R, 3]. Raises EditError as `StyleGAN.edit` does."""
        return np.asarray(self._editor.on_threads(self._draw, [(self._latent, edit)])[0])

    def _draw(self, edited: Sequence[EditedLatent]) -> np.ndarray:
        if self._detail is not None:
            with _exact(self._editor.device):
                return to_pixels(self._detail.draw(edited[0][1]))
        styles = self._editor.styles(*edited[0])
        with _exact(self._editor.device):
            return to_pixels(self.cache.draw(styles))


def _exact(device: str) -> AbstractContextManager[None]:
    """Return a context in which a GPU draws the same picture each time, whatever is beside it, and with all digits, as a CPU."""
    if not device.startswith("cuda"):
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


def _device(name: str) -> str:
    """Return a device that is there; auto is a GPU where there is one. Raises ConfigError."""
    device = name if name != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device={device} is not there: {str(error).splitlines()[0]}") from None
    return device
