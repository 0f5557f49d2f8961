"""encoder: the same vectors as open_clip's own preprocessing and model; weights that are safe or refused."""

import io
import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from beholder import config, images
from beholder.editing.looks.full_size import linear_of
from beholder.embedding.embeddings import Embeddings
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError, EncoderError, ImageError


@dataclass(frozen=True)
class Settings:
    encoder: EncoderConfig = config.setting(EncoderConfig(), "which CLIP")


def choice(name: str, **fields) -> EncoderConfig:
    """configs/encoder/<name>.yaml."""
    return replace(config.load(Settings, command="embed", overrides=[f"encoder={name}"]).encoder, **fields)


def small(model: str, **fields: Any) -> EncoderConfig:
    given: dict[str, Any] = {"name": "small", "model": model, "weights": "random", "size": 64, "device": "cpu"}
    return EncoderConfig(**given | fields)


@pytest.fixture(scope="session")
def small_encoder(small_clip) -> Encoder:
    return Encoder.load(small(small_clip))


def built(name: str, **options):
    """open_clip's own model with random weights of seed 0, and its own transform."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(name, pretrained=None, pretrained_text=False, **options)
    return model.eval()


def photographs(request, count: int) -> list[bytes]:
    """Real images where they are there, else drawn ones, of many shapes and kinds."""
    try:
        folder = request.getfixturevalue("omi") / "images"
    except pytest.skip.Exception:
        scene, saved = request.getfixturevalue("scene"), request.getfixturevalue("saved")
        return [saved(scene(200 + 30 * n, 330 - 20 * n, n), "JPEG" if n % 2 else "PNG") for n in range(count)]
    return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:count]]


# ---- agreement with open_clip


@pytest.mark.parametrize("name", ["vit_b_32", "vit_b_16", "vit_l_14", "siglip2_b_16"])
def test_preprocessing_is_open_clips(request, scene, saved, name):
    """Pixels as the tower gets them, against open_clip's transform with what open_clip says of the model."""
    import open_clip
    from open_clip.transform import image_transform

    ours = choice(name)
    tags = open_clip.list_pretrained_tags_by_model(ours.model)
    theirs = open_clip.get_pretrained_cfg(ours.model, "openai" if "openai" in tags else "webli")
    transform = image_transform(
        open_clip.get_model_config(ours.model)["vision_cfg"]["image_size"],
        is_train=False,
        mean=theirs.get("mean"),
        std=theirs.get("std"),
        resize_mode=theirs.get("resize_mode"),
        interpolation=theirs.get("interpolation"),
    )
    drawn = [saved(scene(*size)) for size in ((300, 200), (90, 130), (224, 224), (500, 40))]
    for data in [*photographs(request, 3), *drawn]:
        expected = transform(Image.open(io.BytesIO(data))).numpy()
        levels = 255 * (expected * np.reshape(ours.std, (3, 1, 1)) + np.reshape(ours.mean, (3, 1, 1)))
        difference = np.abs(images.decode_fit(data, ours.fit).transpose(2, 0, 1) - levels)
        assert difference.shape == expected.shape
        assert difference.max() < 2.01
        assert difference.mean() < 0.05


def test_images_and_texts_are_open_clips(request):
    """ViT-B-32 with the same random weights, built twice."""
    import open_clip
    from open_clip.transform import image_transform

    data = photographs(request, 2)
    encoder = Encoder.load(choice("vit_b_32", weights="random", device="cpu"))
    found = encoder.images([images.decode(item) for item in data])
    words = ["a smiling face", "somebody trustworthy"]
    said = encoder.texts(words)
    del encoder
    reference = built("ViT-B-32")
    with torch.inference_mode():
        transform = image_transform(224, is_train=False, mean=None, std=None)
        pixels = torch.stack([transform(Image.open(io.BytesIO(item))) for item in data])
        expected = reference.encode_image(pixels, normalize=True).numpy()
        expected_said = reference.encode_text(open_clip.get_tokenizer("ViT-B-32")(words), normalize=True).numpy()
    assert found.dtype == np.float32
    assert found.shape == (2, 512)
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(said - expected_said).max() < 1e-4


def test_the_way_of_jobs_and_of_serving_are_one(small_encoder, scene, saved):
    """Cut to size beforehand, or handed over whole: the same vector."""
    data = [saved(scene(90, 70, n)) for n in range(3)]
    cut = np.stack([images.decode_fit(item, small_encoder.config.fit) for item in data])
    whole = [images.decode(item) for item in data]
    np.testing.assert_array_equal(small_encoder.images(cut), small_encoder.images(whole))


