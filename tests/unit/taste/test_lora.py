"""taste=lora: it signs the contract on pixels, answers in words, and keeps nothing of the base weights."""

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support.taste_suite import ATTRIBUTES, PEOPLE, TasteContract, World, simulate
from support.tiny_clip import TINY_CLIP, pictures

from beholder import config
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EmbeddingError, EncoderError, TasteError
from beholder.taste import lora, taste_factory
from beholder.taste.frozen_features import FeatureRoom, FrozenFeatures
from beholder.taste.lora import LoraConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig

ONCE = TrainingConfig(epochs=1, batch=128, learning_rate=0.01, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def eye(tmp_path_factory) -> EncoderConfig:
    path = tmp_path_factory.mktemp("eye") / "beholder-test-eye.json"
    path.write_text(json.dumps(TINY_CLIP))
    return EncoderConfig(name="eye", model=str(path), weights="random", size=16, device="cpu")


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(images=60, comparisons=600, ratings=200)


@pytest.fixture(scope="module")
def taste(world, eye) -> lora.Lora:
    return fitted(world, eye, scales=True)


def fitted(world: World, eye: EncoderConfig, **fields: Any) -> lora.Lora:
    given: dict[str, Any] = {"encoder": eye, "templates": ["{}", "a {} person"], "fit": ONCE}
    settings = LoraConfig(**given | fields)
    return lora.fit(world.train, world.held_out, pictures(world), settings, encoder_id=eye.encoder_id())


class TestLora(TasteContract):
    eye: EncoderConfig

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def told(cls, eye):
        cls.eye, cls.encoder_id = eye, eye.encoder_id()

    @pytest.fixture(scope="class")
    @classmethod
    def taste(cls, told, world, shown):
        return cls().fit(world, shown, seed=3)

    def items(self, world):
        return pictures(world)

    def fit(self, world: World, items: np.ndarray, seed: int) -> lora.Lora:
        loop = TrainingConfig(epochs=25, batch=128, learning_rate=0.01, patience=8, device="cpu")
        settings = LoraConfig(
            encoder=self.eye, r=16, lora_alpha=32, templates=["{}"], person_rate=50, person_decay=0, person_dropout=0.1, fit=loop
        )
        return lora.fit(world.train, world.held_out, items, settings, encoder_id=self.encoder_id, seed=seed)

    def test_the_same_seed_gives_the_same_taste(self, taste, world, shown):
        small = simulate(images=60, comparisons=600, ratings=200)
        one, again = (fitted(small, self.eye, person="both", lora_dropout=0.2).tensors() for _ in range(2))
        assert one.keys() == again.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, again[name])

    def test_an_attribute_it_was_not_fitted_to_is_refused(self, taste, shown):
        """It is not: any words are an attribute."""
        assert np.isfinite(taste.utilities(shown[:2], PEOPLE[:1], "looks friendly")).all()


