"""Tiny diffusion pipelines of random weights, built from diffusers' own config classes; they download nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

_LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = 48  # tokens of an instruction


def saved(folder: Path) -> list[str]:
    """The words of a command that loads a saved InstructPix2Pix which draws a picture in a moment."""
    pix2pix().save_pretrained(folder / "tiny", safe_serialization=True)
    return ["editor=diffusion", f"diffusion.model={folder / 'tiny'}", "diffusion.side=32", "diffusion.steps=2"]


def pix2pix() -> Any:
    """An InstructPix2Pix of some thousand weights, whose pictures are multiples of 2 pixels."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=16,
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 16),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
    )
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    return StableDiffusionInstructPix2PixPipeline(
        vae=vae.eval(),
        text_encoder=_clip_text(16),
        tokenizer=_clip_tokenizer(),
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def flux_kontext() -> Any:
    """A FLUX Kontext of some thousand weights."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxKontextPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    vae = AutoencoderKL(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=1,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    )
    long = T5EncoderModel(T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).eval()
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in _LETTERS)]
    return FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=_clip_text(16),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=long,
        tokenizer_2=T5TokenizerFast(vocab=pieces, model_max_length=WORDS),
        transformer=transformer.eval(),
    )


def qwen_image_edit() -> Any:
    """A Qwen-Image-Edit of some thousand weights, but for its language model, of which `LettersRead` stands in the place."""
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPipeline,
        QwenImageTransformer2DModel,
    )

    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=16,
        guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    return QwenImageEditPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=LettersRead(16),
        tokenizer=None,
        processor=_letters,
        transformer=transformer.eval(),
    )


class LettersRead(torch.nn.Module):
    """Signs what the pipeline calls of Qwen2.5-VL: a hidden state for each letter; it does not look at the picture."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(256, width)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        return SimpleNamespace(hidden_states=[self.embedding(input_ids)])


class _Inputs(dict[str, torch.Tensor]):
    def to(self, device: Any) -> "_Inputs":
        return self


def _letters(*, text: list[str], **_: Any) -> _Inputs:
    ids = torch.tensor([[ord(letter) % 256 for letter in each] for each in text])
    return _Inputs(input_ids=ids, attention_mask=torch.ones_like(ids))


def _clip_text(width: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=64,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=WORDS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    pieces = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=WORDS)
