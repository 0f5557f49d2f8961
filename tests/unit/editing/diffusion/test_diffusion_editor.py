"""The diffusion editor: the contract on tiny pipelines of random weights, and what is refused before any is loaded."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import tiny_diffusion
from support.editor_suite import EditorContract

from beholder.editing.diffusion import diffusion_directions
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.diffusion.diffusion_directions import DiffusionDirection
from beholder.editing.diffusion.diffusion_editor import DiffusionEditor, kept
from beholder.editing.diffusion.diffusion_pipeline import DiffusionPipeline, DrawingAbandoned
from beholder.editing.looks import landscape
from beholder.errors import ConfigError, EditError, WeightsError

pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
pytestmark = pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say of tiny networks

DIRECTIONS = {
    name: DiffusionDirection(name, words, range=(-2.0, 2.0), labels=("", ""))
    for name, words in (("winter", "make it winter"), ("night", "make it night"), ("fog", "add fog"))
}
SMALL = DiffusionConfig(model="tiny", side=32, steps=2)
PHOTO = landscape.draw(4, 40, 60)


class TestInstructPix2Pix(EditorContract):
    returns = 1e-9

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls):
        return DiffusionEditor(DiffusionPipeline(tiny_diffusion.pix2pix(), SMALL), directions=DIRECTIONS)


class TestFluxKontext(EditorContract):
    returns = 1e-9

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls):
        config = DiffusionConfig(model="tiny", side=32, steps=2, text_guidance=5.0)
        return DiffusionEditor(DiffusionPipeline(tiny_diffusion.flux_kontext(), config), directions=DIRECTIONS)


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionPipeline(tiny_diffusion.pix2pix(), SMALL)


@pytest.fixture(scope="module")
def editor(pipeline):
    return DiffusionEditor(pipeline, directions=DIRECTIONS)


def test_qwen_image_edit_draws_an_instruction():
    pipeline = DiffusionPipeline(tiny_diffusion.qwen_image_edit(), DiffusionConfig(model="tiny", side=32, steps=1))
    photo = landscape.draw(4, 32, 32)
    plain = pipeline.draw(photo, {}, {})
    np.testing.assert_array_equal(pipeline.draw(photo, {"make it night": 0.0}, {}), plain)
    assert not np.array_equal(pipeline.draw(photo, {"make it night": 8.0}, {}), plain)


def test_whole_photos_keep_their_shape_and_an_edit_of_nothing_their_bits(editor):
    drawn = editor.draw(editor.invert(PHOTO[None]), [{}, {"winter": 1.0}, {"winter": 0.0}])
    np.testing.assert_array_equal(drawn[0], PHOTO)
    np.testing.assert_array_equal(drawn[2], PHOTO)
    assert drawn[1].shape == PHOTO.shape
    assert not np.array_equal(drawn[1], PHOTO)


def test_an_instruction_counts_as_the_published_guidance_says(pipeline):
    """Alpha 1 of one instruction is the pipeline's own drawing of it."""
    square = landscape.draw(1, 32, 32)
    own = tiny_diffusion.pix2pix()
    own.set_progress_bar_config(disable=True)
    expected = own(
        prompt="make it winter",
        negative_prompt="",
        image=own.image_processor.numpy_to_pil(square[None].astype(np.float32) / 255)[0],
        num_inference_steps=2,
        guidance_scale=7.5,
        image_guidance_scale=1.5,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images[0]
    drawn = pipeline.draw(square, {"make it winter": 1.0}, {})
    assert np.abs(drawn - 255 * expected).max() <= 0.51


def test_seeds_change_the_noise_and_nothing_else_does():
    square = landscape.draw(1, 32, 32)
    drawn = [
        DiffusionPipeline(tiny_diffusion.pix2pix(), DiffusionConfig(model="tiny", side=32, steps=2, seed=seed)).draw(square, {}, {})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_steps_are_told_and_a_drawing_ends_between_two_of_them(editor):
    steps: list[tuple[int, int]] = []
    editor.draw(editor.invert(PHOTO[None]), [{"winter": 1.0}], progress=lambda step, count: steps.append((step, count)))
    assert steps[:2] == [(1, 2), (2, 2)]
    told: list[int] = []
    with pytest.raises(DrawingAbandoned):
        editor.draw(
            editor.invert(PHOTO[None]), [{"fog": 1.0}], progress=lambda step, _: told.append(step), abandoned=lambda: bool(told)
        )
    assert told == [1]
    with pytest.raises(DrawingAbandoned):
        editor.draw(editor.invert(PHOTO[None]), [{"fog": 1.0}], abandoned=lambda: True)


def test_what_an_edit_leaves_alone_keeps_the_photos_own_pixels():
    before = np.full((20, 30, 3), 90, np.uint8)
    after = before.copy()
    after[:, 20:] = 200
    photo = landscape.draw(2, 80, 120)
    drawn = kept(photo, before, after)
    np.testing.assert_array_equal(drawn[:, :60], photo[:, :60])
    assert np.abs(drawn[:, 100:].astype(int) - 200).max() <= 1
    np.testing.assert_array_equal(kept(photo, before, before), photo)


@pytest.fixture
def slider(tmp_path):
    """A slider over one attention layer of the tiny network, of rank 1."""
    key = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_v"
    weights = {f"{key}.lora_A.weight": torch.linspace(-1, 1, 16)[None], f"{key}.lora_B.weight": torch.linspace(-2, 2, 16)[:, None]}
    save_file(weights, str(tmp_path / "slider.safetensors"))
    return tmp_path


def test_a_slider_is_a_direction_whose_alpha_is_its_strength(slider):
    (slider / "list.json").write_text(
        json.dumps(
            {
                "directions": [
                    {"name": "bolder", "adapter": "slider.safetensors", "scale": 0.5},
                    {"name": "winter", "instruction": "make it winter", "range": [-1, 2]},
                ]
            }
        )
    )
    directions = diffusion_directions.read(str(slider / "list.json"))
    editor = DiffusionEditor(DiffusionPipeline(tiny_diffusion.pix2pix(), SMALL), directions=directions, keep=False)
    latent = editor.generate([3])
    plain, bolder, again, both = editor.edit(
        latent, [{"winter": 1.0}, {"bolder": 2.0}, {"bolder": -2.0}, {"bolder": 2.0, "winter": 1.0}]
    )
    assert not np.array_equal(bolder, again)
    assert not np.array_equal(both, plain)
    np.testing.assert_array_equal(editor.edit(latent, [{"winter": 1.0}])[0], plain)  # the slider is off again


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "is no list of directions"),
        ([{"name": "Winter", "instruction": "x"}], "a name of a-z"),
        ([{"name": "winter"}], "either an instruction or an adapter"),
        ([{"name": "winter", "instruction": "x", "adapter": "y.safetensors"}], "either an instruction or an adapter"),
        ([{"name": "winter", "adapter": "y.bin"}], "a .safetensors file"),
        ([{"name": "winter", "adapter": "y.safetensors"}], "a .safetensors file"),
        ([{"name": "winter", "instruction": "x", "range": [1, 2]}], "a range from at most 0"),
        ([{"name": "winter", "instruction": "x", "scale": float("inf")}], "scale as a finite number"),
        ([{"name": "winter", "instruction": "x", "labels": "x"}], "labels as two texts"),
        ([{"name": "winter", "instruction": "x", "colour": "x"}], "colour is none of"),
        ([{"name": "winter", "instruction": "x" * 401}], "at most 400 characters"),
        ([{"name": "winter", "instruction": "x"}] * 2, "comes twice"),
    ],
)
def test_a_list_that_is_wrong_is_refused_in_one_line(tmp_path, rows, said):
    (tmp_path / "list.json").write_text(json.dumps({"directions": rows}))
    with pytest.raises(EditError, match=said) as refused:
        diffusion_directions.read(str(tmp_path / "list.json"))
    assert "\n" not in str(refused.value)