@pytest.mark.parametrize("cache_mib", [0, 64])
def test_images_in_a_file_are_fitted_to_and_judged_like_those_in_memory(world, eye, tmp_path, cache_mib):
    items = pictures(world)
    file = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=items.shape)
    file[:] = items
    file.flush()
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "r", shape=items.shape)
    config = LoraConfig(encoder=eye, templates=["{}"], blocks=1, cache_mib=cache_mib, fit=ONCE)
    one, other = (lora.fit(world.train, world.held_out, some, config, encoder_id=eye.encoder_id()) for some in (items, mapped))
    for name, value in one.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], value)
    image, person = np.array([7, 3, 7, 41]), np.array([0, 1, 1, 0])
    expected = one.utilities_of_pairs(items, image, PEOPLE[:2], person)
    np.testing.assert_array_equal(other.utilities_of_pairs(mapped, image, PEOPLE[:2], person), expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"person": "text", "blocks": 1, "scales": True, "zero_shot": "adapted"},
        {"person": "both", "target_modules": ["mlp", "attention"], "neutral": "person", "zero_shot": "mixed"},
        {"person": "none", "ratings_as": "pairs", "pairs": 20, "cache_mib": 0},
    ],
)
def test_every_option_learns_and_can_be_kept(world, eye, fields):
    found = fitted(world, eye, **fields, fit=replace(ONCE, epochs=2))
    items, people = pictures(world), [*PEOPLE, "a stranger"]
    again = taste_factory.load(found.info, found.tensors(), json.loads(json.dumps(found.settings())))
    assert isinstance(again, lora.Lora)
    sent = pickle.loads(pickle.dumps(found))
    for attribute in (*ATTRIBUTES, "who looks more friendly?"):
        expected = found.utilities(items[:7], people, attribute)
        np.testing.assert_array_equal(again.utilities(items[:7], people, attribute), expected)
        np.testing.assert_array_equal(sent.utilities(items[:7], people, attribute), expected)
        alike = np.allclose(expected[0], expected[-1], atol=1e-6)
        own = attribute in ATTRIBUTES or found.zero_shot["question_own"] > 0 or found.zero_shot["attributes_own"] > 0
        assert alike == (fields["person"] == "none" or not own)
    assert again.zero_shot.values.tolist() == found.zero_shot.values.tolist()
    learned = {name.split(".")[-4] for name in found.tensors() if ".lora_" in name}
    assert learned >= ({"q", "out", "c_fc"} if "attention" in fields.get("target_modules", []) else {"c_fc", "c_proj"})


def test_only_what_was_learned_is_kept(taste):
    names = set(taste.tensors())
    assert names == {name for name in names if ".lora_" in name} | {
        *("tokens.shared", "tokens.people", "scales", "slope", "zero_shot")
    }
    assert sum(value.size for value in taste.tensors().values()) < 6000
    assert taste.tensors()["tokens.people"].shape == (len(PEOPLE), 32)


def test_before_anything_is_learned_it_is_clip(world, eye):
    """Without steps worth the name and without a person, utilities are the cosine over the temperature, up to the slope."""
    slow = replace(ONCE, learning_rate=1e-12)
    found = fitted(world, eye, person="none", templates=["{}"], temperature=0.15, fit=slow)
    encoder, items = Encoder.load(eye), pictures(world)[:9]
    cosine = (encoder.images(items) @ encoder.texts(["smart"]).T)[:, 0]
    slope = found.tensors()["slope"][ATTRIBUTES.index("smart")]
    np.testing.assert_allclose(found.utilities(items, ["x"], "smart")[0], slope * cosine / 0.15, atol=1e-4)


def test_a_question_is_answered_by_clip_as_it_was_before_it_was_adapted(world, eye):
    found = fitted(world, eye, templates=["{}"])
    encoder, items = Encoder.load(eye), pictures(world)[:9]
    cosine = (encoder.images(items) @ encoder.texts(["friendly"]).T)[:, 0] / found.config.temperature
    assert not found.zero_shot.adapted
    assert found.zero_shot["clip"] > 0
    expected = np.tile(found.zero_shot["clip"] * cosine, (2, 1))
    asked = found.utilities(items, [PEOPLE[0], "a stranger"], "who is friendly?")
    np.testing.assert_allclose(asked, expected, rtol=1e-4, atol=1e-5)


def test_a_taste_of_version_0_1_0_answers_questions_as_it_did(world, eye):
    found = fitted(world, eye, person="text", blocks=1, zero_shot="adapted")
    assert "zero_shot" not in found.tensors()
    people, items = [*PEOPLE[:3], ""], pictures(world)[:5]
    answers = found.zero_shot_answers(items, people, "friendly")
    asked = found.utilities(items, people, "friendly")
    np.testing.assert_allclose(asked, answers.question + answers.question_own, rtol=1e-5)
    np.testing.assert_allclose(answers.question_own[-1], 0, atol=1e-6)
    trained = np.mean([found.utilities(items, people, name) for name in ATTRIBUTES], axis=0)
    np.testing.assert_allclose(answers.attributes + answers.attributes_own, trained, rtol=1e-5, atol=1e-6)


