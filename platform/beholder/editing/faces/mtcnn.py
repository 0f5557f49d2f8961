"""MTCNN: the faces of a photo and five points of each, by three small networks in a cascade.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", 2016, who trained on WIDER FACE
and CelebA. The weights are files of the package facenet-pytorch (MIT licence), none of whose code runs. The first network proposes
boxes in a pyramid of the photo, the second drops most and moves the rest, the third tells the points. It is then asked once
more, of the face upright in the middle and of its mirror image, and the mean of these answers counts.
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder import images
from beholder.editing.faces.landmarks import DetectedFace
from beholder.errors import EditError

_FILES = ("pnet.pt", "rnet.pt", "onet.pt")
_LONG_SIDE = 1200  # faces are looked for in a copy no larger than this
_CELL, _STRIDE = 12, 2  # pixels that the first network sees, and the distance of two of its answers
_STEP = 0.709  # from one level of the pyramid to the next: half the area
# where the eyes, the nose and the corners of the mouth lie, on average, in the boxes of the third network
_REFERENCE = ((0.266, 0.391), (0.734, 0.391), (0.5, 0.583), (0.292, 0.761), (0.708, 0.761))
_TOLD = 0.95  # how sure a face is that others have found
_MIRRORED = [1, 0, 2, 4, 3]  # the points of a mirrored face in the order of the face


FindBoxes = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MtcnnConfig:
    """least: the side of the smallest face that is looked for, in pixels of the copy; surest: what each network must be sure of."""

    least: int = 40
    surest: tuple[float, float, float] = (0.6, 0.7, 0.8)

    def __post_init__(self) -> None:
        if self.least < _CELL or not all(0 < sure < 1 for sure in self.surest):
            raise EditError(f"expected a smallest face of at least {_CELL} pixels and probabilities within 0..1, got {self}")


class CascadeNet(nn.Module):
    """One of the three: convolutions with PReLU and max-pooling, a dense layer but in the first, and an output for each question.

    widths: of the convolutions; kernels: their sizes; pools: sizes of the pooling after each, 0 for none.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        kernels: tuple[int, ...],
        pools: tuple[int, ...],
        *,
        dense: tuple[int, int] | None,
        outputs: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.pools, self.outputs, self.number = pools, len(outputs), len(widths) + 1 + (dense is not None)
        inner = 3
        for at, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
            self.add_module(f"conv{at}", nn.Conv2d(inner, width, kernel))
            self.add_module(f"prelu{at}", nn.PReLU(width))
            inner = width
        last = len(widths) + 1
        self.dense = dense is not None
        if dense is not None:
            self.add_module(f"dense{last}", nn.Linear(*dense))
            self.add_module(f"prelu{last}", nn.PReLU(dense[1]))
        for at, size in enumerate(outputs, start=1):
            made = nn.Linear(dense[1], size) if dense is not None else nn.Conv2d(inner, size, 1)
            self.add_module(f"{'dense' if self.dense else 'conv'}{self.number}_{at}", made)

    def forward(self, seen: Tensor) -> list[Tensor]:
        """Pixels in -1..1 [N, 3, h, w] -> each output: [N, ...], of the first network [N, size, h', w']."""
        for at, pool in enumerate(self.pools, start=1):
            seen = self.get_submodule(f"prelu{at}")(self.get_submodule(f"conv{at}")(seen))
            if pool:
                seen = functional.max_pool2d(seen, pool, 2, ceil_mode=True)
        if self.dense:
            at = len(self.pools) + 1
            seen = seen.permute(0, 3, 2, 1).flatten(1)  # the files number the features column by column
            seen = self.get_submodule(f"prelu{at}")(self.get_submodule(f"dense{at}")(seen))
        kind = "dense" if self.dense else "conv"
        return [self.get_submodule(f"{kind}{self.number}_{at}")(seen) for at in range(1, self.outputs + 1)]


def networks() -> tuple[CascadeNet, CascadeNet, CascadeNet]:
    """Return the three networks with random weights."""
    return (
        CascadeNet((10, 16, 32), (3, 3, 3), (2, 0, 0), dense=None, outputs=(2, 4)),
        CascadeNet((28, 48, 64), (3, 3, 2), (3, 3, 0), dense=(576, 128), outputs=(2, 4)),
        CascadeNet((32, 64, 64, 128), (3, 3, 3, 2), (3, 3, 2, 0), dense=(1152, 256), outputs=(2, 4, 10)),
    )