def test_an_adapter_of_another_network_is_refused(tmp_path, pipeline):
    save_file(
        {"unet.nowhere.lora_A.weight": torch.ones(1, 4), "unet.nowhere.lora_B.weight": torch.ones(4, 1)},
        str(tmp_path / "a.safetensors"),
    )
    directions = {"other": DiffusionDirection("other", adapter=str(tmp_path / "a.safetensors"))}
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        DiffusionEditor(pipeline, directions=directions)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("", "needs diffusion.model=FOLDER"),
        ("./nowhere", "is no folder"),
        ("nowhere", "is no folder"),
        ("{folder}", "no model_index.json"),
    ],
)
def test_a_model_that_is_not_there_is_refused_without_a_download(tmp_path, model, said):
    with pytest.raises(WeightsError, match=said):
        DiffusionConfig(model=model.format(folder=tmp_path)).check_model()


def test_a_pipeline_of_another_kind_and_one_without_weights_are_refused(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (tmp_path / "pickle.bin").write_bytes(b"pickle")
    with pytest.raises(WeightsError, match=r"has no \.safetensors files"):
        DiffusionPipeline.load(DiffusionConfig(model=str(tmp_path)))
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="is a StableDiffusionPipeline: expected one of"):
        DiffusionPipeline.load(DiffusionConfig(model=str(tmp_path)))


def test_a_saved_pipeline_is_loaded_from_safetensors_alone_and_within_its_memory(tmp_path):
    own = tiny_diffusion.pix2pix()
    own.save_pretrained(tmp_path / "model", safe_serialization=True)
    config = DiffusionConfig(model=str(tmp_path / "model"), side=32, steps=2, device="cpu")
    square = landscape.draw(1, 32, 32)
    loaded = DiffusionPipeline.load(config)
    np.testing.assert_array_equal(
        loaded.draw(square, {"make it winter": 1.0}, {}), DiffusionPipeline(own, config).draw(square, {"make it winter": 1.0}, {})
    )
    with pytest.raises(WeightsError, match=r"more than diffusion\.memory_gib"):
        DiffusionConfig(model=str(tmp_path / "model"), memory_gib=1e-6).check_model()
    (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").rename(
        tmp_path / "model" / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(WeightsError, match="can't be loaded"):
        DiffusionPipeline.load(config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "dalle"},
        {"steps": 0},
        {"side": 4},
        {"text_guidance": 0.0},
        {"image_guidance": 0.5},
        {"seed": -1},
        {"memory_gib": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="diffusion"):
        DiffusionConfig(**wrong)
