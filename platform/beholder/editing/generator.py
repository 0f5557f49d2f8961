"""Generator: StyleGAN2 in plain PyTorch, no compiled operations.

Parameters carry the names of NVIDIA's published networks (mapping.fc0.weight, synthesis.b64.conv0.affine.bias, ...), so
weights trained elsewhere load as they are. Images are RGB in -1..1. Karras et al., "Analyzing and Improving the Image
Quality of StyleGAN", 2020.
"""

import math
from collections.abc import Mapping as Lookup
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Noise = Literal["const", "random", "none"]


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes: layer r has min(channel_base / r, channel_max) channels, but at least channel_min."""

    resolution: int = 128
    z_dim: int = 64
    w_dim: int = 128
    mapping_layers: int = 1
    channel_base: int = 3072
    channel_max: int = 128
    conv_clamp: float | None = None
    channel_min: int = 1

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two and at least 8, not {self.resolution}")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, ... up to the image's size."""
        return tuple(2**k for k in range(2, int(math.log2(self.resolution)) + 1))

    @property
    def num_ws(self) -> int:
        """How many rows w+ has: one per convolution, and one for the last layer to RGB."""
        return 2 * len(self.resolutions)

    def channels(self, resolution: int) -> int:
        """The channels of the block at a resolution."""
        return max(min(self.channel_base // resolution, self.channel_max), self.channel_min)

    @property
    def style_widths(self) -> tuple[int, ...]:
        """How many numbers S has for each layer, in the order 4 conv1, 4 torgb, 8 conv0, 8 conv1, 8 torgb, 16 conv0, ..."""
        widths = [self.channels(4)] * 2
        for resolution in self.resolutions[1:]:
            widths += [self.channels(resolution // 2), self.channels(resolution), self.channels(resolution)]
        return tuple(widths)

    @property
    def macs(self) -> float:
        """Multiplications and additions for one picture: convolutions (transposed ones at their input's size), filters, mapping."""
        total = self.z_dim * self.w_dim + (self.mapping_layers - 1) * self.w_dim**2
        for size in self.resolutions:
            out, inner = self.channels(size), self.channels(size // 2)
            total += 9 * out * out * size**2 + 3 * out * size**2 + (2 * out + (inner if size > 4 else 0)) * self.w_dim
            if size > 4:
                total += 9 * inner * out * (size // 2) ** 2 + 16 * (out + 3) * size**2
        return float(total)

    @classmethod
    def of(cls, state: Lookup[str, Tensor], *, conv_clamp: float | None = None) -> "GeneratorConfig":
        """Read the sizes off a network's tensors."""
        sizes = sorted(int(key.split(".")[1][1:]) for key in state if key.endswith(".torgb.weight"))
        channels = {size: state[f"synthesis.b{size}.torgb.weight"].shape[1] for size in sizes}
        least, most = min(channels.values()), max(channels.values())
        base = max(size * count for size, count in channels.items())
        if all(count == min(base // size, most) for size, count in channels.items()):
            least = 1
        else:  # the last blocks have as many as channel_min says
            base = max((size * count for size, count in channels.items() if count > least), default=base)
        return cls(
            resolution=sizes[-1],
            z_dim=state["mapping.fc0.weight"].shape[1],
            w_dim=state["synthesis.b4.conv1.affine.weight"].shape[1],
            mapping_layers=sum(key.startswith("mapping.fc") and key.endswith(".weight") for key in state),
            channel_base=base,
            channel_max=most,
            channel_min=least,
            conv_clamp=conv_clamp,
        )


class Generator(nn.Module):
    """z -> w -> image."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

    def forward(self, z: Tensor, *, truncation: float = 1.0, noise: Noise = "const") -> Tensor:
        """Make images from latents z [N, z_dim]: RGB [N, 3, R, R] in about -1..1."""
        result: Tensor = self.synthesis(self.mapping(z, truncation=truncation), noise=noise)
        return result


class Mapping(nn.Module):
    """z -> w, repeated for every layer."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_layers, self.num_ws = config.mapping_layers, config.num_ws
        for i in range(config.mapping_layers):
            width = config.z_dim if i == 0 else config.w_dim
            setattr(self, f"fc{i}", Dense(width, config.w_dim, rate=0.01, activate=True))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, *, truncation: float = 1.0) -> Tensor:
        """Latents [N, z_dim] -> w+ [N, num_ws, w_dim]; truncation below 1 pulls them towards the mean."""
        w = self.w(z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        return (self.w_avg + truncation * (w - self.w_avg)).unsqueeze(1).repeat(1, self.num_ws, 1)

    def w(self, z: Tensor) -> Tensor:
        """Latents taken as they are, not normalised, [N, z_dim] -> w [N, w_dim]."""
        for i in range(self.num_layers):
            z = getattr(self, f"fc{i}")(z)
        return z


class Synthesis(nn.Module):
    """w+ -> styles -> image: layers of growing resolution; each block of them adds its RGB to the one before."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.resolutions = config.resolutions
        for resolution in self.resolutions:
            setattr(self, f"b{resolution}", SynthesisBlock(resolution, config))

    def forward(self, ws: Tensor, *, noise: Noise = "const", until: int | None = None) -> Tensor:
        """w+ [N, num_ws, w_dim] -> RGB [N, 3, R, R]; `until` stops at a smaller resolution, a preview for free."""
        return self.draw(self.styles(ws), noise=noise, until=until)

    def styles(self, ws: Tensor) -> tuple[Tensor, ...]:
        """w+ [N, num_ws, w_dim] -> S: what each layer's affine map makes of its row, [N, width], in the order of `layers`.

        A block's last layer shares its row with the first of the next block. Widths are `GeneratorConfig.style_widths`.
        """
        rows = [row for k in range(len(self.resolutions)) for row in range(max(2 * k - 1, 0), 2 * k + 2)]
        return tuple(layer.affine(ws[:, row]) for layer, row in zip(self.layers(), rows, strict=True))

    def draw(self, styles: Sequence[Tensor], *, noise: Noise = "const", until: int | None = None) -> Tensor:
        """S, a tensor [N, width] for each layer -> RGB [N, 3, R, R]."""
        image = self.advance(self.blank(len(styles[0])), styles, self.layers(until), noise=noise).image
        assert image is not None
        return image

    def begin(self, styles: Sequence[Tensor], *, at: int, noise: Noise = "const") -> "Drawing":
        """Draw the layers up to resolution `at`: the features [N, C, at, at] that the next block takes, and the RGB so far."""
        return self.advance(self.blank(len(styles[0])), styles, self.layers(at), noise=noise)

    def finish(
        self, drawing: "Drawing", styles: Sequence[Tensor], *, at: int, noise: Noise = "const", until: int | None = None
    ) -> Tensor:
        """Draw the layers above resolution `at` from a drawing whose features may have been replaced -> RGB [N, 3, R, R].

        Its RGB is laid below as it is. styles: of all layers, as `styles` gives them; those up to `at` are not used.
        until: the resolution to stop at, and R then.
        """
        done = len(self.layers(at))
        image = self.advance(drawing, styles[done:], self.layers(until)[done:], noise=noise).image
        assert image is not None
        return image

    @staticmethod
    def advance(
        drawing: "Drawing", styles: Sequence[Tensor], layers: Sequence["StyledConv | ToRGB"], *, noise: Noise = "const"
    ) -> "Drawing":
        """Draw on through some layers, each with its style [N, width]; styles of further layers are left alone.

        Raises ValueError where there are fewer styles than layers.
        """
        if len(styles) < len(layers):
            raise ValueError(f"expected a style for each of {len(layers)} layers, got {len(styles)}")
        for layer, style in zip(layers, styles, strict=False):
            drawing = layer.add(drawing, style, noise)
        return drawing

    def blank(self, count: int) -> "Drawing":
        """What `count` images begin with."""
        first: Tensor = getattr(self, f"b{self.resolutions[0]}").const
        return Drawing(first.expand(count, -1, -1, -1).contiguous(memory_format=torch.channels_last), None)

    def layers(self, until: int | None = None) -> list["StyledConv | ToRGB"]:
        """4 conv1, 4 torgb, 8 conv0, 8 conv1, 8 torgb, 16 conv0, ...: the order in which they draw."""
        blocks = [getattr(self, f"b{resolution}") for resolution in self.resolutions if until is None or resolution <= until]
        return [layer for block in blocks for layer in block.layers()]


@dataclass(frozen=True)
class Drawing:
    """An image under way: the features that the next layer takes [N, C, r, r], and the RGB so far [N, 3, r or r / 2, ...]."""

    features: Tensor
    image: Tensor | None


class SynthesisBlock(nn.Module):
    """The layers of one resolution: upsampling convolution (not in the first), convolution, and a layer to RGB."""

    def __init__(self, resolution: int, config: GeneratorConfig) -> None:
        super().__init__()
        out = config.channels(resolution)
        self.first = resolution == 4
        if self.first:
            self.const = nn.Parameter(torch.randn(out, 4, 4))
        else:
            self.conv0 = StyledConv(config.channels(resolution // 2), out, resolution, config, up=True)
        self.conv1 = StyledConv(out, out, resolution, config)
        self.torgb = ToRGB(out, config)

    def layers(self) -> list["StyledConv | ToRGB"]:
        """In the order in which they draw."""
        return [self.conv1, self.torgb] if self.first else [self.conv0, self.conv1, self.torgb]


class StyledConv(nn.Module):
    """3 x 3 convolution, modulated by the style and demodulated, with noise, bias and leaky ReLU."""

    noise_const: Tensor

    def __init__(self, inner: int, out: int, resolution: int, config: GeneratorConfig, *, up: bool = False) -> None:
        super().__init__()
        self.up, self.clamp = up, config.conv_clamp
        self.affine = Dense(config.w_dim, inner, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out, inner, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self._kept: _Kept | None = None

    def add(self, drawing: Drawing, style: Tensor, noise: Noise) -> Drawing:
        """The next features of a drawing."""
        return Drawing(self(drawing.features, style, noise), drawing.image)

    def forward(self, x: Tensor, style: Tensor, noise: Noise) -> Tensor:
        """x [N, inner, h, h], style [N, inner] -> [N, out, r, r].

        Styles scale the activations before a convolution whose weights are the same for all, and the demodulation
        scales them after it. For a single picture with more activations than weights both scale the weights instead, unless
        gradients are wanted, which would then go through the weights. The gain of sqrt(2) after the leaky ReLU is moved in
        front of it.
        """
        weight, squares = self._prepared()
        gain = math.sqrt(2)
        demodulate = (style.square() @ squares.T + 1e-8).rsqrt() * gain
        if len(style) == 1 and weight.numel() < x.numel() and not style.requires_grad:
            scale = torch.outer(style[0], demodulate[0]) if self.up else torch.outer(demodulate[0], style[0])
            x = self._convolve(x, weight * scale[:, :, None, None], self.bias * gain)
            laid = self._noise(x, noise)
            if laid is not None:
                x = x.add_((laid * gain).to(x.dtype))
        else:
            x = self._convolve(x * style[:, :, None, None], weight, None)
            shift, laid = self.bias[None, :, None, None], self._noise(x, noise)
            if laid is not None:
                shift = shift + laid
            x = torch.addcmul((shift * gain).to(x.dtype), x, demodulate[:, :, None, None].to(x.dtype))
        x = functional.leaky_relu(x, 0.2, inplace=True)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x [N, inner, h, h] -> [N, out, r, r], of twice the size where this layer doubles it."""
        if self.up:
            return blur(functional.conv_transpose2d(x, weight, stride=2), bias)
        return functional.conv2d(x, weight, bias, padding=1)

    def _noise(self, x: Tensor, noise: Noise) -> Tensor | None:
        """What noise lays on the features x [N, out, r, r]: [r, r], the same on every picture, or [N, 1, r, r]."""
        if noise == "none":
            return None
        return self.noise_strength * (self.noise_const if noise == "const" else torch.randn_like(x[:, :1]))

    def _prepared(self) -> tuple[Tensor, Tensor]:
        """The weight as its convolution takes it, and the sums of its squares [out, inner].

        They are a tenth of the work of drawing one small picture, so they are kept for as long as the weight is frozen and was not
        written to (as tensors count it: writing through `.data` goes unseen).
        """
        if self.weight.requires_grad or torch.is_inference_mode_enabled() or self.weight.is_inference():
            return self._prepare()
        kept = self._kept
        if kept is None or kept.weight.data_ptr() != self.weight.data_ptr() or kept.version != self.weight._version:
            kept = self._kept = _Kept(self.weight.detach(), self.weight._version, *self._prepare())
        return kept.prepared, kept.squares

    def _prepare(self) -> tuple[Tensor, Tensor]:
        weight = self.weight.transpose(0, 1) if self.up else self.weight
        if not self.weight.requires_grad:
            weight = weight.contiguous()
        return weight, self.weight.square().sum(dim=(2, 3))


@dataclass(frozen=True)
class _Kept:
    """What was made of a weight, and which weight that was; it is held on to, so that its memory becomes no other's."""

    weight: Tensor
    version: int
    prepared: Tensor
    squares: Tensor


class ToRGB(nn.Module):
    """1 x 1 convolution to RGB, modulated but not demodulated."""

    def __init__(self, inner: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Dense(config.w_dim, inner, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inner, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def add(self, drawing: Drawing, style: Tensor, noise: Noise) -> Drawing:
        """The RGB of a drawing's features laid on the image so far."""
        rgb = self(drawing.features, style)
        return Drawing(drawing.features, rgb if drawing.image is None else upsample(drawing.image) + rgb)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x [N, inner, r, r], style [N, inner] -> RGB [N, 3, r, r]."""
        style = (style / math.sqrt(self.weight.shape[1]))[:, :, None, None]
        if len(style) == 1 and not style.requires_grad:  # the weights are fewer than the features
            x = functional.conv2d(x, self.weight * style, self.bias)
        else:
            x = functional.conv2d(x * style, self.weight, self.bias)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Dense(nn.Module):
    """Fully connected layer with an equalised learning rate: stored weights have the same spread in every layer."""

    def __init__(self, inner: int, out: int, *, bias: float = 0.0, rate: float = 1.0, activate: bool = False) -> None:
        super().__init__()
        self.rate, self.activate = rate, activate
        self.weight = nn.Parameter(torch.randn(out, inner) / rate)
        self.bias = nn.Parameter(torch.full((out,), bias / rate))

    def forward(self, x: Tensor) -> Tensor:
        """[N, inner] -> [N, out]."""
        gain = self.rate / math.sqrt(self.weight.shape[1])
        x = functional.linear(x, self.weight * gain, self.bias * self.rate)
        return functional.leaky_relu(x, 0.2) * math.sqrt(2) if self.activate else x


def _kernel(gain: float, channels: int, like: Tensor) -> Tensor:
    """The low-pass filter [1, 3, 3, 1] x [1, 3, 3, 1], with sum `gain`, once for each channel."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype)
    return (torch.outer(row, row) * (gain / 64)).expand(channels, 1, 4, 4)


def blur(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Smooth what a transposed convolution left behind, [N, C, 2h + 1, 2h + 1] -> [N, C, 2h, 2h], and add a bias [C]."""
    return functional.conv2d(x, _kernel(4.0, x.shape[1], x), bias, padding=1, groups=x.shape[1])


def upsample(image: Tensor) -> Tensor:
    """Double an image's size, zero-padded at its border as the published networks do."""
    return functional.conv_transpose2d(image, _kernel(4.0, image.shape[1], image), stride=2, padding=1, groups=image.shape[1])


def to_rgb(pixels: np.ndarray) -> Tensor:
    """Convert uint8 RGB [N, H, W, 3] to what networks take: float32 RGB in -1..1 [N, 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(rgb: Tensor) -> np.ndarray:
    """Convert RGB [N, 3, H, W] to uint8 RGB [N, H, W, 3]: (x + 1) * 127.5, rounded; what leaves -1..1 is cut off."""
    return ((rgb.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