class MtcnnDetector:
    """Finds faces with MTCNN. Raises EditError where its weights are not installed."""

    def __init__(self, config: MtcnnConfig | None = None, folder: Path | None = None, boxes: FindBoxes | None = None) -> None:
        """folder: of the three files of weights; None: that of the installed package.

        boxes: asked for boxes of upright faces [N, 4] in a picture, uint8 RGB [H, W, 3], where the first two networks find none,
        who have seen no drawings. The third then tells the points all the same.
        """
        self.config, self._boxes = config or MtcnnConfig(), boxes
        folder = folder or _folder()
        self._propose, self._refine, self._tell = (
            _loaded(network, folder / name) for network, name in zip(networks(), _FILES, strict=True)
        )

    @torch.no_grad()
    def faces(self, photo: np.ndarray) -> list[DetectedFace]:
        """Return the faces of a photo, uint8 RGB [H, W, 3], from left to right."""
        small = images.shrink(photo, _LONG_SIDE)
        if min(small.shape[:2]) < _CELL:
            return []
        scale = np.array([photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]])
        pyramid = _Pyramid(small)
        boxes = self._kept(self._refine, pyramid, self._proposed(pyramid), 24, self.config.surest[1])[0]
        boxes, points, first = self._kept(self._tell, pyramid, boxes, 48, self.config.surest[2])
        points, second = self._looked_again(pyramid, points)
        good = second > self.config.surest[2]
        boxes, points, first, second = boxes[good], points[good], first[good], second[good]
        if not len(points) and self._boxes is not None:
            boxes = torch.from_numpy(np.asarray(self._boxes(small), np.float32).reshape(-1, 4))
            points = self._points(pyramid, boxes)
            first = second = torch.full((len(boxes),), _TOLD)
        found = []
        for box, five, how_sure in zip(boxes, points, torch.minimum(first, second), strict=True):
            (left, top), (right, bottom) = (box.view(2, 2).numpy() * scale).tolist()
            found.append(DetectedFace((left, top, right, bottom), five.numpy().astype(np.float64) * scale, float(how_sure)))
        return sorted(found, key=lambda face: face.box[0] + face.box[2])

    def _proposed(self, pyramid: "_Pyramid") -> Tensor:
        """Return boxes [N, 4] that may hold a face, in pixels of the copy, square."""
        boxes, sure = [torch.empty(0, 4)], [torch.empty(0)]
        scale = _CELL / self.config.least
        while min(pyramid.size) * scale >= _CELL:
            probability, move = self._propose(pyramid.whole(scale))
            probability = probability.softmax(dim=1)[0, 1]
            rows, columns = (probability >= self.config.surest[0]).nonzero(as_tuple=True)
            corner = torch.stack([columns, rows], dim=1) * float(_STRIDE)
            box = torch.cat([corner, corner + _CELL], dim=1) / scale
            value = probability[rows, columns]
            kept = _surest(box, value, 0.5)
            side = _CELL / scale
            boxes.append(box[kept] + side * move[0, :, rows, columns].T[kept])
            sure.append(value[kept])
            scale *= _STEP
        every, value = torch.cat(boxes), torch.cat(sure)
        return _squared(every[_surest(every, value, 0.7)])

    def _kept(
        self, network: CascadeNet, pyramid: "_Pyramid", boxes: Tensor, size: int, least: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a network keeps of boxes: them, moved, [N, 4]; the points of each [N, 5, 2], if told; how sure it is [N]."""
        if not len(boxes):
            return boxes, torch.empty(0, 5, 2), torch.empty(0)
        probability, move, *told = network(pyramid.crops(boxes, size))
        value = probability.softmax(dim=1)[:, 1]
        good = value > least
        boxes, move, value = boxes[good], move[good], value[good]
        side = boxes[:, 2:] - boxes[:, :2]
        moved = boxes + move * side.repeat(1, 2)
        points = torch.empty(len(boxes), 0, 2)
        if told:
            points = boxes[:, None, :2] + told[0][good].view(-1, 2, 5).transpose(1, 2) * side[:, None]
        kept = _surest(moved, value, 0.7, of_smaller=bool(told))
        return _squared(moved[kept]) if not told else moved[kept], points[kept], value[kept]

    def _points(self, pyramid: "_Pyramid", boxes: Tensor) -> Tensor:
        """Return the points [N, 5, 2] in boxes [N, 4], told once more of the faces upright."""
        if not len(boxes):
            return torch.empty(0, 5, 2)
        boxes = _squared(boxes)
        told = self._tell(pyramid.crops(boxes, 48))[2].view(-1, 2, 5).transpose(1, 2)
        return self._looked_again(pyramid, boxes[:, None, :2] + told * (boxes[:, 2:] - boxes[:, :2])[:, None])[0]

    def _looked_again(self, pyramid: "_Pyramid", points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the points of each face [N, 5, 2] told anew, of it upright and of its mirror image, and how sure.

        Where the points were none of a face, what lies upright by them is none either.
        """
        if not len(points):
            return points, torch.empty(0)
        frames = torch.stack([_frame(five) for five in points])
        crops = pyramid.turned(frames, 48)
        probability, _, told = self._tell(torch.cat([crops, crops.flip(3)]))
        sure = probability.softmax(dim=1)[:, 1].view(2, -1).amin(dim=0)
        plain, mirrored = told.view(2, -1, 2, 5).transpose(2, 3)
        mirrored = mirrored[:, _MIRRORED] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
        return (plain + mirrored) / 2 @ frames[:, :2] + frames[:, 2:], sure


class _Pyramid:
    """A picture at any scale, for networks: RGB in -1..1. Halves are made once."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.size = pixels.shape[:2]
        self._halves = [torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]]

    def whole(self, scale: float) -> Tensor:
        """Return all of it, [1, 3, ceil(h x scale), ceil(w x scale)]."""
        level = _ranged(self._level(1 / scale)).contiguous(memory_format=torch.channels_last)
        return functional.interpolate(level, size=[int(side * scale) + 1 for side in self.size], mode="area")

    def crops(self, boxes: Tensor, size: int) -> Tensor:
        """Return what boxes [N, 4] hold, [N, 3, size, size]; beyond the picture it is black."""
        side = boxes[:, 2:] - boxes[:, :2]
        frames = torch.zeros(len(boxes), 3, 2)
        frames[:, 0, 0], frames[:, 1, 1], frames[:, 2] = side[:, 0], side[:, 1], boxes[:, :2]
        return self.turned(frames, size)

    def turned(self, frames: Tensor, size: int) -> Tensor:
        """Return what frames [N, 3, 2] hold, [N, 3, size, size]. A frame: right and downward side, first corner."""
        ticks = (torch.arange(2 * size) + 0.5) / (2 * size)
        grid = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1)
        step = frames[:, 0].norm(dim=1) / (2 * size)
        levels = step.clamp(min=1).log2().floor().int()
        found = torch.empty(len(frames), 3, size, size)
        for level in levels.unique().tolist():
            rows = (levels == level).nonzero()[:, 0]
            picture = _ranged(self._level(2.0**level))
            places = torch.einsum("hwi,nij->nhwj", grid, frames[rows, :2]) + frames[rows, 2][:, None, None]
            size_of = torch.tensor([picture.shape[3], picture.shape[2]]) * 2.0**level
            some = functional.grid_sample(
                picture.expand(len(rows), -1, -1, -1), places / size_of * 2 - 1, mode="bilinear", align_corners=False
            )
            found[rows] = functional.avg_pool2d(some, 2)
        return found

    def _level(self, step: float) -> Tensor:
        """Return the picture halved until its pixels are nearly `step` of the first, but no more than that."""
        wanted = max(0, math.floor(math.log2(max(step, 1))))
        while len(self._halves) <= wanted and min(self._halves[-1].shape[2:]) >= 2:
            size = [side // 2 for side in self._halves[-1].shape[2:]]
            self._halves.append(functional.interpolate(self._halves[-1], size=size, mode="bilinear", antialias=True))
        return self._halves[min(wanted, len(self._halves) - 1)]


def _ranged(pixels: Tensor) -> Tensor:
    """uint8 levels -> the networks' range."""
    return (pixels.float() - 127.5) / 128


def _frame(five: Tensor) -> Tensor:
    """Return the frame [3, 2] in which five points [5, 2] lie as nearly as can be as in most faces."""
    reference, points = torch.view_as_complex(torch.tensor(_REFERENCE)), torch.view_as_complex(five.contiguous())
    away = reference - reference.mean()
    right = (away.conj() * (points - points.mean())).sum() / away.abs().square().sum()
    start = points.mean() - right * reference.mean()
    return torch.stack([torch.view_as_real(each) for each in (right, right * 1j, start)])


def _squared(boxes: Tensor) -> Tensor:
    """Boxes [N, 4] made square around their centres, by their longer sides."""
    side = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    return torch.cat([centre - side, centre + side], dim=1)


def _surest(boxes: Tensor, sure: Tensor, most: float, *, of_smaller: bool = False) -> Tensor:
    """Return the rows of boxes that stay, surest first: one goes that shares more than `most` of its area with a surer one.

    The share is of the area of both together, or of the smaller one.
    """
    low, high = boxes[:, :2].numpy(), boxes[:, 2:].numpy()
    area = (high - low).prod(axis=1)
    rows, kept = np.argsort(-sure.numpy(), kind="stable"), []
    while len(rows):
        row, rows = rows[0], rows[1:]
        kept.append(int(row))
        shared = (np.minimum(high[rows], high[row]) - np.maximum(low[rows], low[row])).clip(min=0).prod(axis=1)
        whole = np.minimum(area[rows], area[row]) if of_smaller else area[rows] + area[row] - shared
        rows = rows[shared <= most * whole]
    return torch.tensor(kept, dtype=torch.long)


def _loaded(network: CascadeNet, path: Path) -> CascadeNet:
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises all kinds of errors for files of another kind
        raise EditError(f"{path} are not the weights of MTCNN: {str(error).splitlines()[0]}") from None
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _folder() -> Path:
    """Return the folder of the weights. Their package is not imported: its code wants other versions of torch."""
    spec = importlib.util.find_spec("facenet_pytorch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if all((Path(folder) / "data" / name).is_file() for name in _FILES):
            return Path(folder) / "data"
    raise EditError(
        'finding a face needs the extra "faces": pip install "beholder[faces]"; an aligned picture needs none: aligned=true'
    )
