"""A surrogate is the same through a file, predicts an original exactly, and is refused for what it was not made for."""

import json
import struct

import numpy as np
import pytest
import torch
from support import surrogate_double as double
from support.surrogate_double import NAMES, ROWS, W_DIM, E

from beholder.editing.latent import Latent
from beholder.errors import EditError, StorageError, WeightsError
from beholder.recommending.surrogate.surrogate_model import SHIPPED, Surrogate, SurrogateInfo, add_figures, digest, find, place_of
from beholder.storage import Place
from beholder.workspace import Workspace

ALPHAS = np.array([[0, 0, 0], [1.5, 0, 0], [0, -1, 2]], np.float32)


@pytest.fixture
def known() -> Surrogate:
    return double.surrogate()


@pytest.fixture
def latent() -> Latent:
    return double.editor().generate([4])


def test_what_is_read_tells_what_was_written(known, latent, tmp_path):
    place = Place.at(tmp_path / "it.safetensors")
    known.save(place, card={"figures": {"error": 0.1}})
    again = Surrogate.load(place)
    assert again.info == known.info
    np.testing.assert_allclose(again.predict(latent, ALPHAS), known.predict(latent, ALPHAS), atol=5e-3)  # float16
    again.save(place, card={})
    np.testing.assert_array_equal(Surrogate.load(place).predict(latent, ALPHAS), again.predict(latent, ALPHAS))


def test_the_card_says_what_it_is_for_and_takes_figures(known, tmp_path):
    place = Place.at(tmp_path / "it.safetensors")
    known.save(place, card={"figures": {"error": 0.1}})
    add_figures(place, {"seconds": 0.2})
    card = json.loads((tmp_path / "it.json").read_text())
    assert card["name"] == "it"
    assert card["encoder_id"] == "colours"
    assert list(card["directions"]) == list(NAMES)
    assert card["figures"] == {"error": 0.1, "seconds": 0.2}


def test_rows_have_length_1_and_the_edit_of_nothing_gives_the_original(known, latent):
    original = np.eye(E, dtype=np.float32)[3]
    found = known.predict(latent, ALPHAS, original=original)
    assert found.shape == (3, E)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[0], original, atol=1e-6)
    assert np.abs(found[1] - original).max() > 0.01


def test_columns_may_come_in_any_order_and_unmoved_strangers_are_let_be(known, latent):
    found = known.predict(latent, np.array([[2, 7, -1]], np.float32), directions=("light", "smile", "hat"))
    np.testing.assert_array_equal(found, known.predict(latent, np.array([[7, -1, 2]], np.float32)))
    some = known.predict(latent, np.array([[0, 2]], np.float32), directions=("beard", "light"))
    np.testing.assert_array_equal(some, known.predict(latent, np.array([[0, 0, 2]], np.float32)))


def test_a_direction_it_never_learned_is_refused(known, latent):
    with pytest.raises(EditError, match="never learned direction smil; did you mean smile"):
        known.predict(latent, np.ones((1, 1), np.float32), directions=("smil",))


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 3, 1)])
def test_alphas_of_another_shape_are_refused(known, latent, shape):
    with pytest.raises(EditError, match=r"expected alphas \[C, 3\]"):
        known.predict(latent, np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(2, ROWS, W_DIM), (1, ROWS + 1, W_DIM), (1, ROWS, W_DIM - 1)])
def test_latents_of_another_shape_are_refused(known, shape):
    with pytest.raises(EditError, match=rf"expected one latent, w\+ of shape \[1, {ROWS}, {W_DIM}\]"):
        known.predict(Latent(torch.zeros(shape)), ALPHAS)


def test_it_fits_what_it_was_made_for_alone(known):
    known.check(double.info())
    with pytest.raises(WeightsError, match=r"is of generator tiny \(.*beholder build surrogate"):
        known.check(double.info(seed=5))
    with pytest.raises(WeightsError, match="is of encoder colours, not of shapes"):
        known.check(double.info("shapes"))


