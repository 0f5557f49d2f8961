"""Diffusion pipeline: a published pipeline that edits a photo by instructions, of three kinds; the only door to diffusers.

InstructPix2Pix (Brooks et al. 2023), FLUX.1 Kontext (Black Forest Labs 2025) and Qwen-Image-Edit (2025) run as diffusers has them,
but for what their network predicts: without an instruction, plus alpha times what each instruction changes in that (composed
guidance, Liu et al., "Compositional visual generation with composable diffusion models", 2022). So instructions add up, whatever
their order, alpha is the guidance, and below 0 it leads away from what the instruction says.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from beholder.editing.diffusion.diffusion_config import KINDS, DiffusionConfig
from beholder.errors import EditError, WeightsError

_CLASSES = {
    "instruct_pix2pix": "StableDiffusionInstructPix2PixPipeline",
    "flux_kontext": "FluxKontextPipeline",
    "qwen_image_edit": "QwenImageEditPipeline",
}
_GUIDANCE = {"instruct_pix2pix": 7.5, "flux_kontext": 1.0, "qwen_image_edit": 4.0}
_SIDES = {"instruct_pix2pix": 512, "flux_kontext": 1024, "qwen_image_edit": 1024}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Progress = Callable[[int, int], None]


class DrawingAbandoned(EditError):
    """Raised between two steps of a picture that nobody waits for any more."""


class DiffusionPipeline:
    """A pipeline of diffusers with one photo, some instructions and some adapters at a time. Not safe to share between threads."""

    def __init__(self, pipeline: Any, config: DiffusionConfig) -> None:
        """pipeline: one of diffusers' three. Raises WeightsError for another."""
        names = {name: kind for kind, name in _CLASSES.items()}
        kind = names.get(type(pipeline).__name__)
        if kind is None:
            raise WeightsError(f"expected a pipeline of {', '.join(names)}, got {type(pipeline).__name__}")
        self.kind, self._pipeline, self._config = kind, pipeline, config
        self.side = config.side or _SIDES[kind]
        self.multiple = int(pipeline.vae_scale_factor) * (1 if kind == "instruct_pix2pix" else 2)
        self._guidance = config.text_guidance or _GUIDANCE[kind]
        self._adapters: set[str] = set()
        pipeline.set_progress_bar_config(disable=True)

    @classmethod
    def load(cls, config: DiffusionConfig) -> "DiffusionPipeline":
        """Load the pipeline that a config names; from local files alone unless it says `download`.

        Raises WeightsError where the extra is missing, the model is not there, is of another kind, has a pickle in the place of
        safetensors, or is larger than may be.
        """
        config.check_model()
        import diffusers

        device = _device(config.device)
        kind = config.kind or _kind_of(config)
        try:
            pipeline = getattr(diffusers, _CLASSES[kind]).from_pretrained(
                config.model,
                revision=config.revision,
                local_files_only=not config.download,
                use_safetensors=True,
                torch_dtype=_DTYPES[config.precision]
                if config.precision != "auto"
                else torch.float32
                if device in ("cpu", "mps")
                else torch.bfloat16,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            said = " ".join(str(error).split())
            raise WeightsError(f"{config.model} can't be loaded as a {kind} pipeline: {said[:300]}") from None
        if config.memory_gib is not None and device.startswith("cuda"):
            total = torch.cuda.get_device_properties(device).total_memory / 2**30
            torch.cuda.set_per_process_memory_fraction(min(1.0, config.memory_gib / total), device)
        if config.offload == "none" or device == "cpu":
            pipeline.to(device)
        elif config.offload == "model":
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.enable_sequential_cpu_offload(device=device)
        return cls(pipeline, config)

    @property
    def fingerprint(self) -> str:
        """The id of the pipeline and of how it draws."""
        return self._config.fingerprint()

    def size_for(self, height: int, width: int, side: int) -> tuple[int, int]:
        """Return height and width to draw a photo at: its longer side at most `side`, both multiples of what the network takes."""
        scale = side / max(height, width)
        rows, columns = (max(self.multiple, round(each * scale / self.multiple) * self.multiple) for each in (height, width))
        return rows, columns

    def add_adapter(self, name: str, path: str) -> None:
        """Load a slider adapter, a .safetensors file. Raises WeightsError for one that does not fit the network."""
        file = Path(path)
        try:
            self._pipeline.load_lora_weights(
                str(file.parent), weight_name=file.name, adapter_name=name, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise WeightsError(f"{path} is no adapter of this {self.kind} pipeline: {' '.join(str(error).split())[:200]}") from None
        if name not in {each for loaded in self._pipeline.get_list_adapters().values() for each in loaded}:
            raise WeightsError(f"{path} has no weights of this {self.kind} pipeline's network")
        self._adapters.add(name)

    @torch.inference_mode()
    def draw(
        self,
        photo: np.ndarray,
        instructions: Mapping[str, float],
        adapters: Mapping[str, float],
        *,
        progress: Progress = lambda step, steps: None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> np.ndarray:
        """Draw a photo under instructions, words -> alpha, and adapters, name -> strength: uint8 RGB [h, w, 3].

        photo: uint8 RGB [h, w, 3], both multiples of `multiple`. progress: told each step that was done and how many there are.
        Raises DrawingAbandoned as soon as `abandoned` says so, EditError where the pipeline's own checker refuses the picture, and
        for too little memory.
        """
        pipeline, config = self._pipeline, self._config
        self._lay(adapters)

        def after_step(_: Any, step: int, __: Any, values: dict[str, Any]) -> dict[str, Any]:
            progress(step + 1, config.steps)
            if abandoned():
                raise DrawingAbandoned("nobody waits for this picture any more")
            return values

        if abandoned():
            raise DrawingAbandoned("nobody waits for this picture any more")
        try:
            [image] = pipeline.image_processor.numpy_to_pil(photo[None].astype(np.float32) / 255)
            nothing = self._condition("", image)
            conditions = [
                (self._weight(alpha), self._condition(words, image)) for words, alpha in sorted(instructions.items()) if alpha
            ]
            with _composed(self._network, conditions):
                result = pipeline(
                    image=image,
                    num_inference_steps=config.steps,
                    generator=torch.Generator("cpu").manual_seed(config.seed),
                    callback_on_step_end=after_step,
                    output_type="np",
                    **self._arguments(nothing, photo.shape[0], photo.shape[1]),
                )
        except torch.OutOfMemoryError:
            raise EditError(
                f"too little memory for a picture of {photo.shape[1]} x {photo.shape[0]}: "
                "a smaller diffusion.side, or diffusion.offload=model, takes less"
            ) from None
        if any(getattr(result, "nsfw_content_detected", None) or []):
            raise EditError("the pipeline's own safety checker refused the picture")
        return np.asarray(np.rint(255 * np.clip(result.images[0], 0, 1)).astype(np.uint8))

    @property
    def _network(self) -> torch.nn.Module:
        network: torch.nn.Module = self._pipeline.unet if self.kind == "instruct_pix2pix" else self._pipeline.transformer
        return network

    def _weight(self, alpha: float) -> float:
        """Return what the change by an instruction is multiplied by. InstructPix2Pix multiplies by the guidance itself."""
        return alpha if self.kind == "instruct_pix2pix" else alpha * self._guidance

    def _lay(self, adapters: Mapping[str, float]) -> None:
        """Lay adapters over the weights, in these strengths, and no others."""
        if not self._adapters:
            return
        active = {name: strength for name, strength in sorted(adapters.items()) if strength}
        if active:
            self._pipeline.enable_lora()
            self._pipeline.set_adapters(list(active), adapter_weights=list(active.values()))
        else:
            self._pipeline.disable_lora()

    def _condition(self, words: str, image: Any) -> dict[str, Any]:
        """Return what the network is given for an instruction, by the names of its arguments."""
        pipeline = self._pipeline
        device = pipeline._execution_device
        if self.kind == "instruct_pix2pix":
            tokens = pipeline.tokenizer(
                words, padding="max_length", max_length=pipeline.tokenizer.model_max_length, truncation=True, return_tensors="pt"
            )
            return {"encoder_hidden_states": pipeline.text_encoder(tokens.input_ids.to(device))[0].to(pipeline.unet.dtype)}
        if self.kind == "flux_kontext":
            embeddings, pooled, ids = pipeline.encode_prompt(prompt=words, prompt_2=None, device=device)
            return {"encoder_hidden_states": embeddings, "pooled_projections": pooled, "txt_ids": ids}
        embeddings, mask = pipeline.encode_prompt(prompt=[words or " "], image=image, device=device)
        return {"encoder_hidden_states": embeddings, "encoder_hidden_states_mask": mask}

    def _arguments(self, nothing: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
        """Return the arguments of a call that differ between the kinds. nothing: the condition of no instruction."""
        embeddings = nothing["encoder_hidden_states"]
        if self.kind == "instruct_pix2pix":
            guidance = {"guidance_scale": self._guidance, "image_guidance_scale": self._config.image_guidance}
            return {"prompt_embeds": embeddings, "negative_prompt_embeds": embeddings, **guidance}
        size = {"height": height, "width": width}
        if self.kind == "flux_kontext":
            told = {"guidance_scale": self._config.embedded_guidance, "pooled_prompt_embeds": nothing["pooled_projections"]}
            return {"prompt_embeds": embeddings, "max_area": height * width, "_auto_resize": False, **told, **size}
        told = {"guidance_scale": self._config.embedded_guidance} if getattr(self._network.config, "guidance_embeds", False) else {}
        mask = nothing["encoder_hidden_states_mask"]
        return {"prompt_embeds": embeddings, "prompt_embeds_mask": mask, "true_cfg_scale": 1.0, **told, **size}


def _kind_of(config: DiffusionConfig) -> str:
    """Return the kind of a model in a folder. Raises WeightsError where that can't be told, or is none of ours."""
    index = Path(config.model) / "model_index.json"
    if not index.is_file():
        raise WeightsError(f"give diffusion.kind={' or '.join(KINDS)} for {config.model}, which is no folder")
    try:
        name = json.loads(index.read_text("utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError):
        raise WeightsError(f"{index} can't be read as JSON") from None
    for kind, known in _CLASSES.items():
        if name == known:
            return kind
    raise WeightsError(f"{config.model} is a {str(name)[:60]}: expected one of {', '.join(_CLASSES.values())}")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise WeightsError(f"diffusion.device={name}: no such GPU is visible to this process")
    return name


@contextlib.contextmanager
def _composed(network: torch.nn.Module, conditions: Sequence[tuple[float, Mapping[str, Any]]]) -> Iterator[None]:
    """Have a network predict, for its first row, what it predicts plus the weighted changes by some conditions."""
    inner = network.forward

    def forward(*args: Any, **kwargs: Any) -> tuple[Tensor]:
        usual: Tensor = inner(*args, **kwargs)[0]
        rows = len(usual)
        first, named = [_first(each, rows) for each in args], {name: _first(each, rows) for name, each in kwargs.items()}
        total = usual[:1].clone()
        for weight, condition in conditions:
            total += weight * (inner(*first, **{**named, **condition})[0] - usual[:1])
        return (torch.cat([total, usual[1:]]),)

    if not conditions:
        yield
        return
    own = network.__dict__.get("forward")
    network.forward = forward
    try:
        yield
    finally:
        if own is None:
            del network.forward
        else:
            network.forward = own


def _first(value: Any, rows: int) -> Any:
    """Return the first row of an argument that has a row for each picture; of one picture, the argument as it is."""
    return value[:1] if rows > 1 and isinstance(value, Tensor) and value.ndim > 1 and len(value) == rows else value