def test_the_same_image_twice_is_one_image(taste, world):
    items = pictures(world)[[0, 1, 0, 2, 1]]
    found = taste.utilities(items, PEOPLE[:2], "smart")
    np.testing.assert_array_equal(found[:, [0, 1]], found[:, [2, 4]])
    assert len(np.unique(found[0])) == 3


def test_a_name_can_be_said_in_other_words(world, eye):
    slow = replace(ONCE, learning_rate=1e-12)
    said = fitted(world, eye, texts={"smart": "wise"}, fit=slow, person="none", zero_shot="adapted")
    slopes = said.tensors()["slope"]
    words = said.utilities(pictures(world)[:5], ["x"], "wise") / np.exp(np.log(slopes).mean())
    np.testing.assert_allclose(said.utilities(pictures(world)[:5], ["x"], "smart") / slopes[1], words, atol=1e-4)


def test_other_base_weights_are_refused(taste):
    settings = taste.settings() | {"encoder": taste.settings()["encoder"] | {"size": 32}}
    with pytest.raises(TasteError, match=r"is for the encoder eye-random-.* but its settings name eye-random-"):
        lora.load(taste.info, taste.tensors(), settings)
    with pytest.raises(TasteError, match="is for the encoder another"):
        lora.load(replace(taste.info, encoder_id="another"), taste.tensors(), taste.settings())


def test_tensors_that_do_not_fit_are_refused(taste):
    tensors = dict(taste.tensors())
    with pytest.raises(TasteError, match=r"tokens\.people is \[3, 32\] where \[8, 32\] was expected"):
        lora.load(taste.info, tensors | {"tokens.people": np.zeros((3, 32), np.float32)}, taste.settings())
    del tensors["tokens.shared"]
    with pytest.raises(TasteError, match=r"tokens\.shared"):
        lora.load(taste.info, tensors, taste.settings())
    with pytest.raises(TasteError, match="can't be read"):
        lora.load(taste.info, taste.tensors(), {"r": 4})


def test_settings_and_tensors_of_version_0_1_0_can_be_read(eye):
    """It had its own names for peft's settings; text tokens are still stored under the name it gave them."""
    small = simulate(images=60, comparisons=600, ratings=200)
    taste = fitted(small, eye, person="text")
    assert {"said.shared", "said.people"} <= set(taste.tensors())
    old = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "targets"}
    settings = {old.get(name, name): value for name, value in taste.settings().items()}
    again = lora.load(taste.info, taste.tensors(), settings)
    assert again.config == taste.config
    np.testing.assert_array_equal(again.tensors()["said.people"], taste.tensors()["said.people"])


def test_items_that_are_no_pixels(taste, world, eye):
    for wrong in (np.zeros((2, 16), np.float32), np.zeros((2, 16, 16, 3), np.float32), np.zeros((2, 3, 16, 16), np.uint8)):
        with pytest.raises(EmbeddingError, match="pixels uint8"):
            taste.utilities(wrong, ["x"], "smart")
    settings = LoraConfig(encoder=eye, fit=ONCE)
    with pytest.raises(EmbeddingError, match=r"uint8 \[60, H, W, 3\]"):
        lora.fit(world.train, world.held_out, pictures(world)[:5], settings, encoder_id=eye.encoder_id())


def test_a_clip_joined_with_looks_is_refused(world, eye):
    joined = replace(eye, looks=True)
    with pytest.raises(TasteError, match=r"taste=lora adapts a CLIP, .*: leave encoder\.looks out"):
        lora.fit(world.train, world.held_out, pictures(world), LoraConfig(encoder=joined, fit=ONCE), encoder_id=joined.encoder_id())


def test_a_tower_of_another_kind_is_refused(world, tmp_path):
    path = tmp_path / "beholder-test-resnet.json"
    resnet = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
    path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": resnet, "text_cfg": TINY_CLIP["text_cfg"]}))
    other = EncoderConfig(name="resnet", model=str(path), weights="random", size=32, device="cpu")
    with pytest.raises(TasteError, match=r"can't adapt the vision tower of resnet: .*encoder=portraits, vit_b_32"):
        fitted(world, other)


