"""StyleFeatureEditor's published networks: an inverter (w+ and a feature map of a photo, and a fuser) and a feature editor.

Modules carry the names of the published file: `inverter.fs_backbone`, `inverter.fuser` and, for the feature editor, `encoder`. The
backbone is an improved ResNet-50 of face recognition whose third stage keeps its size, so that its map is a quarter of the 256 px
that it looks at: the size of the features that it is joined with. Bobkov et al., CVPR 2024.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.editing.features.feature_networks import FeatureNetworks
from beholder.editing.generator import Generator, GeneratorConfig, Noise
from beholder.errors import EditError

_UNITS = (3, 4, 14, 3)  # of the backbone's stages
_STRIDES = (2, 2, 1, 2)
_CELLS = 3  # of a side, of what heads see of each stage


@dataclass(frozen=True)
class PublishedFeaturesConfig:
    """Sizes. width: channels of the backbone's first layer; features: of the generator's layer; blocks: of fuser and editor."""

    num_ws: int
    w_dim: int
    features: int = 512
    width: int = 64
    blocks: int = 5
    at: int = 64

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> "PublishedFeaturesConfig":
        """Read the sizes off a file's tensors. Raises ValueError where they are of no such networks."""
        first, fuser = shapes.get(f"{_BACKBONE}.conv.0.weight", ()), shapes.get("inverter.fuser.conv.weight", ())
        head = shapes.get(f"{_BACKBONE}.styles.0.weight", ())
        if len(first) != 4 or len(fuser) != 4 or len(head) != 2:
            raise ValueError("its inverter is of no known kind")
        if not 4 <= first[0] <= 256 or not 4 <= fuser[0] <= 2048:
            raise ValueError(f"its inverter has {first[0]} and {fuser[0]} channels, which no published one has")
        rows = sum(f"{_BACKBONE}.styles.{row}.weight" in shapes for row in range(32))
        blocks = sum(f"inverter.fuser.body.{block}.body.0.weight" in shapes for block in range(32))
        return cls(rows, head[0], fuser[0], first[0], blocks)


_BACKBONE = "inverter.fs_backbone"


class PublishedFeatures(FeatureNetworks):
    """The published networks; latent_avg [rows, w_dim] is what the backbone's w+ is added to."""

    latent_avg: Tensor

    def __init__(self, config: PublishedFeaturesConfig) -> None:
        super().__init__()
        self.config, self.at = config, config.at
        self.inverter = _PublishedInverter(config)
        self.encoder = _Fuser(config)
        self.register_buffer("latent_avg", torch.zeros(config.num_ws, config.w_dim))

    def keep(self, generator: Generator, images: Tensor, ws: Tensor, *, noise: Noise = "const") -> tuple[Tensor, Tensor]:
        """Find w+ of pictures, by the backbone, and F_k."""
        seen = functional.interpolate(images, (4 * self.at, 4 * self.at), mode="bilinear", align_corners=False)
        offsets, found = self.inverter.fs_backbone(seen)
        own = offsets + self.latent_avg
        features = generator.synthesis.begin(generator.synthesis.styles(own), at=self.at, noise=noise).features
        return own, self.inverter.fuser(torch.cat([found, features], dim=1))

    def edits(self, features: Tensor, before: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what turns F_k and delta into edited features."""

        def edited(after: Tensor) -> Tensor:
            result: Tensor = self.encoder(torch.cat([features, before - after], dim=1))
            return result

        return edited

    def check(self, config: GeneratorConfig) -> None:
        """Raise EditError for a generator of other sizes."""
        own = self.config
        if config.resolution <= self.at or (own.num_ws, own.w_dim, own.features) != (
            config.num_ws, config.w_dim, config.channels(self.at)
        ):  # fmt: skip
            raise EditError(
                f"these feature networks are for w+ of {own.num_ws} x {own.w_dim} and {own.features} features at {self.at} px, the "
                f"generator has {config.num_ws} x {config.w_dim} and makes {config.resolution} px"
            )


class _PublishedInverter(nn.Module):
    def __init__(self, config: PublishedFeaturesConfig) -> None:
        super().__init__()
        self.fs_backbone = _Backbone(config)
        self.fuser = _Fuser(config)


class _Backbone(nn.Module):
    """Pictures [N, 3, 4 at, 4 at] -> offsets of w+ [N, rows, w_dim], and a feature map [N, features, at, at]."""

    def __init__(self, config: PublishedFeaturesConfig) -> None:
        super().__init__()
        width = config.width
        self.conv = nn.Sequential(_conv(3, width, 3), nn.BatchNorm2d(width), nn.PReLU(width))
        inner = width
        for stage, (count, stride) in enumerate(zip(_UNITS, _STRIDES, strict=True)):
            out = width * 2**stage
            units = [_Unit(inner if at == 0 else out, out, stride if at == 0 else 1, first=at == 0) for at in range(count)]
            setattr(self, f"block_{stage + 1}", nn.Sequential(*units))
            inner = out
        self.content_layer = _body(4 * width, config.features)
        self.styles = nn.ModuleList(nn.Linear(15 * width * _CELLS**2, config.w_dim) for _ in range(config.num_ws))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x, seen, content = self.conv(images), [], images
        for stage in range(len(_UNITS)):
            x = getattr(self, f"block_{stage + 1}")(x)
            seen.append(functional.adaptive_avg_pool2d(x, _CELLS))
            if stage == 2:
                content = self.content_layer(x)
        flat = torch.cat(seen, dim=1).flatten(1)
        return torch.stack([head(flat) for head in self.styles], dim=1), content


class _Unit(nn.Module):
    """A residual unit that normalises first."""

    def __init__(self, inner: int, out: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.bn1, self.conv1, self.bn2 = nn.BatchNorm2d(inner), _conv(inner, out, 3), nn.BatchNorm2d(out)
        self.prelu, self.conv2, self.bn3 = nn.PReLU(out), _conv(out, out, 3, stride), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(_conv(inner, out, 1, stride), nn.BatchNorm2d(out)) if first else None

    def forward(self, x: Tensor) -> Tensor:
        moved = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        result: Tensor = moved + (x if self.downsample is None else self.downsample(x))
        return result


class _Fuser(nn.Module):
    """Two feature maps beside each other -> one: a dense layer per place, then residual blocks."""

    def __init__(self, config: PublishedFeaturesConfig) -> None:
        super().__init__()
        self.body = nn.ModuleList(_Block(config.features) for _ in range(config.blocks))
        self.conv = nn.Conv2d(2 * config.features, config.features, 1)

    def forward(self, maps: Tensor) -> Tensor:
        x: Tensor = self.conv(maps)
        for block in self.body:
            x = x + block(x)
        return x


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = _body(width, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


def _body(inner: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inner), _conv(inner, out, 3), nn.BatchNorm2d(out), nn.PReLU(out), _conv(out, out, 3), nn.BatchNorm2d(out)
    )


def _conv(inner: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inner, out, size, stride=stride, padding=size // 2, bias=False)
