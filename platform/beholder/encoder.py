"""Images and texts -> unit embeddings in CLIP space; the only file that uses open_clip.

There is one preprocessing: batch jobs resize images with `EncoderConfig.fit` in their own processes and pass uint8 on, serving
passes images of any size, and both get the same vectors.
"""

import contextlib
import copy
import dataclasses
import hashlib
import importlib.resources
import json
import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from beholder import clip_weights, light_import
from beholder.config import setting
from beholder.errors import ConfigError, EncoderError, ImageError, nearest
from beholder.images import Fit, fit_pixels
from beholder.process import ThreadShare

if TYPE_CHECKING:
    import torch

log = logging.getLogger("beholder")
RANDOM = "random"
LOOKS = "looks"  # the model without weights of look_descriptor
GRID, EACH, PHOTO = LOOKS_BY = ("grid", "each", "photo")
PACKAGED = "data:"  # a file of the package beholder.data, wherever that is installed
_EACH = 4  # images from which on a core of a CPU embeds some by itself: fewer don't make up for reading all weights


class ImageEncoder(Protocol):
    """What embeds pictures, for those who need no texts; `Encoder` signs it."""

    @property
    def size(self) -> int:
        """The pixels of a side of what it sees of a picture: larger ones are scaled down."""
        ...

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed uint8 RGB [N, H, W, 3]: float32 [N, D], rows of length 1."""
        ...


class ImageTextEncoder(ImageEncoder, Protocol):
    """What embeds pictures and texts in one space; `Encoder` signs it."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed N texts: float32 [N, D], rows of length 1."""
        ...


def imagenet_templates() -> tuple[str, ...]:
    """Return the 79 prompts with a {} for a text that StyleCLIP averages over: those of CLIP's authors but for one of a plural."""
    templates = light_import.open_clip().OPENAI_IMAGENET_TEMPLATES
    return tuple(text for each in templates if " many " not in (text := each("{}")))


