"""A dataset is what it says, drawn once; a network learns it, and a stopped training ends where an undisturbed one does."""

import numpy as np
import pytest
from support import surrogate_double as double
from support.surrogate_double import NAMES, ROWS, W_DIM, Colours

from beholder.editing.latent import Latent
from beholder.errors import ConfigError, WeightsError
from beholder.recommending import edit_features
from beholder.recommending.surrogate.surrogate_dataset import SurrogateDataset, SurrogateDatasetConfig, open_dataset, random_alphas
from beholder.recommending.surrogate.surrogate_training import SurrogateTrainingConfig, fit
from beholder.storage import Place

CONFIG = SurrogateDatasetConfig(bfloat16=False, inverted=0)
SMALL = SurrogateTrainingConfig(parts=16, width=32, blocks=1, epochs=12, batch=32)


class Counting(Colours):
    """An encoder that counts pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def images(self, pixels):
        self.seen += len(pixels)
        return super().images(pixels)


class Stopped(Exception):
    """By somebody."""


def dataset(folder, count: int, encoder=None) -> SurrogateDataset:
    return open_dataset(Place.at(folder), double.editor(), encoder or Colours(), CONFIG, samples=count, made_for="tiny colours")


def test_a_sample_is_a_latent_an_edit_and_the_picture_s_embedding(tmp_path):
    found, editor = dataset(tmp_path, 20), double.editor()
    assert found.directions == NAMES
    assert len(found) == 20
    for row in (0, 7, 19):
        edit = {name: float(alpha) for name, alpha in zip(NAMES, found.alphas[row], strict=True) if alpha}
        latent = Latent(editor.generate([0]).ws.new_tensor(found.ws[row : row + 1]))
        drawn = edit_features.draw(editor, Colours(), latent, [edit])
        np.testing.assert_allclose(found.embeddings[row], drawn.embeddings[0], atol=0.03)  # latents are kept in float16


def test_samples_are_drawn_once_and_more_of_them_share_what_is_there(tmp_path):
    encoder = Counting()
    counts: list[int] = []
    first = dataset(tmp_path, 200, encoder)
    more = open_dataset(
        Place.at(tmp_path), double.editor(), encoder, CONFIG, samples=230, made_for="tiny colours", progress=counts.append
    )
    assert encoder.seen == 230
    assert counts == [200, 30]
    np.testing.assert_array_equal(more.ws[:200], first.ws)
    dataset(tmp_path, 230, encoder)
    assert encoder.seen == 230
    open_dataset(Place.at(tmp_path), double.editor(), encoder, CONFIG, samples=10, made_for="another")
    assert encoder.seen == 240


def test_edits_spread_over_ranges_and_move_one_direction_or_two():
    ranges = [(-3.0, 3.0), (-1.0, 2.0), (0.0, 1.0)]
    found = random_alphas(ranges, 2000, originals=0.1, rng=np.random.default_rng(0))
    moves = (found != 0).sum(axis=1)
    assert set(moves) == {0, 1, 2}
    assert abs((moves == 0).mean() - 0.1) < 0.03
    assert (found.min(axis=0) >= [-3, -1, 0]).all()
    assert (found.max(axis=0) > [2.9, 1.9, 0.95]).all()


def invented(count: int) -> SurrogateDataset:
    """Samples whose embeddings are a known function of the edited w+, and of how far `light` goes, which is no move in w+."""
    rng = np.random.default_rng(3)
    ws = rng.normal(size=(count, ROWS, W_DIM)).astype(np.float32)
    alphas = random_alphas([each.range for each in double.directions().values()], count, originals=0.1, rng=rng)
    moved = ws.copy()
    for column, each in enumerate(double.directions().values()):
        if each.space != "s":
            moved[:, slice(*each.layers)] += alphas[:, column, None, None] * each.step.numpy().astype(np.float32)
    found = moved.reshape(count, -1)[:, :12] + 0.5 + alphas[:, 2:] * np.linspace(-1, 1, 12)
    return SurrogateDataset(NAMES, ws, alphas, (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32))


def test_the_network_learns_what_can_be_learned():
    config = SurrogateTrainingConfig(parts=48, width=32, blocks=1, epochs=10, batch=32, weight_decay=0.01)
    found, figures = fit(double.editor(), double.info(), invented(1200), config)
    assert figures["error"] < 0.1
    assert figures["cosine"] > 0.95
    assert found.directions == NAMES


def test_a_stopped_training_ends_where_an_undisturbed_one_does(tmp_path):
    some, editor = invented(100), double.editor()
    whole, figures = fit(editor, double.info(), some, SMALL)

    def stop(epoch, epochs):
        if epoch == 8:
            raise Stopped

    keep, epochs_done = Place.at(tmp_path / "kept"), []
    with pytest.raises(Stopped):
        fit(editor, double.info(), some, SMALL, checkpoints=keep, progress=stop)
    again, same = fit(
        editor, double.info(), some, SMALL, checkpoints=keep, progress=lambda epoch, epochs: epochs_done.append(epoch)
    )
    assert epochs_done == list(range(6, 13))  # from the last checkpoint
    assert same == figures
    latent = editor.generate([1])
    np.testing.assert_array_equal(again.predict(latent, some.alphas), whole.predict(latent, some.alphas))
    assert not list((tmp_path / "kept").iterdir())


def test_a_broken_training_is_refused(tmp_path):
    some, editor, keep = invented(100), double.editor(), tmp_path / "kept"

    def spoil(epoch, epochs):
        if epoch == 6:
            next(keep.iterdir()).write_bytes(b"nothing")
            raise Stopped

    with pytest.raises(Stopped):
        fit(editor, double.info(), some, SMALL, checkpoints=Place.at(keep), progress=spoil)
    with pytest.raises(WeightsError, match=r"no checkpoint to go on from .*delete it"):
        fit(editor, double.info(), some, SMALL, checkpoints=Place.at(keep))


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (SurrogateDatasetConfig, {"batch": 0}),
        (SurrogateDatasetConfig, {"inverted": 1.5}),
        (SurrogateDatasetConfig, {"originals": -0.1}),
        (SurrogateTrainingConfig, {"epochs": 0}),
        (SurrogateTrainingConfig, {"held_out": 1.0}),
        (SurrogateTrainingConfig, {"learning_rate": 0.0}),
        (SurrogateTrainingConfig, {"whitening": 0.0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config(**wrong)