def test_a_direction_that_is_new_or_has_changed_is_noticed(known):
    told = double.info()
    new, fewer = {**told.directions, "beard": "0"}, {"hat": told.directions["hat"]}
    changed = {**told.directions, "smile": digest(double.directions(turned=0.01)["smile"])}
    known.check(SurrogateInfo(told.fingerprint, "tiny", "colours", fewer))
    with pytest.raises(WeightsError, match="direction beard is new to this surrogate"):
        known.check(SurrogateInfo(told.fingerprint, "tiny", "colours", new))
    with pytest.raises(WeightsError, match="direction smile has changed since"):
        known.check(SurrogateInfo(told.fingerprint, "tiny", "colours", changed))


def test_a_workspace_s_own_is_found_and_no_other(known, tmp_path):
    workspace = Workspace(str(tmp_path))
    with pytest.raises(WeightsError, match="no surrogate of generator tiny and encoder colours; `beholder build surrogate gen"):
        find(double.info(), workspace)
    known.save(place_of(double.info(), workspace), card={})
    assert find(double.info(), workspace).info == known.info
    with pytest.raises(WeightsError, match="is of generator tiny"):
        find(double.info(seed=5), workspace)  # another generator that took the name


def _written(known: Surrogate, tmp_path) -> bytes:
    known.save(Place.at(tmp_path / "it.safetensors"), card={})
    return (tmp_path / "it.safetensors").read_bytes()


def _header(data: bytes, change) -> bytes:
    """The file with its header changed."""
    size = int.from_bytes(data[:8], "little")
    told = json.loads(data[8 : 8 + size])
    change(told)
    head = json.dumps(told).encode()
    return struct.pack("<Q", len(head)) + head + data[8 + size :]


def _sizes(**changed):
    def change(told):
        told["__metadata__"]["sizes"] = json.dumps(json.loads(told["__metadata__"]["sizes"]) | changed)

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"no file of weights",
        lambda data: data[: len(data) // 2],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: _header(data, lambda told: told.pop("__metadata__")),
        lambda data: _header(data, lambda told: told["__metadata__"].update(about="{}")),
        lambda data: _header(data, lambda told: told["__metadata__"].update(sizes="[1]")),
        lambda data: _header(data, _sizes(width=17)),
        lambda data: _header(data, _sizes(width=10**12)),
        lambda data: _header(data, _sizes(blocks=10**9)),
        lambda data: _header(data, _sizes(parts="8")),
    ],
)
def test_a_file_that_is_no_surrogate_is_refused(known, tmp_path, spoil):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(spoil(_written(known, tmp_path)))
    with pytest.raises(WeightsError, match="is not a surrogate"):
        Surrogate.load(Place.at(bad))


def test_weights_that_are_no_numbers_are_refused(known, tmp_path):
    known.network.leave.bias[0] = float("nan")
    _written(known, tmp_path)
    with pytest.raises(WeightsError, match=r"leave.bias has values that are not finite numbers"):
        Surrogate.load(Place.at(tmp_path / "it.safetensors"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"none\.safetensors"):
        Surrogate.load(Place.at(tmp_path / "none.safetensors"))


def test_the_shipped_one_fits_the_shipped_generator_and_is_small(known, tmp_path):
    from beholder import weights
    from beholder.config import load
    from beholder.editing.stylegan import StyleGAN
    from beholder.jobs import build_surrogate

    encoder = load(build_surrogate.BuildSurrogateSettings, command="build surrogate").encoder
    info, workspace = (
        SurrogateInfo.of(StyleGAN.load(), generator="portraits", encoder_id=encoder.encoder_id()),
        Workspace(str(tmp_path)),
    )
    found = find(info, workspace)
    assert len(found.directions) == 19
    known.save(place_of(info, workspace), card={})  # of a generator that shipped before
    assert find(info, workspace).info == found.info
    assert weights.shipped(SHIPPED).stat().st_size < 3_000_000
