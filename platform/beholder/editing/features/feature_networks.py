"""Feature networks: what keeps the detail of a photo that w+ loses, as features of one of the generator's layers.

After StyleFeatureEditor (Bobkov et al., "The Devil is in the Details", CVPR 2024): an encoder makes a feature map of the photo, a
fuser joins it with the features F(w) that the generator makes of the photo's w+, which gives F_k, and the generator draws on from
F_k. Under an edit delta = F(w) - F(w edited) tells where and how the generator's features move, and a feature editor turns
(F_k, delta) into the map that is drawn on from.
"""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.editing.generator import Generator, GeneratorConfig, Noise
from beholder.errors import EditError


class FeatureNetworks(nn.Module, abc.ABC):
    """The contract of networks that keep detail in features.

    at: the resolution whose features they replace. exact: whether the feature editor leaves F_k as it is where nothing is edited.
    seen: the resolution of the pictures that they look at; None: the generator's.
    """

    at: int
    exact: bool = False
    seen: int | None = None

    @abc.abstractmethod
    def keep(self, generator: Generator, images: Tensor, ws: Tensor, *, noise: Noise = "const") -> tuple[Tensor, Tensor]:
        """Find F_k of pictures, RGB in -1..1 [N, 3, R, R] of the generator's size, in one pass.

        ws: what its inverter found, [N, num_ws, w_dim]. Returns the w+ that they are drawn with, and F_k [N, C, at, at].
        """

    @abc.abstractmethod
    def edits(self, features: Tensor, before: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what turns F_k into the features of edited pictures, given the generator's features of the edited w+.

        features: F_k, before: the generator's features of the w+ that its inverter found; all of them [N, C, at, at].
        """

    @abc.abstractmethod
    def check(self, config: GeneratorConfig) -> None:
        """Raise EditError for a generator of other sizes."""


@dataclass(frozen=True)
class CompactConfig:
    """Sizes.

    resolution: of the pictures that the encoder sees, to which those of a larger generator are averaged; at: of features; channels:
    of features; styles: how many numbers S has above `at`, up to `resolution`.
    """

    resolution: int = 128
    at: int = 64
    channels: int = 48
    styles: int = 96
    width: int = 48
    blocks: int = 2

    def __post_init__(self) -> None:
        if self.resolution % self.at or self.at % 2 or self.resolution <= self.at:
            raise ValueError(f"expected pictures larger than features, {self.at} px, by a power of two, got {self.resolution}")
        if min(self.channels, self.styles, self.width) < 1 or self.blocks < 0:
            raise ValueError("channels, styles and width must be at least 1, blocks at least 0")

    @property
    def layers(self) -> slice:
        """Which layers lie above `at`, up to `resolution`: there are two of 4 px, and three of each larger size."""
        return slice(3 * self.at.bit_length() - 7, 3 * self.resolution.bit_length() - 7)

    @classmethod
    def of(
        cls, generator: GeneratorConfig, *, at: int, resolution: int | None = None, width: int = 48, blocks: int = 2
    ) -> "CompactConfig":
        """Return the sizes for a generator. resolution: the largest that the encoder sees, the generator's own by default."""
        sizes = cls(min(resolution or generator.resolution, generator.resolution), at, generator.channels(at), 1, width, blocks)
        return replace(sizes, styles=sum(generator.style_widths[sizes.layers]))


class CompactFeatureNetworks(FeatureNetworks):
    """Small networks for a small generator: encoder, fuser and feature editor, on the w+ of an inverter that stays as it is.

    The encoder sees a picture beside what w+ draws of it. All three begin as the identity: F_k = F(w), and an edit moves F_k by
    -delta. Where an edit moves nothing the feature editor changes nothing, whatever it learned.
    """

    exact = True

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config, self.at, self.seen = config, config.at, config.resolution
        self.encoder = FeatureEncoder(config)
        self.fuser = FeatureFuser(config)
        self.editor = FeatureEditor(config)

    def keep(self, generator: Generator, images: Tensor, ws: Tensor, *, noise: Noise = "const") -> tuple[Tensor, Tensor]:
        """Find F_k of pictures; the w+ they are drawn with is the inverter's."""
        styles = generator.synthesis.styles(ws)
        begun = generator.synthesis.begin(styles, at=self.at, noise=noise)
        drawn = generator.synthesis.finish(begun, styles, at=self.at, noise=noise, until=self.config.resolution)
        seen = functional.avg_pool2d(images, generator.config.resolution // self.config.resolution)
        return ws, self.fuse(seen, drawn, begun.features, styles)

    def fuse(self, images: Tensor, drawn: Tensor, features: Tensor, styles: Sequence[Tensor]) -> Tensor:
        """Return F_k [N, C, h, w] of pictures [N, 3, H, W], or of a window of them, given what w+ draws there, and its features.

        Pictures are of the size that the encoder sees.

        styles: of all layers, as `Synthesis.styles` gives them.
        """
        found = self.encoder(images, drawn, torch.cat(list(styles[self.config.layers]), dim=1))
        result: Tensor = self.fuser(found, features)
        return result

    def edits(self, features: Tensor, before: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what turns F_k into the features of edited pictures; what no edit changes is computed once."""
        context = self.editor.context(features, before)
        return lambda after: self.editor.respond(features, before - after, context)

    def check(self, config: GeneratorConfig) -> None:
        """Raise EditError for a generator of other sizes."""
        own = self.config
        its = CompactConfig.of(config, at=self.at, resolution=own.resolution, width=own.width, blocks=own.blocks)
        if own != its:
            raise EditError(
                f"these feature networks are for {own.channels} features at {own.at} px of {own.resolution}, "
                f"the generator has {its.channels} of {its.resolution}"
            )


class FeatureEncoder(nn.Module):
    """Pictures beside what w+ draws of them -> a feature map [N, width, at, at], scaled by the styles it will be drawn with."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.fold = config.resolution // config.at
        self.first = _conv(6 * self.fold**2, config.width)
        self.scale = nn.Linear(config.styles, config.width)
        self.blocks = nn.ModuleList(_Residual(config.width) for _ in range(config.blocks))
        nn.init.normal_(self.scale.weight, std=0.02)
        nn.init.zeros_(self.scale.bias)

    def forward(self, images: Tensor, drawn: Tensor, styles: Tensor) -> Tensor:
        """images, drawn: RGB [N, 3, R, R]; styles: [N, S]."""
        seen = functional.pixel_unshuffle(torch.cat([images, images - drawn], dim=1), self.fold)
        x: Tensor = self.first(seen) * (1 + self.scale(styles))[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        return x


class FeatureFuser(nn.Module):
    """An encoder's feature map and F(w) -> F_k: F(w) and what is added to it."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.first = _conv(config.width + config.channels, config.width)
        self.block = _Residual(config.width)
        self.last = _silent(config.width, config.channels)

    def forward(self, found: Tensor, features: Tensor) -> Tensor:
        """[N, width, at, at], [N, C, at, at] -> [N, C, at, at]."""
        added: Tensor = self.last(self.block(functional.silu(self.first(torch.cat([found, features], dim=1)))))
        return features + added


class FeatureEditor(nn.Module):
    """F_k, and the generator's features before and after an edit -> edited features.

    They are F_k - delta, and a correction of where detail is in the way of the edit: along two paths, one of them at half the
    resolution to see further. Both subtract what they make of no delta, and add nothing to nothing after that.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        width, channels = config.width, config.channels
        self.context_far = _conv(2 * channels, width, stride=2)
        self.delta_far = _conv(channels, width, stride=2, bias=False)
        self.far = _conv(width, width, dilation=2, bias=False)
        self.context_near = nn.Conv2d(2 * channels, width, 1)
        self.delta_near = nn.Conv2d(channels, width, 1, bias=False)
        self.back = nn.Conv2d(width, width, 1, bias=False)
        self.last = _silent(width, config.channels, bias=False)

    def forward(self, features: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Each [N, C, at, at] -> [N, C, at, at]."""
        return self.respond(features, before - after, self.context(features, before))

    def context(self, features: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both paths make of a picture, whatever the edit."""
        seen = torch.cat([features, features - before], dim=1)
        return self.context_far(seen), self.context_near(seen)

    def respond(self, features: Tensor, delta: Tensor, context: tuple[Tensor, Tensor]) -> Tensor:
        """Return the edited features."""
        far = self._response(context[0], self.delta_far(delta))
        far = far + functional.leaky_relu(self.far(far), 0.2)
        wide = functional.interpolate(self.back(far), scale_factor=2, mode="bilinear", align_corners=False)
        near = self._response(context[1], self.delta_near(delta) + wide)
        result: Tensor = features - delta + self.last(near)
        return result

    @staticmethod
    def _response(context: Tensor, moved: Tensor) -> Tensor:
        return functional.silu(context + moved) - functional.silu(context)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.other = _conv(width, width), _silent(width, width, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.other(functional.silu(self.one(functional.silu(x))))
        return result


def _conv(inner: int, out: int, *, stride: int = 1, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inner, out, 3, stride=stride, padding=dilation, dilation=dilation, bias=bias)


def _silent(inner: int, out: int, *, std: float = 0.0, bias: bool = True) -> nn.Conv2d:
    """A convolution that begins with nothing, or little, to say."""
    layer = _conv(inner, out, bias=bias)
    nn.init.normal_(layer.weight, std=std) if std else nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
