"""Published encoders: pSp, e4e and ReStyle, which find w+ of a photo in one pass, or a few.

A face-recognition trunk (IR-SE-50; ResNet-34 for other subjects) makes feature maps of a picture of 256 px, and a small head for
each row of w+ makes an offset of one of them. pSp (Richardson et al., 2021) adds each offset to the mean w; e4e (Tov et al., 2021)
takes the first for all rows and adds the others; ReStyle (Alaluf et al., 2021) looks at the photo beside what was drawn so far,
five times. Modules carry the names of the published files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.editing.generator import Generator
from beholder.editing.inversion import LatentEncoder

TrunkKind = Literal["ir_se", "resnet"]
_UNITS = {"ir_se": (3, 4, 14, 3), "resnet": (3, 4, 6, 3)}
_SIDE = 256  # px of a picture that an encoder looks at
_PASSES = 5  # of ReStyle, as its authors run it


@dataclass(frozen=True)
class PublishedEncoderConfig:
    """What kind of encoder it is.

    channels: 3, or 6 where it looks at what was drawn so far, too. width: channels of the trunk's first layer. heads: how often
    each row's head halves its feature map. pyramid: heads look at maps of three sizes, else at the last. summed: the first row's
    offset counts for all rows (e4e). wide: the picture's middle three quarters, as of cars.
    """

    resolution: int
    num_ws: int
    w_dim: int
    trunk: TrunkKind = "ir_se"
    channels: int = 3
    width: int = 64
    heads: tuple[int, ...] = ()
    pyramid: bool = True
    summed: bool = False
    wide: bool = False


class PublishedEncoder(LatentEncoder):
    """Image -> w+; latent_avg [num_ws, w_dim] is what offsets are added to."""

    latent_avg: Tensor

    def __init__(self, config: PublishedEncoderConfig) -> None:
        super().__init__()
        self.config = config
        width, last = config.width, 8 * config.width
        if config.trunk == "ir_se":
            self.input_layer = nn.Sequential(_conv(config.channels, width, 3), nn.BatchNorm2d(width), nn.PReLU(width))
        else:
            self.conv1 = nn.Conv2d(config.channels, width, 7, stride=2, padding=3, bias=False)
            self.bn1, self.relu = nn.BatchNorm2d(width), nn.PReLU(width)
        unit = _BottleneckIR if config.trunk == "ir_se" else _BasicBlock
        units: list[nn.Module] = []
        inner = width
        for stage, count in enumerate(_UNITS[config.trunk]):
            out = width * 2**stage
            halves = stage > 0 or config.trunk == "ir_se"
            units += [unit(inner if at == 0 else out, out, 2 if at == 0 and halves else 1) for at in range(count)]
            inner = out
        self.body = nn.Sequential(*units)
        self.styles = nn.ModuleList(
            _Head(last if at < _COARSE or not config.pyramid else config.w_dim, config.w_dim, halvings)
            for at, halvings in enumerate(config.heads)
        )
        if config.pyramid:
            self.latlayer1 = nn.Conv2d(4 * width, config.w_dim, 1)
            self.latlayer2 = nn.Conv2d(2 * width, config.w_dim, 1)
        self.register_buffer("latent_avg", torch.zeros(config.num_ws, config.w_dim))
        self.register_buffer("spread", torch.ones(()))
        self._generator: list[Generator] = []  # in a list, so that it is no part of this network

    def draws_with(self, generator: Generator) -> "PublishedEncoder":
        """Let an encoder of several passes see what this generator draws; returns itself."""
        self._generator = [generator]
        return self

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The generator's resolution, rows of w+ and width of w."""
        return self.config.resolution, self.config.num_ws, self.config.w_dim

    def forward(self, images: Tensor) -> Tensor:
        """RGB in -1..1 [N, 3, R, R] -> w+ [N, num_ws, w_dim]."""
        mean = self.latent_avg.expand(len(images), -1, -1)
        seen = functional.interpolate(self._part(images), self._shape, mode="bilinear", align_corners=False, antialias=True)
        if self.config.channels == 3:
            return mean + self.offsets(seen)
        ws = mean
        for _ in range(_PASSES):
            drawn = functional.adaptive_avg_pool2d(self._part(self._generator[0].synthesis(ws)), self._shape)
            ws = ws + self.offsets(torch.cat([seen, drawn], dim=1))
        return ws

    @property
    def _shape(self) -> tuple[int, int]:
        return (_SIDE * 3 // 4, _SIDE) if self.config.wide else (_SIDE, _SIDE)

    def _part(self, images: Tensor) -> Tensor:
        edge = images.shape[2] // 8
        return images[:, :, edge : images.shape[2] - edge] if self.config.wide else images

    def offsets(self, seen: Tensor) -> Tensor:
        """What is added to the mean w, [N, channels, 256, 256] -> [N, num_ws, w_dim]."""
        x = self.input_layer(seen) if self.config.trunk == "ir_se" else self.relu(self.bn1(self.conv1(seen)))
        ends, end = {}, 0
        for stage, count in enumerate(_UNITS[self.config.trunk]):
            x = self.body[end : end + count](x)
            ends[stage], end = x, end + count
        maps = [x] * len(self.styles)
        if self.config.pyramid:
            middle = _upsample_add(ends[3], self.latlayer1(ends[2]))
            fine = _upsample_add(middle, self.latlayer2(ends[1]))
            maps = [x if at < _COARSE else middle if at < _MIDDLE else fine for at in range(len(self.styles))]
        rows = torch.stack([head(features) for head, features in zip(self.styles, maps, strict=True)], dim=1)
        return torch.cat([rows[:, :1], rows[:, :1] + rows[:, 1:]], dim=1) if self.config.summed else rows


_COARSE, _MIDDLE = 3, 7  # the first rows that heads of the middle and of the fine feature map make


def _conv(inner: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inner, out, size, stride=stride, padding=size // 2, bias=False)


def _upsample_add(small: Tensor, large: Tensor) -> Tensor:
    return functional.interpolate(small, large.shape[2:], mode="bilinear", align_corners=True) + large


class _BottleneckIR(nn.Module):
    """A residual unit with squeeze and excitation, as in ArcFace."""

    def __init__(self, inner: int, out: int, stride: int) -> None:
        super().__init__()
        same = inner == out
        self.shortcut_layer: nn.Module = (
            nn.MaxPool2d(1, stride) if same else nn.Sequential(_conv(inner, out, 1, stride), nn.BatchNorm2d(out))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inner),
            _conv(inner, out, 3),
            nn.PReLU(out),
            _conv(out, out, 3, stride),
            nn.BatchNorm2d(out),
            _Squeeze(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return result


class _Squeeze(nn.Module):
    """Scales channels by what their means say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = _conv(width, width // 16, 1), _conv(width // 16, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x * torch.sigmoid(self.fc2(functional.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))))
        return result


class _BasicBlock(nn.Module):
    """A residual unit of ResNet-34."""

    def __init__(self, inner: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inner, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = _conv(out, out, 3), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(_conv(inner, out, 1, stride), nn.BatchNorm2d(out)) if inner != out else None

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + (x if self.downsample is None else self.downsample(x)))


class _Head(nn.Module):
    """A feature map -> one row: halved until nothing of its size is left, then a dense layer."""

    def __init__(self, inner: int, out: int, halvings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for at in range(halvings):
            layers += [nn.Conv2d(inner if at == 0 else out, out, 3, stride=2, padding=1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = nn.Linear(out, out)

    def forward(self, features: Tensor) -> Tensor:
        """[N, inner, h, w] -> [N, out]; the dense layer's weights are scaled by their count, as in StyleGAN2."""
        x = self.convs(features).flatten(1)
        return functional.linear(x, self.linear.weight / math.sqrt(x.shape[1]), self.linear.bias)


def config_of(
    shapes: Mapping[str, tuple[int, ...]], kind: str, subject: str, *, resolution: int, num_ws: int, w_dim: int
) -> PublishedEncoderConfig:
    """Return the sizes that the shapes of an encoder's tensors tell.

    kind: the authors' name of its class, which alone tells whether rows are summed; subject: of its data.
    Raises ValueError where they are of no encoder that is known.
    """
    trunk: TrunkKind = "ir_se" if "input_layer.0.weight" in shapes else "resnet"
    first = shapes.get("input_layer.0.weight" if trunk == "ir_se" else "conv1.weight", ())
    if len(first) != 4 or first[1] not in (3, 6) or not 16 <= first[0] <= 512:
        raise ValueError("its first layer is of no known kind")
    heads: list[int] = []
    while f"styles.{len(heads)}.linear.weight" in shapes and len(heads) < 32:
        at = len(heads)
        heads.append(sum(f"styles.{at}.convs.{2 * layer}.weight" in shapes for layer in range(8)))
    if len(heads) != num_ws:
        raise ValueError(f"it has heads for {len(heads)} rows of w+, its generator {num_ws}")
    if not kind.endswith(("Encoder4Editing", "GradualStyleEncoder", "BackboneEncoder")):
        raise ValueError(f"its kind is {kind or 'not said'}")
    return PublishedEncoderConfig(
        resolution, num_ws, w_dim, trunk=trunk, channels=first[1], width=first[0], heads=tuple(heads),
        pyramid="latlayer1.weight" in shapes, summed=kind == "Encoder4Editing" or "Progressive" in kind,
        wide=subject.startswith("cars"),
    )  # fmt: skip
