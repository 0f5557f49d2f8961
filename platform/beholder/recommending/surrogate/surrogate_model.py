"""The surrogate: a network that predicts the embedding of an edited image from its latent and the edit, without drawing it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from beholder import artifacts
from beholder.editing import generator_store
from beholder.editing.directions import Direction
from beholder.editing.generator_store import fingerprint
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN
from beholder.errors import ArtifactError, EditError, WeightsError, nearest
from beholder.storage import Place

if TYPE_CHECKING:
    from beholder.workspace import Workspace

SHIPPED = "portraits-perception"  # the names of stored files are those of version 0.1.0
_FOLDER = "perception"  # of a workspace's models
LIMIT = 200_000_000  # bytes of a file
_MOST_SIZE, _MOST_BLOCKS = 65_536, 64


@dataclass(frozen=True)
class SurrogateInfo:
    """What a surrogate is made for: a generator (its fingerprint and name), an encoder, directions (name -> `digest`)."""

    fingerprint: str
    generator: str
    encoder_id: str
    directions: Mapping[str, str]

    @classmethod
    def of(cls, editor: StyleGAN, *, generator: str, encoder_id: str) -> "SurrogateInfo":
        """Return what a surrogate of an editor with all its directions is made for."""
        digests = {name: digest(each) for name, each in editor.directions.items()}
        return cls(fingerprint(editor.generator), generator, encoder_id, digests)

    @property
    def made_for(self) -> str:
        """Return generator and encoder as one text."""
        return f"{self.fingerprint} {self.encoder_id}"


@dataclass(frozen=True)
class SurrogateSizes:
    """Sizes of the network, under the names of its file.

    rows, w_dim: of w+; alphas: directions; embedding: E; parts: principal components of w+ that it sees; width, blocks: of its
    residual layers.
    """

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
    """(w+, alphas) -> embedding: principal components of the edited w+ and the alphas themselves, through residual layers.

    Buffers and layers have the names of its file. seeing: w+ -> components; steps: what alpha 1 adds to the components; span: what
    alphas are divided by.
    """

    centre: Tensor
    seeing: Tensor
    steps: Tensor
    span: Tensor

    def __init__(self, sizes: SurrogateSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("centre", torch.zeros(sizes.rows * sizes.w_dim))
        self.register_buffer("seeing", torch.zeros(sizes.rows * sizes.w_dim, sizes.parts))
        self.register_buffer("steps", torch.zeros(sizes.alphas, sizes.parts))  # 0 for moves in z and s
        self.register_buffer("span", torch.ones(sizes.alphas))
        self.enter = nn.Linear(sizes.parts + sizes.alphas, sizes.width)
        self.blocks = nn.ModuleList(ResidualBlock(sizes.width) for _ in range(sizes.blocks))
        self.leave = nn.Linear(sizes.width, sizes.embedding)

    def components(self, ws: Tensor) -> Tensor:
        """Return the principal components [N, parts] of w+ [N, rows, w_dim], each of variance about 1."""
        return (ws.flatten(1) - self.centre) @ self.seeing

    def forward(self, components: Tensor, alphas: Tensor) -> Tensor:
        """Components of w+ before the edit [N, parts] or [1, parts], alphas [N, K] -> embeddings [N, E], rows of length 1."""
        edited = components + alphas @ self.steps
        x = self.enter(torch.cat([edited, alphas / self.span], dim=1))
        for block in self.blocks:
            x = block(x)
        return normalize(self.leave(silu(x)), dim=1)


class ResidualBlock(nn.Module):
    """x + layers(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.out(silu(self.into(silu(self.norm(x)))))
        return result


class Surrogate:
    """A network and what it is made for."""

    def __init__(self, info: SurrogateInfo, network: SurrogateNetwork) -> None:
        self.info = info
        self.network = network.eval().requires_grad_(False)

    @property
    def directions(self) -> tuple[str, ...]:
        """Return the names of the columns of alphas."""
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
        """Predict the embeddings of one latent's image under edits, float32 [C, E], rows of length 1.

        alphas: [C, K]; directions: the names of its columns where they are not this surrogate's own.
        original: the true embedding [E] of the unedited image; the surrogate's error on that is then subtracted everywhere, so
        that the edit of nothing gives it exactly.
        Raises EditError for several latents, a direction it never learned, and another number of columns.
        """
        if len(latent) != 1 or latent.ws.shape[1:] != (self.network.sizes.rows, self.network.sizes.w_dim):
            shape = f"[1, {self.network.sizes.rows}, {self.network.sizes.w_dim}]"
            raise EditError(f"expected one latent, w+ of shape {shape}, got {list(latent.ws.shape)}")
        wide = self._columns(np.asarray(alphas, np.float32), self.directions if directions is None else directions)
        components = self.network.components(latent.ws.float().cpu())
        embeddings: Tensor = self.network(components, torch.from_numpy(wide))
        if original is not None:
            known = torch.from_numpy(np.asarray(original, np.float32))
            error = self.network(components, torch.zeros(1, wide.shape[1])) - known
            embeddings = normalize(embeddings - error, dim=1)
        return embeddings.numpy()

    def check(self, info: SurrogateInfo) -> None:
        """Raise WeightsError where this surrogate was made for another generator or encoder, or without one of the directions."""
        own, again = self.info, "`beholder build surrogate` makes one that fits"
        if own.fingerprint != info.fingerprint:
            made = f"{own.generator} ({own.fingerprint})"
            raise WeightsError(f"this surrogate is of generator {made}, not of {info.generator} ({info.fingerprint}); {again}")
        if own.encoder_id != info.encoder_id:
            raise WeightsError(f"this surrogate is of encoder {own.encoder_id}, not of {info.encoder_id}; {again}")
        for name, known in info.directions.items():
            if own.directions.get(name) != known:
                how = "has changed since this surrogate was made" if name in own.directions else "is new to this surrogate"
                raise WeightsError(f"direction {name} {how}; {again}")

    def save(self, place: Place, *, card: Mapping[str, Any]) -> None:
        """Write it as safetensors, matrices in float16, and its card (JSON) beside it."""
        tensors = {name: value.half() if value.ndim == 2 else value for name, value in self.network.state_dict().items()}
        place.write_bytes(artifacts.dump(tensors, {"about": asdict(self.info), "sizes": asdict(self.network.sizes)}))
        name = place.name.removesuffix(".safetensors")
        artifacts.write_card(artifacts.card_of(place), {"name": name, **asdict(self.info), **card})

    @classmethod
    def load(cls, place: Place) -> "Surrogate":
        """Read what `save` wrote. Raises WeightsError for anything else."""
        data = place.read_bytes(LIMIT)
        try:
            stored = artifacts.parse_tensors(data)
            info, sizes = SurrogateInfo(**stored.record("about")), SurrogateSizes(**stored.record("sizes"))
            return cls(info, _network(sizes, stored.tensors))
        except (ArtifactError, ValueError, TypeError, RuntimeError, OverflowError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(f"{place.uri} is not a surrogate: {reason}") from None

    def _columns(self, alphas: np.ndarray, directions: Sequence[str]) -> np.ndarray:
        """Return alphas in this surrogate's own columns."""
        if alphas.ndim != 2 or alphas.shape[1] != len(directions):
            raise EditError(f"expected alphas [C, {len(directions)}], a column for each direction, got {list(alphas.shape)}")
        own = {name: k for k, name in enumerate(self.directions)}
        wide = np.zeros((len(alphas), len(own)), np.float32)
        for column, name in enumerate(directions):
            if name in own:
                wide[:, own[name]] = alphas[:, column]
            elif alphas[:, column].any():
                raise EditError(f"this surrogate never learned direction {name}{nearest(name, list(own))}")
        return wide


def find(info: SurrogateInfo, workspace: "Workspace | None" = None) -> Surrogate:
    """Return the surrogate of a generator and an encoder: the workspace's own, or the shipped one.

    A workspace's own of a generator that shipped before counts as none. Raises WeightsError where there is none that fits.
    """
    from beholder import weights

    place = None if workspace is None else place_of(info, workspace)
    own = Surrogate.load(place) if place is not None and place.is_file() else None
    replaced = own is not None and own.info.fingerprint != info.fingerprint and info.generator == generator_store.SHIPPED
    if own is not None and not replaced:
        surrogate = own
    else:
        surrogate = Surrogate.load(Place.at(weights.shipped(SHIPPED)))
        if (surrogate.info.fingerprint, surrogate.info.encoder_id) != (info.fingerprint, info.encoder_id):
            raise WeightsError(
                f"there is no surrogate of generator {info.generator} and encoder {info.encoder_id}; "
                f"`beholder build surrogate generator={info.generator}` makes one"
            )
    surrogate.check(info)
    return surrogate


def place_of(info: SurrogateInfo, workspace: "Workspace") -> Place:
    """Return where a workspace keeps the surrogate of a generator and an encoder."""
    return workspace.models / _FOLDER / f"{info.generator}-{info.encoder_id}.safetensors"


def add_figures(place: Place, figures: Mapping[str, float]) -> None:
    """Put measured figures on the card beside a surrogate's file; what is on it already stays."""
    artifacts.add_figures(artifacts.card_of(place), figures)


def digest(direction: Direction) -> str:
    """Return a short text that changes with what a direction does."""
    shape = f"{direction.space} {direction.layers} {list(direction.vector.shape)}".encode()
    return hashlib.sha256(shape + direction.step.numpy().astype("<f4").tobytes()).hexdigest()[:8]


def _network(sizes: SurrogateSizes, tensors: Mapping[str, Tensor]) -> SurrogateNetwork:
    """Return a network with these tensors. Raises RuntimeError where they are not of these sizes."""
    with torch.device("meta"):  # the sizes that a file claims take no memory before its tensors are compared with them
        network = SurrogateNetwork(sizes)
    network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    return network
