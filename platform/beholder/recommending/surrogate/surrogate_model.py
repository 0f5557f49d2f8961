"""Perception: what the embedding of an edited picture would be, told from its latent and edit without drawing it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from beholder.editing.directions import Direction
from beholder.editing.generator_store import fingerprint
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN
from beholder.errors import EditError, WeightsError, nearest
from beholder.storage import Place

if TYPE_CHECKING:
    from beholder.workspace import Workspace

SHIPPED = "portraits-perception"
LIMIT = 200_000_000  # bytes of a file
_MOST_SIZE, _MOST_BLOCKS = 65_536, 64


@dataclass(frozen=True)
class SurrogateInfo:
    """What a perception is for: a generator (its fingerprint and name), an encoder, and directions, name -> `mark`."""

    fingerprint: str
    generator: str
    encoder_id: str
    directions: Mapping[str, str]

    @classmethod
    def of(cls, editor: StyleGAN, *, generator: str, encoder_id: str) -> "SurrogateInfo":
        """What fits an editor with all its directions."""
        marks = {name: mark(each) for name, each in editor.directions.items()}
        return cls(fingerprint(editor.generator), generator, encoder_id, marks)

    @property
    def made_for(self) -> str:
        """Generator and encoder as one text."""
        return f"{self.fingerprint} {self.encoder_id}"


@dataclass(frozen=True)
class SurrogateSizes:
    """Of the network: parts: of the latents that it sees; alphas: directions; width and blocks of its inside; embedding: E."""

    rows: int
    w_dim: int
    alphas: int
    embedding: int
    parts: int = 64
    width: int = 512
    blocks: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = _MOST_BLOCKS if name == "blocks" else _MOST_SIZE
            if not isinstance(value, int) or not 1 <= value <= most:
                raise ValueError(f"a network's {name} must be a whole number 1..{most}, got {value!r}")


class SurrogateNetwork(nn.Module):
    """(w+, alphas) -> embedding: the edited w+ seen along its principal parts, the alphas themselves, and residual layers."""

    centre: Tensor
    seeing: Tensor
    steps: Tensor
    span: Tensor

    def __init__(self, sizes: SurrogateSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("centre", torch.zeros(sizes.rows * sizes.w_dim))
        self.register_buffer("seeing", torch.zeros(sizes.rows * sizes.w_dim, sizes.parts))
        self.register_buffer("steps", torch.zeros(sizes.alphas, sizes.parts))  # of alpha 1, as seen; zero for moves in z and s
        self.register_buffer("span", torch.ones(sizes.alphas))  # alphas are divided by it
        self.enter = nn.Linear(sizes.parts + sizes.alphas, sizes.width)
        self.blocks = nn.ModuleList(ResidualBlock(sizes.width) for _ in range(sizes.blocks))
        self.leave = nn.Linear(sizes.width, sizes.embedding)

    def seen(self, ws: Tensor) -> Tensor:
        """w+ [N, rows, w_dim] -> its principal parts [N, parts], each of variance about 1."""
        return (ws.flatten(1) - self.centre) @ self.seeing

    def forward(self, seen: Tensor, alphas: Tensor) -> Tensor:
        """Parts of w+ before the edit [N, parts] or [1, parts], alphas [N, K] -> embeddings [N, E], rows of length 1."""
        moved = seen + alphas @ self.steps
        x = self.enter(torch.cat([moved, alphas / self.span], dim=1))
        for block in self.blocks:
            x = block(x)
        return normalize(self.leave(silu(x)), dim=1)


class ResidualBlock(nn.Module):
    """x + a layer of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.out(silu(self.into(silu(self.norm(x)))))
        return result


