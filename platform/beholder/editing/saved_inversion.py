"""A saved inversion: the latent of a photo as a file, with the generator it belongs to and the place of the face in the photo."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from beholder import artifacts
from beholder.editing.faces.alignment import Square
from beholder.editing.generator import GeneratorConfig
from beholder.editing.latent import Detail, Latent
from beholder.errors import ArtifactError, EditError
from beholder.storage import Place

LIMIT = 64 * 1024 * 1024  # bytes of a file that is read


@dataclass(frozen=True)
class SavedInversion:
    """latent: of one picture. fingerprint, generator: of what draws it. sha256: of the photo's file. square: None: aligned.

    grey: whether the photo is black and white, so that what is drawn of it has to be.
    """

    latent: Latent
    fingerprint: str
    generator: str
    sha256: str
    square: Square | None
    grey: bool = False

    def write(self, place: Place) -> None:
        """Write it as safetensors: the tensor `w_plus` [1, num_ws, w_dim], and the rest in its metadata.

        Where detail is kept, `editable` [num_ws, w_dim] and `features` [C, at, at] (float16) are written, too.
        """
        square = None if self.square is None else asdict(self.square)
        about: dict[str, Any] = {"fingerprint": self.fingerprint, "generator": self.generator, "sha256": self.sha256}
        about |= {"square": square} | ({"grey": True} if self.grey else {})
        tensors = {"w_plus": self.latent.ws.float()}
        for detail in self.latent.details:
            if detail is not None:
                tensors |= {"editable": detail.editable.float(), "features": detail.features.half().contiguous()}
        place.write_bytes(artifacts.dump(tensors, {"inverted": about}))

    @classmethod
    def read(cls, place: Place) -> "SavedInversion":
        """Read what `write` wrote.

        Raises EditError where the file holds no inversion, StorageError where it can't be read at all.
        """
        data = place.read_bytes(LIMIT)
        try:
            artifact = artifacts.parse_tensors(data)
            ws, about = artifact.tensors["w_plus"], artifact.record("inverted")
            at = about["square"]
            square = None if at is None else Square(_pair(at["centre"]), _pair(at["half"]))
            fingerprint, generator, sha256 = (str(about[key]) for key in ("fingerprint", "generator", "sha256"))
            if ws.ndim != 3 or len(ws) != 1:
                raise EditError(f"its w_plus is {list(ws.shape)}, expected [1, num_ws, w_dim]")
            details: tuple[Detail | None, ...] = ()
            if "features" in artifact.tensors:
                editable, features = (artifact.tensors[key].float() for key in ("editable", "features"))
                if editable.shape != ws.shape[1:] or features.ndim != 3 or features.shape[1] != features.shape[2]:
                    raise EditError(
                        f"its detail is {list(editable.shape)} and {list(features.shape)}, which is none of this w_plus"
                    )
                details = (Detail(editable, features),)
            return cls(Latent(ws.float(), details=details), fingerprint, generator, sha256, square, about.get("grey") is True)
        except (ArtifactError, KeyError, ValueError, TypeError, EditError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise EditError(f"{place.uri} is no latent that `beholder invert` wrote: {what}") from None

    def of_generator(
        self, config: GeneratorConfig, fingerprint: str, generator: str, finished_from: Sequence[str] = ()
    ) -> "SavedInversion":
        """Return it for a generator. Raises EditError where the latent is another generator's.

        finished_from: fingerprints of generators that this one was trained on from. Their latents get the last row for the layers
        that they lack, and lose their detail, since features mean something else after training.
        """
        if self.fingerprint in finished_from and self.latent.ws.shape[1] <= config.num_ws:
            ws = self.latent.ws
            longer = torch.cat([ws, ws[:, -1:].expand(-1, config.num_ws - ws.shape[1], -1)], dim=1)
            own = replace(self, latent=Latent(longer), fingerprint=fingerprint, generator=generator)
            return own.of_generator(config, fingerprint, generator)
        if self.latent.ws.shape[1:] != (config.num_ws, config.w_dim):
            raise EditError(
                f"this latent is {list(self.latent.ws.shape[1:])}, generator {generator} takes {[config.num_ws, config.w_dim]}"
            )
        if fingerprint != self.fingerprint:
            raise EditError(
                f"this latent belongs to generator {self.generator} ({self.fingerprint}), not to {generator} ({fingerprint})"
            )
        return self


def _pair(values: Any) -> tuple[float, float]:
    x, y = values
    return float(x), float(y)
