"""Inverted: the latent of a photo as a file, with the generator it belongs to and the place of the face in the photo."""

import json
from dataclasses import asdict, dataclass

from beholder.editing.faces.alignment import Square
from beholder.editing.generator import GeneratorConfig
from beholder.editing.latent import Latent
from beholder.errors import EditError
from beholder.storage import Place

LIMIT = 64 * 1024 * 1024  # bytes of a file that is read


@dataclass(frozen=True)
class SavedInversion:
    """latent: of one picture. fingerprint, generator: of what draws it. sha256: of the photo's file. square: None: aligned."""

    latent: Latent
    fingerprint: str
    generator: str
    sha256: str
    square: Square | None

    def write(self, place: Place) -> None:
        """As safetensors: the tensor `w_plus` [1, num_ws, w_dim], and the rest in its metadata."""
        from safetensors.torch import save

        about = {**asdict(self), "latent": None, "square": None if self.square is None else asdict(self.square)}
        place.write_bytes(save({"w_plus": self.latent.ws.cpu().float().contiguous()}, metadata={"inverted": json.dumps(about)}))

    @classmethod
    def read(cls, place: Place) -> "SavedInversion":
        """Raises EditError where the file is none of an inversion, StorageError where it can't be read at all."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        data = place.read_bytes(LIMIT)
        try:
            ws = load(data)["w_plus"]
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            about = json.loads(header["__metadata__"]["inverted"])
            at = about["square"]
            square = None if at is None else Square(_pair(at["centre"]), _pair(at["half"]))
            fingerprint, generator, sha256 = (str(about[key]) for key in ("fingerprint", "generator", "sha256"))
            if len(ws) != 1 or not bool(ws.isfinite().all()):
                raise EditError(f"its w_plus is {list(ws.shape)} or not finite")
            return cls(Latent(ws.float()), fingerprint, generator, sha256, square)
        except (SafetensorError, KeyError, ValueError, TypeError, EditError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise EditError(f"{place.uri} is no latent that `beholder invert` wrote: {what}") from None

    def check(self, config: GeneratorConfig, fingerprint: str, generator: str) -> None:
        """Raise EditError where the latent is another generator's."""
        if self.latent.ws.shape[1:] != (config.num_ws, config.w_dim):
            raise EditError(
                f"this latent is {list(self.latent.ws.shape[1:])}, generator {generator} takes {[config.num_ws, config.w_dim]}"
            )
        if fingerprint != self.fingerprint:
            raise EditError(
                f"this latent belongs to generator {self.generator} ({self.fingerprint}), not to {generator} ({fingerprint})"
            )


def _pair(values: list) -> tuple[float, float]:
    x, y = values
    return float(x), float(y)