class Surrogate:
    """A network and what it is for."""

    def __init__(self, info: SurrogateInfo, network: SurrogateNetwork) -> None:
        self.info = info
        self.network = network.eval().requires_grad_(False)

    @property
    def directions(self) -> tuple[str, ...]:
        """The names of the columns of alphas."""
        return tuple(self.info.directions)

    @torch.no_grad()
    def predict(
        self,
        latent: Latent,
        alphas: np.ndarray,
        *,
        directions: Sequence[str] | None = None,
        original: np.ndarray | None = None,
    ) -> np.ndarray:
        """The embeddings that one latent's picture would have under edits, float32 [C, E], rows of length 1.

        alphas: [C, K]; directions: the names of its columns where they are not this perception's own.
        original: the true embedding [E] of the picture as it is; then what the perception gets wrong about that is taken off
        everywhere, and the edit of nothing gives it exactly.
        Raises EditError for several latents, a direction it never learned, and another number of columns.
        """
        if len(latent) != 1 or latent.ws.shape[1:] != (self.network.sizes.rows, self.network.sizes.w_dim):
            wanted = f"[1, {self.network.sizes.rows}, {self.network.sizes.w_dim}]"
            raise EditError(f"expected one latent, w+ of shape {wanted}, got {list(latent.ws.shape)}")
        wide = self._columns(np.asarray(alphas, np.float32), self.directions if directions is None else directions)
        seen = self.network.seen(latent.ws.float().cpu())
        found: Tensor = self.network(seen, torch.from_numpy(wide))
        if original is not None:
            known = torch.from_numpy(np.asarray(original, np.float32))
            found = normalize(found + (known - self.network(seen, torch.zeros(1, wide.shape[1]))), dim=1)
        return found.numpy()

    def check(self, info: SurrogateInfo) -> None:
        """Raise WeightsError where this perception is not of these: another generator, encoder, or a direction it doesn't know."""
        mine, again = self.info, "`beholder build surrogate` makes one that fits"
        if mine.fingerprint != info.fingerprint:
            made = f"{mine.generator} ({mine.fingerprint})"
            raise WeightsError(f"this perception is of generator {made}, not of {info.generator} ({info.fingerprint}); {again}")
        if mine.encoder_id != info.encoder_id:
            raise WeightsError(f"this perception is of encoder {mine.encoder_id}, not of {info.encoder_id}; {again}")
        for name, step in info.directions.items():
            if mine.directions.get(name) != step:
                how = "has changed since this perception was made" if name in mine.directions else "is new to this perception"
                raise WeightsError(f"direction {name} {how}; {again}")

    def save(self, place: Place, *, card: Mapping[str, Any]) -> None:
        """Write it as safetensors, matrices in float16, and its card (JSON) beside it."""
        from safetensors.torch import save

        tensors = {
            name: (value.half() if value.ndim == 2 else value).contiguous() for name, value in self.network.state_dict().items()
        }
        told = {"about": asdict(self.info), "sizes": asdict(self.network.sizes)}
        place.write_bytes(save(tensors, metadata={name: json.dumps(value) for name, value in told.items()}))
        whole = {"name": place.name.removesuffix(".safetensors"), **asdict(self.info), **card}
        _card(place).write_bytes((json.dumps(whole, indent=2) + "\n").encode())

    @classmethod
    def load(cls, place: Place) -> "Surrogate":
        """Read what `save` wrote. Raises WeightsError for anything else."""
        from safetensors import SafetensorError

        data = place.read_bytes(LIMIT)
        try:
            told = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            return cls(SurrogateInfo(**json.loads(told["about"])), _network(SurrogateSizes(**json.loads(told["sizes"])), data))
        except (ValueError, KeyError, TypeError, RuntimeError, OverflowError, SafetensorError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(f"{place.uri} is not a perception: {reason}") from None

    def _columns(self, alphas: np.ndarray, directions: Sequence[str]) -> np.ndarray:
        """Alphas in this perception's own columns."""
        if alphas.ndim != 2 or alphas.shape[1] != len(directions):
            raise EditError(f"expected alphas [C, {len(directions)}], a column for each direction, got {list(alphas.shape)}")
        own = {name: k for k, name in enumerate(self.directions)}
        wide = np.zeros((len(alphas), len(own)), np.float32)
        for column, name in enumerate(directions):
            if name in own:
                wide[:, own[name]] = alphas[:, column]
            elif alphas[:, column].any():
                raise EditError(f"this perception never learned direction {name}{nearest(name, list(own))}")
        return wide


def find(info: SurrogateInfo, workspace: "Workspace | None" = None) -> Surrogate:
    """The perception of a generator and an encoder: the workspace's own, or the shipped one.

    Raises WeightsError where there is none that fits.
    """
    from beholder import weights

    place = None if workspace is None else place_of(info, workspace)
    if place is not None and place.is_file():
        found = Surrogate.load(place)
    else:
        found = Surrogate.load(Place.at(weights.shipped(SHIPPED)))
        if (found.info.fingerprint, found.info.encoder_id) != (info.fingerprint, info.encoder_id):
            raise WeightsError(
                f"there is no perception of generator {info.generator} and encoder {info.encoder_id}; "
                f"`beholder build surrogate generator={info.generator}` makes one"
            )
    found.check(info)
    return found


def place_of(info: SurrogateInfo, workspace: "Workspace") -> Place:
    """Where a workspace keeps the perception of a generator and an encoder."""
    return workspace.models / "perception" / f"{info.generator}-{info.encoder_id}.safetensors"


def add_figures(place: Place, figures: Mapping[str, float]) -> None:
    """Put what was measured on the card beside a perception's file; what is on it already stays."""
    card = json.loads(_card(place).read_bytes())
    whole = card | {"figures": card.get("figures", {}) | dict(figures)}
    _card(place).write_bytes((json.dumps(whole, indent=2) + "\n").encode())


def mark(direction: Direction) -> str:
    """A short text that changes with what a direction does."""
    told = f"{direction.space} {direction.layers} {list(direction.vector.shape)}".encode()
    return hashlib.sha256(told + direction.step.numpy().astype("<f4").tobytes()).hexdigest()[:8]


def _network(sizes: SurrogateSizes, data: bytes) -> SurrogateNetwork:
    from safetensors.torch import load

    tensors = {name: value.float() for name, value in load(data).items()}
    if bad := [name for name, value in tensors.items() if not value.isfinite().all()]:
        raise ValueError(f"{bad[0]} has values that are no finite numbers")
    with torch.device("meta"):  # a file's word on sizes takes no memory before its tensors are there
        network = SurrogateNetwork(sizes)
    network.load_state_dict(tensors, assign=True)
    return network


def _card(place: Place) -> Place:
    return Place.at(place.uri.removesuffix(".safetensors") + ".json")