def test_a_compiled_tower_gives_the_same_vectors(small_clip, small_encoder, scene):
    """By the backend that only traces, which needs no compiler of C++."""
    pixels = np.stack([scene(64, 64, number) for number in range(5)])
    compiled = Encoder.load(small(small_clip, compile="eager", batch_size=4))
    np.testing.assert_allclose(compiled.images(pixels), small_encoder.images(pixels), atol=1e-5)
    with pytest.raises(EncoderError, match=r"encoder\.compile=inductro can't be had: .*inductro"):
        Encoder.load(small(small_clip, compile="inductro")).images(pixels)


# ---- a memory that is too small


class SmallMemory:
    """A model in front of another one, that takes so many images at a time."""

    def __init__(self, model: Any, room: int):
        self.model, self.room, self.visual = model, room, model.visual
        self.tried: list[int] = []

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        return self.model.encode_image(x)


def test_a_batch_that_does_not_fit_is_halved(small_clip, scene, caplog):
    encoder = Encoder.load(small(small_clip, batch_size=8))
    pixels = np.stack([scene(64, 64, number) for number in range(9)])
    expected = encoder.images(pixels)
    torch.set_num_threads(1)
    encoder.model = model = SmallMemory(encoder.model, 3)
    np.testing.assert_allclose(encoder.images(pixels), expected, atol=1e-6)
    assert max(model.tried[-5:]) == encoder.batch_size == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the memory of cpu is too small: going on with batches of 4 images",
        "the memory of cpu is too small: going on with batches of 2 images",
    ]
    encoder.model.room = 0
    with pytest.raises(EncoderError, match="one image does not fit into the memory of cpu"):
        encoder.images(pixels)


# ---- what comes out


def test_rows_have_length_1(small_encoder, scene):
    found = small_encoder.images(scene(64, 64)[None])
    assert (found.shape, found.dtype) == ((1, 32), np.float32)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5
    assert np.abs(np.linalg.norm(small_encoder.texts(["x"]), axis=1) - 1).max() < 1e-5


def test_batches_make_no_difference(small_clip, small_encoder, scene):
    pixels = np.stack([scene(64, 64, n) for n in range(7)])
    one_by_one = Encoder.load(small(small_clip, batch_size=1)).images(pixels)
    assert np.abs(one_by_one - small_encoder.images(pixels)).max() < 1e-5
    assert len({tuple(row.round(3)) for row in one_by_one}) == 7
    Embeddings([str(n) for n in range(7)], one_by_one)


def test_random_weights_are_always_the_same(small_clip, small_encoder, scene):
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = Encoder.load(small(small_clip)).images(scene(64, 64)[None])
    assert (again == small_encoder.images(scene(64, 64)[None])).all()
    assert (torch.random.get_rng_state() == before).all()


def test_bf16_is_close(small_clip, small_encoder, scene):
    found = Encoder.load(small(small_clip, precision="bf16")).images(scene(64, 64)[None])
    assert found.dtype == np.float32
    assert (found * small_encoder.images(scene(64, 64)[None])).sum() > 0.99


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 64, 64, 3), np.uint8),
        [],
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((1, 3, 64, 64), np.uint8),
        [np.zeros((64, 64), np.uint8)],
    ],
)
def test_pixels_of_another_kind(small_encoder, pixels):
    with pytest.raises(ImageError, match="expected"):
        small_encoder.images(pixels)


def test_no_texts(small_encoder):
    with pytest.raises(EncoderError, match="expected at least one text, got none"):
        small_encoder.texts([])


# ---- weights


