"""Diffusion config: which pipeline edits photos, how strongly it is guided, and what it may take."""

import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from beholder.config import setting
from beholder.errors import ConfigError, WeightsError, nearest

KINDS = ("instruct_pix2pix", "flux_kontext", "qwen_image_edit")
OFFLOADS = ("none", "model", "sequential")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_NO_MATTER = ("download", "directions", "device", "offload", "memory_gib")  # settings that change no picture


@dataclass(frozen=True)
class DiffusionConfig:
    """Which pipeline, and how it is run. Nothing is downloaded unless `download` says so, and only safetensors are read."""

    model: str = setting(
        "", "a folder in diffusers' layout, such as ./instruct-pix2pix, or with download=true a name on the Hugging Face hub"
    )
    revision: str | None = setting(None, "the commit of a model on the hub; null: the newest")
    download: bool = setting(
        False, "whether a model on the hub may be downloaded; false: local files and what was downloaded before"
    )
    kind: str | None = setting(None, f"{', '.join(KINDS)}; null: as the model's model_index.json says")
    directions: str | None = setting(None, "a file of directions, JSON; null: a few instructions about season, light and material")
    steps: int = setting(20, "denoising steps of a picture")
    text_guidance: float | None = setting(
        None, "how strongly alpha 1 of an instruction counts; null: 7.5 with InstructPix2Pix, 1 with FLUX Kontext, 4 with Qwen"
    )
    image_guidance: float = setting(1.5, "how strongly the photo counts, with InstructPix2Pix")
    embedded_guidance: float = setting(2.5, "the guidance that a distilled network such as FLUX Kontext's is told")
    side: int | None = setting(None, "pixels of the longer side that is drawn; null: 512 with InstructPix2Pix, else 1024")
    keep: bool = setting(True, "where an edit changes nothing, keep the photo's own pixels: one more drawing for each photo")
    seed: int = setting(0, "of the noise that every picture starts from")
    device: str = setting("auto", "cpu, cuda, cuda:1, mps; auto: a GPU where there is one")
    precision: str = setting("auto", f"{', '.join(PRECISIONS)}; auto: bf16 on a GPU, else fp32")
    offload: str = setting(
        "none", "what waits in main memory until its turn on a GPU: none, model by model, or sequential, layer by layer"
    )
    memory_gib: float | None = setting(
        None, "weights above so many GiB are refused, and a GPU gives no more than this; null: no limit"
    )

    def __post_init__(self) -> None:
        for name, value, known in (
            ("kind", self.kind, KINDS),
            ("offload", self.offload, OFFLOADS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value is not None and value not in known:
                raise ConfigError(f"diffusion.{name}={value} is none of {', '.join(known)}{nearest(value, list(known))}")
        if self.steps < 1 or (self.side is not None and self.side < 8):
            raise ConfigError(f"diffusion: expected steps >= 1 and side >= 8, got {self.steps} and {self.side}")
        if self.text_guidance is not None and not self.text_guidance > 0:
            raise ConfigError(f"diffusion.text_guidance must be above 0, got {self.text_guidance}")
        if not self.image_guidance >= 1 or not self.embedded_guidance >= 0:
            raise ConfigError("diffusion: expected image_guidance >= 1 and embedded_guidance >= 0")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"diffusion.seed must be between 0 and {2**32 - 1}, got {self.seed}")
        if self.memory_gib is not None and not self.memory_gib > 0:
            raise ConfigError(f"diffusion.memory_gib must be above 0, got {self.memory_gib}")

    def fingerprint(self) -> str:
        """Return an id of the pipeline and of how it draws: it changes whenever pictures would, but for their directions.

        Weights in a folder count by their files' names, sizes and times.
        """
        files = [file_identity(path) for path in sorted(Path(self.model).rglob("*.safetensors"))] if self.model else []
        told = {name: value for name, value in asdict(self).items() if name not in _NO_MATTER}
        return hashlib.sha256(json.dumps([told, files]).encode()).hexdigest()[:16]

    def check_model(self) -> None:
        """Raise WeightsError, in one line that says what to give, for a pipeline that can't be loaded.

        It is not there and may not be downloaded, holds no pipeline, is too large, or the extra is missing. Nothing is loaded.
        """
        if not self.model:
            raise WeightsError(
                "editor=diffusion needs diffusion.model=FOLDER, a pipeline in diffusers' layout; nothing is downloaded unless "
                "diffusion.download=true and model= is a name on the Hugging Face hub"
            )
        if importlib.util.find_spec("diffusers") is None:
            raise WeightsError('editor=diffusion needs an extra: pip install "beholder[diffusion]"')
        folder = Path(self.model)
        if not folder.is_dir():
            if not self.download and (self.model.startswith((".", "/", "~")) or self.model.count("/") != 1):
                raise WeightsError(
                    f"diffusion.model={self.model} is no folder: give one that holds a pipeline in diffusers' layout"
                )
            return  # a name on the hub: what was downloaded before, or may be now
        if not (folder / "model_index.json").is_file():
            raise WeightsError(f"{folder} has no model_index.json: expected a pipeline in diffusers' layout")
        files = list(folder.rglob("*.safetensors"))
        if not files:
            raise WeightsError(f"{folder} has no .safetensors files: expected weights; pickles are not read")
        size = sum(file.stat().st_size for file in files) / 2**30
        if self.memory_gib is not None and size > self.memory_gib:
            raise WeightsError(f"{folder} has {size:.1f} GiB of weights, more than diffusion.memory_gib={self.memory_gib:g}")


def file_identity(path: Path) -> str:
    """Return a file's name, size and time of change in one text."""
    known = path.stat()
    return f"{path.name} {known.st_size} {known.st_mtime_ns}"
