"""Drawing a photo with its detail: F_k refined, and under an edit, and the generator's layers above it."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from beholder.editing.directions import Direction, edited_styles
from beholder.editing.editor import Edit
from beholder.editing.features.feature_networks import FeatureNetworks
from beholder.editing.generator import Drawing, Generator, Noise
from beholder.editing.inversion import loss
from beholder.editing.latent import Latent
from beholder.editing.layer_cache import LayerCache, Still

_RATE = 0.15  # of a step, in standard deviations of the features; falls to a tenth


class DetailDrawing:
    """One latent with its detail, drawn under edits; it remembers what one drawing has in common with the next.

    The RGB of the layers up to `at`, and the styles of those above, are those of the edited w+. Their features are what the feature
    editor makes of F_k and of how the features of the editable w+ move.
    """

    def __init__(
        self,
        generator: Generator,
        networks: FeatureNetworks,
        directions: Mapping[str, Direction],
        latent: Latent,
        *,
        noise: Still = "const",
        before: Tensor | None = None,
    ) -> None:
        """before: the features of the editable w+, where they are known from another drawing of the latent."""
        detail = latent.details[0]
        assert len(latent) == 1
        assert detail is not None
        self._generator, self._networks, self._directions, self._noise = generator, networks, directions, noise
        self._own, self._editable = latent, Latent(detail.editable.to(latent.ws).unsqueeze(0))
        self._features = detail.features.to(latent.ws).unsqueeze(0)
        self._shared = torch.equal(self._own.ws, self._editable.ws)
        self._cache = LayerCache(generator.synthesis, noise=noise)
        self._other = self._cache if self._shared else LayerCache(generator.synthesis, noise=noise)
        self.before = self._moved({}) if before is None else before
        with torch.no_grad():
            self._edited = networks.edits(self._features, self.before)

    @torch.no_grad()
    def draw(self, edit: Edit, *, still: Tensor | None = None) -> Tensor:
        """Draw under an edit, RGB [1, 3, R, R]. Raises EditError as `edited_styles` does.

        still: how much of each place no edit may move, [1, 1, H, W] in 0..1.
        """
        at, synthesis = self._networks.at, self._generator.synthesis
        after = self._moved(edit)
        if still is not None:
            held = torch.nn.functional.interpolate(still, after.shape[2:], mode="bilinear", align_corners=False)
            after = after + held * (self.before - after)
        styles = edited_styles(self._generator, self._own, edit, self._directions)
        below = self._cache.drawing(styles, until=at).image
        unmoved = self._networks.exact and torch.equal(after, self.before)
        drawing = Drawing(self._features if unmoved else self._edited(after), below)
        return synthesis.finish(drawing, styles, at=at, noise=self._noise)

    @torch.no_grad()
    def _moved(self, edit: Edit) -> Tensor:
        """The generator's features of the editable w+ under an edit, [1, C, at, at]."""
        styles = edited_styles(self._generator, self._editable, edit, self._directions)
        return self._other.drawing(styles, until=self._networks.at).features


def refine(
    generator: Generator, features: Tensor, ws: Tensor, images: Tensor, *, at: int, steps: int, edges: float,
    noise: Noise = "const", until: int | None = None,
) -> Tensor:  # fmt: skip
    """Bring what is drawn of F_k [N, C, at, at] closer to pictures, RGB in -1..1 [N, 3, R, R], by steps of Adam.

    until: the resolution up to which it is drawn and at which it is compared, which takes less time than the whole picture.
    Only for networks whose feature editor leaves F_k as it is where nothing is edited. A picture that the steps did not bring
    closer keeps what it had.
    """
    if steps < 1:
        return features
    with torch.no_grad():
        styles = generator.synthesis.styles(ws)
        below = generator.synthesis.begin(styles, at=at, noise=noise).image
        spread = features.std()
        images = torch.nn.functional.avg_pool2d(images, images.shape[-1] // (until or images.shape[-1]))

    def errors(found: Tensor) -> Tensor:
        drawn = generator.synthesis.finish(Drawing(found, below), styles, at=at, noise=noise, until=until)
        return loss(drawn - images, edges)

    move = torch.zeros_like(features, requires_grad=True)
    optimiser = torch.optim.Adam([move], lr=_RATE, betas=(0.9, 0.95))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _RATE * (0.1 + 0.9 * (1 + math.cos(math.pi * step / steps)) / 2)
        with torch.enable_grad():
            (move.grad,) = torch.autograd.grad(errors(features + spread * move).sum(), move)
        optimiser.step()
    with torch.no_grad():
        found = features + spread * move
        closer = errors(found) < errors(features)
        return torch.where(closer[:, None, None, None], found, features)