@dataclass(frozen=True)
class EncoderConfig:
    """A CLIP model: architecture, weights, preprocessing, precision and device."""

    name: str = setting("", "short name, the first part of the encoder id")
    model: str = setting("", "open_clip's name of the architecture, or a .json file that describes one")
    weights: str | None = setting(
        None, "a pretrained tag of open_clip, a local file (.safetensors, .pt, .bin), or random (for speed tests only)"
    )
    quick_gelu: bool = setting(False, "whether a local weights file was trained with QuickGELU; open_clip knows it of a tag")
    size: int = setting(224, "side of the square the image tower takes, in pixels")
    resize: str = setting("shortest", "shortest: scale the shorter side, cut out the middle; squash: scale both sides")
    interpolation: str = setting("bicubic", "bicubic or bilinear")
    mean: list[float] = setting(
        [0.48145466, 0.4578275, 0.40821073], "mean of each RGB channel in 0..1, subtracted before the image tower"
    )
    std: list[float] = setting(
        [0.26862954, 0.26130258, 0.27577711], "standard deviation of each RGB channel, by which it is then divided"
    )
    precision: str = setting("auto", "fp32, bf16 or fp16; auto is fp32 on a CPU, bf16 or fp16 on a GPU")
    device: str = setting("auto", "cpu, cuda or cuda:N; auto takes a GPU where there is one")
    batch_size: int = setting(0, "images in one forward pass; 0 is 32 on a CPU, 256 on a GPU")
    compile: str | None = setting(
        None,
        "a backend of torch.compile for the image tower, such as inductor: it takes minutes, for very many images; null: none",
    )
    looks: bool = setting(
        False, "whether the descriptor of encoder=looks is joined to the CLIP: its numbers stand behind those of the CLIP"
    )
    looks_weight: float = setting(
        0.95,  # the descriptor's embeddings lie closer together than a CLIP's: so two pictures differ about as much by either
        "with looks: the descriptor's share of an embedding's squared length, and so of a cosine, between 0 and 1",
    )
    looks_by: str = setting(
        GRID,
        "with looks and editor=looks: what the CLIP sees of a photo: grid: each direction step by step, between which its part is "
        "interpolated; each: every candidate, for a GPU; photo: the photo as it is, once",
    )

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise ConfigError(f"encoder.precision must be auto, fp32, bf16 or fp16, got {self.precision!r}")
        if self.batch_size < 0:
            raise ConfigError(f"encoder.batch_size must be 0 or more, got {self.batch_size}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError("encoder.mean and encoder.std must be three numbers each, std above 0")
        if self.looks and self.model == LOOKS:
            raise ConfigError(
                "encoder.looks=true joins the descriptor to a CLIP, and encoder=looks is the descriptor alone: give a CLIP, as in "
                "encoder=vit_b_32, or leave encoder.looks out"
            )
        if not 0 < self.looks_weight < 1:
            raise ConfigError(f"encoder.looks_weight must be between 0 and 1, got {self.looks_weight}")
        if self.looks_by not in LOOKS_BY:
            raise ConfigError(f"encoder.looks_by must be {', '.join(LOOKS_BY[:-1])} or {LOOKS_BY[-1]}, got {self.looks_by!r}")
        self.fit  # noqa: B018  (checks size, resize and interpolation)

    @property
    def fit(self) -> Fit:
        """Return how an image is resized for the image tower. With looks all of it is kept: its corners belong to how it looks."""
        return Fit(self.size, "squash" if self.looks else self.resize, self.interpolation)

    @property
    def clip_share(self) -> float:
        """What the CLIP's numbers are multiplied by in an embedding, and so a cosine of an image with a text: 1 without looks."""
        return math.sqrt(1 - self.looks_weight) if self.looks else 1.0

    def resolved(self) -> "EncoderConfig":
        """Return the config with the preprocessing that a pretrained tag was trained with. No network is used.

        Raises EncoderError unless the weights are a known tag, a file that is there, or random.
        """
        if _is_packaged(self.model) or _is_packaged(self.weights):
            return dataclasses.replace(self, model=_packaged(self.model), weights=_packaged(self.weights)).resolved()
        if self.model.endswith(".json") and not Path(self.model).is_file():
            raise EncoderError(f"encoder.model={self.model}: there is no such file")
        if self.model == LOOKS:
            from beholder import look_descriptor

            version, size = look_descriptor.VERSION, look_descriptor.SIZE
            return dataclasses.replace(self, weights=version, size=size, mean=[0.0] * 3, std=[1.0] * 3, precision="fp32")
        if self.weights is None:
            raise EncoderError(
                f"encoder {self.name} has no weights: give encoder.weights=<tag> (a pretrained tag of {self.model}, "
                "downloaded by open_clip) or encoder.weights=<file> (a local .safetensors, .pt or .bin)"
            )
        if (found := clip_weights.find(self.weights)) != self.weights:
            return dataclasses.replace(self, weights=found).resolved()
        if self.weights == RANDOM:
            return self
        if Path(self.weights).is_file():
            return dataclasses.replace(self, **clip_weights.preprocessing(self.weights))
        if "/" in self.weights or Path(self.weights).suffix:
            raise EncoderError(f"encoder.weights={self.weights}: there is no such file")
        open_clip = light_import.open_clip(self.model)
        if not self.model.endswith(".json") and self.model not in open_clip.list_models():
            raise EncoderError(f"encoder.model={self.model} is unknown to open_clip{nearest(self.model, open_clip.list_models())}")
        tags = open_clip.list_pretrained_tags_by_model(self.model)
        if self.weights not in tags:
            raise EncoderError(
                f"encoder.weights={self.weights} is neither a file nor a pretrained tag of {self.model}"
                f"{nearest(self.weights, tags)}"
            )
        tag = open_clip.get_pretrained_cfg(self.model, self.weights)
        return dataclasses.replace(
            self,
            quick_gelu=bool(tag.get("quick_gelu", False)),
            mean=list(tag.get("mean") or self.mean),
            std=list(tag.get("std") or self.std),
            resize=tag.get("resize_mode") or self.resize,
            interpolation=tag.get("interpolation") or self.interpolation,
        )

    def encoder_id(self) -> str:
        """Return an id of model, weights (a file by its content) and preprocessing: it changes whenever the vectors would."""
        known = self.resolved()
        weights = str(known.weights)
        label, identity = weights, weights
        if weights != RANDOM and Path(weights).is_file():
            label = "".join(c if c.isalnum() else "_" for c in Path(weights).stem)[:24]
            with open(weights, "rb") as file:
                identity = hashlib.file_digest(file, "sha256").hexdigest()
        parts = [
            Path(known.model).read_text() if known.model.endswith(".json") else known.model,
            identity,
            known.quick_gelu,
            known.size,
            known.fit.resize,
            known.interpolation,
            known.mean,
            known.std,
        ]
        name = self.name
        if known.looks:
            from beholder import look_descriptor

            name, parts = f"{self.name}_looks", [*parts, LOOKS, look_descriptor.VERSION, known.looks_weight]
        return f"{name}-{label}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"


class Encoder:
    """A loaded CLIP. `Encoder.load(config)`, then `images` and `texts`.

    model: open_clip's own, frozen and in eval mode, for code that adapts it; `prepared` and `tokens` make its inputs. With
    `config.looks` an embedding is the CLIP's and the descriptor's side by side, each of length 1 before it is weighted
    (`look_descriptor.beside`).
    """

    def __init__(self, model: Any, tokenizer: Any, config: EncoderConfig, device: str):
        import torch

        self.config = config
        self.device = device
        self.model = model
        self._tokenizer = tokenizer
        self._autocast = _autocast_dtype(config.precision, device)
        # of the uint8 levels of a row of pixels: a row is added up faster than three channels
        mean, std = (torch.tensor(values, device=device).repeat(config.size) for values in (config.mean, config.std))
        self._scale, self._offset = 1 / (255 * std), -mean / std
        self._mean, self._std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (config.mean, config.std))
        self._tower: Any = None  # the image tower with weights of that precision, compiled
        self._lock = threading.Lock()
        self._threads = ThreadShare()
        self.batch_size = config.batch_size or (32 if device == "cpu" else 256)

    @classmethod
    def load(cls, config: EncoderConfig) -> "Encoder":
        """Build the model and load its weights (downloading a tag where open_clip has not got it yet).

        Raises EncoderError where there are no weights, they don't fit the architecture, or can't be had. No pickle is run:
        files are safetensors, or torch files read with weights_only.
        """
        import torch

        config = config.resolved()
        device = config.device if config.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # a name torch doesn't know, a card that isn't there, a build without CUDA
            raise EncoderError(f"encoder.device={device} is not there: {str(error).splitlines()[0]}") from None
        model = _build(config).to(device).eval().requires_grad_(False)
        return cls(model, _tokenizer(config), config, device)

    @property
    def size(self) -> int:
        """The pixels of a side of what the image tower takes."""
        return self.config.size

    def images(self, pixels: "np.ndarray | Sequence[np.ndarray]") -> np.ndarray:
        """Embed images in CLIP space.

        pixels: uint8 RGB [N, H, W, 3] of any H and W, or a sequence of [H, W, 3] of different sizes.
        Returns float32 [N, D], rows of length 1. A batch that does not fit into the device's memory is halved, for good. Raises
        ImageError for an empty batch or another shape or dtype, EncoderError where not even one image fits.
        """
        if len(pixels) == 0:
            raise ImageError("expected at least one image, got an empty batch")
        import torch

        while True:
            try:
                return self._batches(pixels)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise EncoderError(
                        f"one image does not fit into the memory of {self.device} beside {self.config.model}"
                    ) from None
            self.batch_size = max(self.batch_size // 2, 1)
            torch.cuda.empty_cache()
            log.warning("the memory of %s is too small: going on with batches of %d images", self.device, self.batch_size)

    def prepared(self, pixels: "np.ndarray | Sequence[np.ndarray]") -> "torch.Tensor":
        """Return the image tower's input, float32 [N, 3, size, size] on its device; pixels and errors as for `images`."""
        import torch

        if isinstance(pixels, np.ndarray) and pixels.ndim != 4:
            raise ImageError(f"expected uint8 RGB [N, H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
        fitting = (self.config.size, self.config.size, 3)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != fitting:
            pixels = np.stack([fit_pixels(image, self.config.fit) for image in pixels])
        batch = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
        if self.device != "cpu":
            batch = batch.pin_memory()  # so that the copy to the GPU goes on beside its work
        rows = batch.to(self.device, non_blocking=True).flatten(2).float()
        return torch.addcmul(self._offset, rows, self._scale).view(batch.shape).permute(0, 3, 1, 2)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts in the same space.

        Returns float32 [N, D], rows of length 1. With looks, of which words say nothing, the descriptor's numbers are 0: a cosine
        with an image is the CLIP's times `config.clip_share`. Raises EncoderError for no texts, or where the tokenizer can't be
        had.
        """
        if not texts:
            raise EncoderError("expected at least one text, got none")
        embeddings = self._unit(self.model.encode_text, self.tokens(texts)).cpu().numpy()
        if not self.config.looks:
            return embeddings
        from beholder import look_descriptor

        return np.pad(embeddings, ((0, 0), (0, look_descriptor.WIDTH)))

    def clip_of_light(self, light: "torch.Tensor") -> "torch.Tensor":
        """Embed pictures in linear light by the CLIP alone.

        light: float32 [N, 3, size, size] in 0..1, on any device. Returns float32 [N, E] there, rows of length 1.
        """
        from beholder import colour

        x = (colour.to_srgb(light.to(self.device)) - self._mean) / self._std
        return self._unit(self._image_tower, x).to(light.device)

    def tokens(self, texts: Sequence[str]) -> "torch.Tensor":
        """Return the text tower's input, int64 [N, context] on its device."""
        tokens: torch.Tensor = self._tokenizer(list(texts)).to(self.device)
        return tokens

    def autocast(self) -> Any:
        """Return a context in which torch computes in the config's precision."""
        import torch

        return torch.autocast(self.device.partition(":")[0], dtype=self._autocast, enabled=self._autocast is not None)

    def _image_tower(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return the image features of the tower's input, computed by weights of the config's precision.

        Autocast would round the same weights again for every batch: a third of the time on a GPU. The model itself keeps its own
        weights, for code that adapts it.
        """
        if self._autocast is None and self.config.compile is None:
            return self.model.encode_image(x)  # type: ignore[no-any-return]  # open_clip has no types
        with self._lock:
            if self._tower is None:
                tower = self.model.visual if self._autocast is None else copy.deepcopy(self.model.visual).to(self._autocast)
                self._tower = tower if self.config.compile is None else _compiled(tower, self.config.compile)
        return self._tower(x if self._autocast is None else x.to(self._autocast))  # type: ignore[no-any-return]  # the same

    def _batches(self, pixels: "np.ndarray | Sequence[np.ndarray]") -> np.ndarray:
        import torch

        batches = [pixels[start : start + self.batch_size] for start in range(0, len(pixels), self.batch_size)]
        if self.device == "cpu":
            return np.concatenate([self._batch(batch) for batch in batches])
        # Nothing waits for the GPU before the last batch: it computes one while the next is made ready and copied.
        return torch.cat([self._embedded(self.prepared(batch)) for batch in batches]).cpu().numpy()

    def _batch(self, pixels: "np.ndarray | Sequence[np.ndarray]") -> np.ndarray:
        import torch

        def embed(some: "np.ndarray | Sequence[np.ndarray]") -> np.ndarray:
            return self._embedded(self.prepared(some)).cpu().numpy()

        divided = self.device == "cpu" and len(pixels) >= _EACH * torch.get_num_threads()
        return self._threads.share(embed, pixels) if divided else embed(pixels)

    def _embedded(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return the embeddings of the image tower's input, float32 [N, D] on the device, rows of length 1."""
        features = self._unit(self._image_tower, x)
        if not self.config.looks:
            return features
        import torch

        from beholder import look_descriptor

        with torch.inference_mode():
            looks = look_descriptor.describe_srgb(x * self._std + self._mean)
        return look_descriptor.beside(features, looks, self.config.looks_weight)

    def _unit(self, tower: Any, x: "torch.Tensor") -> "torch.Tensor":
        """Return what a tower makes of its input, float32 [N, E] on the device, rows of length 1."""
        import torch

        with torch.inference_mode(), self.autocast():
            features = tower(x)
        return torch.nn.functional.normalize(features.float(), dim=-1)


def _compiled(tower: Any, backend: str) -> Any:
    """Return a module as torch compiles it when it is first called. Raises EncoderError for a backend that is not there."""
    import torch

    try:
        return torch.compile(tower, backend=backend)
    except RuntimeError as error:  # torch's own for this is one
        raise EncoderError(f"encoder.compile={backend} can't be had: {str(error).strip().splitlines()[0]}") from None


def fetch(config: EncoderConfig) -> None:
    """Download the weights of a pretrained tag unless they are here. Raises EncoderError where that fails."""
    if config.model == LOOKS:
        return
    weights = str(config.resolved().weights)
    if weights == RANDOM or Path(weights).is_file():
        return
    open_clip = light_import.open_clip(config.model)
    try:
        open_clip.download_pretrained(open_clip.get_pretrained_cfg(config.model, weights))
    except Exception as error:  # hub clients raise errors of their own making
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"weights {weights} of {config.model} could not be downloaded ({reason}); "
            "where there is no network give a local file: encoder.weights=<file>"
        ) from None


def untrained(config: EncoderConfig) -> tuple[Any, Any]:
    """Return the model and the tokenizer of a config with random weights, ready to be trained."""
    config = dataclasses.replace(config, weights=RANDOM).resolved()
    return _build(config), _tokenizer(config)


def _build(config: EncoderConfig) -> Any:
    if config.model == LOOKS:
        from beholder.look_descriptor import LookModel

        return LookModel()
    import torch

    open_clip = light_import.open_clip(config.model)
    weights = str(config.weights)
    fetch(config)
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # open_clip warns on the root logger that random weights are random
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # random weights are the same on every machine and in every actor
            file = Path(weights).is_file() and weights != RANDOM
            with clip_weights.loadable(weights) if file else contextlib.nullcontext(weights) as loaded:
                model = open_clip.create_model(
                    _registered(config.model),
                    pretrained=None if weights == RANDOM else loaded,
                    force_quick_gelu=config.quick_gelu,
                    force_image_size=_other_size(config),
                    pretrained_text=False,
                    weights_only=True,
                )
            if file:
                clip_weights.check_finite(model, weights)
            return model
    except EncoderError:
        raise
    except Exception as error:  # open_clip, torch and safetensors each raise their own
        reason = clip_weights.reason(error)
        raise EncoderError(f"encoder.weights={weights} can't be loaded into {config.model}: {reason}") from None
    finally:
        root.setLevel(level)


def _other_size(config: EncoderConfig) -> int | None:
    """Return the image size where it is not the architecture's own; open_clip then interpolates the position embedding."""
    open_clip = light_import.open_clip(config.model)
    own = (open_clip.get_model_config(_registered(config.model)) or {}).get("vision_cfg", {}).get("image_size")
    return config.size if own is not None and own != config.size else None


def _registered(model: str) -> str:
    """Return open_clip's name of an architecture; one described by a .json file is registered under the file's name."""
    if not model.endswith(".json"):
        return model
    open_clip = light_import.open_clip(model)
    if Path(model).stem not in open_clip.list_models():
        open_clip.add_model_config(model)
    return Path(model).stem


def _is_packaged(text: str | None) -> bool:
    return text is not None and text.startswith(PACKAGED)


def _packaged(text: str | None) -> Any:
    """Return the packaged file that data:weights/x.safetensors names; other texts stay as they are."""
    if not _is_packaged(text):
        return text
    return str(importlib.resources.files("beholder.data") / str(text).removeprefix(PACKAGED))


def _tokenizer(config: EncoderConfig) -> Any:
    """Return open_clip's tokenizer; one that lives on a hub is fetched at the first text, not before."""
    if config.model == LOOKS:
        from beholder.look_descriptor import LookModel

        return LookModel().encode_text
    open_clip = light_import.open_clip(config.model)
    model_config = open_clip.get_model_config(_registered(config.model)) or {}
    if "hf_tokenizer_name" not in model_config.get("text_cfg", {}):
        return open_clip.get_tokenizer(_registered(config.model))

    def tokenize(texts: list[str]) -> Any:
        try:
            return open_clip.get_tokenizer(config.model)(texts)
        except Exception as error:
            raise EncoderError(f"the tokenizer of {config.model} can't be had: {str(error).splitlines()[0]}") from None

    return tokenize


def _autocast_dtype(precision: str, device: str) -> Any:
    import torch

    if precision == "auto":
        if device == "cpu":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