@pytest.mark.parametrize("room", ["device", "host"])
@pytest.mark.parametrize("fields", [{"blocks": 1, "person": "image"}, {"blocks": 1, "person": "text"}, {"blocks": 0}])
def test_frozen_blocks_outputs_that_are_kept_change_nothing(world, eye, fields, room):
    """Kept on the device or beside it, or computed anew for every batch: the same fit."""
    anew = fitted(world, eye, cache_mib=0, fit=replace(ONCE, epochs=2), **fields)
    kept = fitted(world, eye, cache_mib=100, fit=replace(ONCE, epochs=2), **fields)
    for name, value in anew.tensors().items():
        np.testing.assert_allclose(kept.tensors()[name], value, atol=1e-5, rtol=1e-5)
    encoder, items = Encoder.load(eye), pictures(world)
    tower = lora.LoraNetwork(encoder, LoraConfig(encoder=eye, **fields), people=2, attributes=["smart"]).tower
    size = FeatureRoom(10**9, 0) if room == "device" else FeatureRoom(0, 10**9)
    features = FrozenFeatures(tower, encoder, items, room=size)
    assert features.where == room
    rows = torch.tensor([3, 59, 3, 0])
    torch.testing.assert_close(features(rows), tower.embed(encoder.prepared(items[rows.numpy()])), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("person", ["image", "text"])
@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_kept_outputs_in_bf16_go_with_any_precision_of_the_fit(world, eye, person, precision):
    """As on a GPU, where the encoder computes in bf16: what comes out is that of fp32 up to bf16's 8 bits."""
    options = {"person": person, "blocks": 1, "fit": replace(ONCE, epochs=1, precision=precision)}
    half = fitted(world, replace(eye, precision="bf16"), **options)
    whole = fitted(world, eye, **options)
    one, other = (np.concatenate([t.utilities(pictures(world), PEOPLE[:3], name) for name in ATTRIBUTES]) for t in (half, whole))
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98
    features = FrozenFeatures(half._network.tower, half._encoder, pictures(world), room=FeatureRoom(10**9, 0))
    assert features(torch.tensor([0])).dtype == torch.bfloat16


def test_a_taste_that_is_only_passed_on_loads_no_base_weights(taste, world, tmp_path):
    """The driver of a command gets a taste from a task and writes it: no encoder has to be there for that, and no GPU."""
    gone = replace(taste.config, encoder=replace(taste.config.encoder, model=str(tmp_path / "gone.json")))
    sent = pickle.loads(pickle.dumps(lora.Lora(taste.info, taste.tensors(), config=gone)))
    assert sent.info == taste.info
    np.testing.assert_array_equal(sent.tensors()["slope"], taste.tensors()["slope"])
    with pytest.raises(EncoderError, match=r"gone\.json"):
        sent.utilities(pictures(world)[:1], ["x"], "smart")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"r": 0}, "r must be at least 1"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": ["head"]}, "not head"),
        ({"person": "imege"}, "did you mean image"),
        ({"templates": ["a person"]}, "one {} each"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"person_dropout": 1.0}, "person_dropout"),
        ({"blocks": -1}, "blocks must be 0 or more"),
    ],
)
def test_settings_that_are_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        LoraConfig(**fields)


def test_more_blocks_than_there_are(world, eye):
    with pytest.raises(ConfigError, match="blocks=3: the vision tower of eye has 2"):
        fitted(world, eye, blocks=3)


@pytest.mark.parametrize("name", ["lora", "lora_published"])
def test_the_config_takes_the_commands_own_encoder(name):
    found: Any = config.load(
        kinds_settings(), command="train", overrides=[f"taste={name}", "encoder=vit_b_32", "encoder.weights=random"]
    )
    assert found.taste.kind == "lora"
    assert found.taste.lora.encoder == found.encoder
    assert found.encoder.model == "ViT-B-32"


def kinds_settings() -> type:
    from beholder.jobs.train import TrainSettings

    assert TasteConfig().kind == "bayes"
    return TrainSettings