@pytest.fixture(scope="session")
def state(small_clip) -> dict:
    """Weights of the small CLIP that are not those of seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return {name: value + 0.01 * torch.randn_like(value.float()) for name, value in built(small_clip).state_dict().items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
def test_weights_from_a_file(small_clip, small_encoder, state, scene, tmp_path, suffix):
    from safetensors.torch import save_file

    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    pixels = np.stack([scene(64, 64, n) for n in range(2)])
    found = Encoder.load(small(small_clip, weights=str(path))).images(pixels)
    reference = built(small_clip)
    reference.load_state_dict(state)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (EncoderConfig().mean, EncoderConfig().std))
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        expected = reference.encode_image((x - mean) / std, normalize=True).numpy()
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(found - small_encoder.images(pixels)).max() > 1e-3


def refused(encoder: EncoderConfig) -> str:
    with pytest.raises(EncoderError) as caught:
        Encoder.load(encoder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_hostile_torch_file_is_refused_and_not_run(small_clip, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": Hostile()}, tmp_path / "new.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"visual.proj": Hostile()}, 2))
    for name in ("new.pt", "old.pt"):
        assert f"{name} can't be loaded into {small_clip}" in refused(small(small_clip, weights=str(tmp_path / name)))
        assert not (tmp_path / "ran").exists()


def test_weights_of_another_shape(small_clip, state, tmp_path):
    from safetensors.torch import save_file

    save_file({**state, "visual.proj": torch.zeros(64, 8)}, tmp_path / "x.safetensors")
    assert "x.safetensors can't be loaded into" in refused(small(small_clip, weights=str(tmp_path / "x.safetensors")))
    save_file({"something": torch.zeros(3)}, tmp_path / "y.safetensors")
    assert "y.safetensors can't be loaded into" in refused(small(small_clip, weights=str(tmp_path / "y.safetensors")))


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.bin"])
@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04"])
def test_a_file_that_holds_no_weights(small_clip, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert f"{name} can't be loaded into" in refused(small(small_clip, weights=str(tmp_path / name)))


def test_no_weights_names_the_two_ways_to_give_them():
    assert refused(choice("vit_b_32")) == (
        "encoder vit_b_32 has no weights: give encoder.weights=<tag> (a pretrained tag of ViT-B-32, "
        "downloaded by open_clip) or encoder.weights=<file> (a local .safetensors, .pt or .bin)"
    )


def test_an_unknown_tag_names_the_nearest():
    assert refused(choice("vit_b_32", weights="laion2b_s34b_b79")) == (
        "encoder.weights=laion2b_s34b_b79 is neither a file nor a pretrained tag of ViT-B-32; did you mean laion2b_s34b_b79k?"
    )


@pytest.mark.parametrize("weights", ["none.pt", "folder/none", "/x/y.safetensors"])
def test_a_missing_file(weights):
    assert refused(choice("vit_b_32", weights=weights)) == f"encoder.weights={weights}: there is no such file"


def test_an_unknown_architecture():
    assert "ViT-B-33" in refused(EncoderConfig(name="x", model="ViT-B-33", weights="random"))


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there(small_clip, device):
    assert device in refused(small(small_clip, device=device))


def test_fetching_what_is_there_fetches_nothing(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"x")
    fetch(choice("vit_b_32", weights=str(tmp_path / "x.pt")))
    fetch(choice("vit_b_32", weights="random"))


# ---- joined with the descriptor of looks


@pytest.mark.parametrize("size", [48, 64])
def test_a_joined_embedding_is_the_clips_and_the_descriptors_side_by_side(small_clip, scene, size):
    """Of squares each alone sees the same; at 48 pixels the descriptor sees the very same, else they are scaled again."""
    pixels = np.stack([scene(size, size, number) for number in range(3)])
    found = Encoder.load(small(small_clip, size=size, looks=True, looks_weight=0.8)).images(pixels)
    clip = Encoder.load(small(small_clip, size=size)).images(pixels)
    looks = Encoder.load(EncoderConfig(name="looks", model="looks", size=48, resize="squash", interpolation="bilinear"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :32], 0.2**0.5 * clip, atol=1e-6)
    np.testing.assert_allclose(found[:, 32:], 0.8**0.5 * looks.images(pixels), atol=1e-6 if size == 48 else 2e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_joined_embedding_depends_on_no_batch_and_no_chance(small_clip, scene):
    pixels = np.stack([scene(64, 64, number) for number in range(7)])
    config = small(small_clip, looks=True)
    whole = Encoder.load(config).images(pixels)
    np.testing.assert_allclose(Encoder.load(replace(config, batch_size=1)).images(pixels), whole, atol=1e-5)
    np.testing.assert_array_equal(Encoder.load(config).images(pixels), whole)
    bf16 = Encoder.load(replace(config, precision="bf16")).images(pixels)
    np.testing.assert_array_equal(bf16[:, 32:], whole[:, 32:])  # looks are never computed in less
    assert (bf16 * whole).sum(axis=1).min() > 0.99


def test_a_joined_encoder_sees_a_whole_photo(small_clip, scene):
    """Also what a CLIP by itself cuts away, its left and right: squashed, by jobs beforehand or by the encoder."""
    joined, alone = Encoder.load(small(small_clip, looks=True)), Encoder.load(small(small_clip))
    photo = np.concatenate([scene(64, 64, 1), scene(64, 64, 2)], axis=1)
    dark = photo.copy()
    dark[:, :30] = 0
    dark[:, -30:] = 0
    np.testing.assert_array_equal(alone.images([photo]), alone.images([dark]))
    assert np.abs(joined.images([photo]) - joined.images([dark])).max() > 0.01
    cut = images.fit_pixels(photo, joined.config.fit)[None]
    np.testing.assert_array_equal(joined.images(cut), joined.images([photo]))
    squashing = Encoder.load(small(small_clip, resize="squash"))
    np.testing.assert_allclose(joined.images([photo])[:, :32], joined.config.clip_share * squashing.images([photo]), atol=1e-6)


def test_words_speak_of_the_clips_part_of_a_joined_embedding(small_clip, scene):
    joined, alone = Encoder.load(small(small_clip, looks=True)), Encoder.load(small(small_clip))
    pixels, words = np.stack([scene(64, 64, number) for number in range(3)]), ["a sunny day", "a rainy night"]
    texts = joined.texts(words)
    np.testing.assert_array_equal(texts[:, 32:], 0)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)
    cosines = joined.images(pixels) @ texts.T / joined.config.clip_share
    np.testing.assert_allclose(cosines, alone.images(pixels) @ alone.texts(words).T, atol=1e-5)
    assert alone.config.clip_share == 1


def test_pictures_in_linear_light_are_embedded_by_the_clip_as_their_pixels_are(small_clip, scene):
    joined, alone = Encoder.load(small(small_clip, looks=True)), Encoder.load(small(small_clip))
    pixels = scene(64, 64, 2)
    np.testing.assert_allclose(joined.clip_of_light(linear_of(pixels)).numpy(), alone.images(pixels[None]), atol=1e-5)


def test_the_id_of_a_clip_is_another_only_where_it_is_joined(small_clip):
    alone = choice("vit_b_32", weights="random")
    assert alone.encoder_id() == "vit_b_32-random-5171cd10"  # as embeddings of earlier versions are stored
    assert replace(alone, looks_weight=0.3, looks_by="each").encoder_id() == alone.encoder_id()
    joined = replace(alone, looks=True)
    assert joined.encoder_id().startswith("vit_b_32_looks-random-")
    assert replace(joined, looks_weight=0.3).encoder_id() != joined.encoder_id()
    same: list[dict[str, Any]] = [{"looks_by": "each"}, {"resize": "squash"}]  # the vectors are the same
    assert {replace(joined, **fields).encoder_id() for fields in same} == {joined.encoder_id()}


def test_a_joined_encoder_is_asked_for_by_settings():
    words = ["encoder=vit_b_32", "encoder.weights=random", "encoder.looks=true", "encoder.looks_weight=0.9"]
    found = config.load(Settings, command="embed", overrides=words).encoder
    assert (found.model, found.looks, found.looks_weight, found.fit.resize) == ("ViT-B-32", True, 0.9, "squash")
    with pytest.raises(ConfigError, match="encoder=looks is the descriptor alone: give a CLIP"):
        config.load(Settings, command="embed", overrides=["encoder=looks", "encoder.looks=true"])


# ---- settings and names


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"precision": "fp8"}, r"encoder\.precision must be"),
        ({"batch_size": -1}, r"encoder\.batch_size must be 0 or more, got -1"),
        ({"mean": [0.5]}, "three numbers each"),
        ({"std": [1.0, 1.0, 0.0]}, "std above 0"),
        ({"size": 0}, "size must be at least 1"),
        ({"resize": "fill"}, "shortest or squash"),
        ({"looks_weight": 1.0}, r"encoder\.looks_weight must be between 0 and 1, got 1\.0"),
        ({"looks_by": "all"}, r"encoder\.looks_by must be grid, each or photo, got 'all'"),
    ],
)
def test_settings_that_are_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        EncoderConfig(**fields)


def test_a_tag_brings_its_own_preprocessing():
    openai = choice("vit_b_32", weights="openai").resolved()
    assert openai.quick_gelu
    webli = choice("siglip2_b_16", weights="webli", resize="shortest", mean=[0.1, 0.2, 0.3]).resolved()
    assert (webli.resize, webli.mean, webli.std) == ("squash", [0.5] * 3, [0.5] * 3)


def test_the_id_tells_model_weights_and_preprocessing(tmp_path):
    base = choice("vit_b_32", weights="random")
    assert base.encoder_id().startswith("vit_b_32-random-")
    changed: list[dict[str, Any]] = [
        {"size": 256},
        {"resize": "squash"},
        {"interpolation": "bilinear"},
        {"mean": [0.5] * 3},
        {"model": "ViT-B-16"},
    ]
    ids = [choice("vit_b_32", **{"weights": "random"} | fields).encoder_id() for fields in changed]
    assert len({base.encoder_id(), *ids}) == 6
    same: list[dict[str, Any]] = [{"device": "cpu"}, {"batch_size": 3}, {"precision": "bf16"}]
    assert {choice("vit_b_32", weights="random", **fields).encoder_id() for fields in same} == {base.encoder_id()}


def test_the_id_of_a_file_is_of_its_content_not_its_place(tmp_path):
    names = []
    for folder, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my weights.pt").write_bytes(data)
        names.append(choice("vit_b_32", weights=str(tmp_path / folder / "my weights.pt")).encoder_id())
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("vit_b_32-my_weights-")
