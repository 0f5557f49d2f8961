"""The critic: verdicts beside typical faces are differences of the taste's own utilities, whatever the taste takes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.partial_doubles import PartialTaste

from beholder import images, tables
from beholder.errors import ImageError, TasteError
from beholder.images import Fit, ImageLimits
from beholder.recommending.image_scoring import ImageScorer
from beholder.taste.contract import Normal, TasteInfo
from beholder.taste.image_effects import EffectEstimate

DICE = np.random.default_rng(0)
TYPICAL = DICE.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
PICTURES = [np.full((8, 8, 3), value, np.uint8) for value in (250, 10)]


class Colours:
    """An encoder of colours, to which every word is bright."""

    config = SimpleNamespace(resolved=lambda: SimpleNamespace(fit=Fit(8)), clip_share=1.0)

    def images(self, pixels):
        return (pixels.mean(axis=(1, 2)) / 255).astype(np.float32)

    def texts(self, texts):
        return np.ones((len(texts), 3), np.float32)


class Bright(PartialTaste):
    """A taste for brightness, which grows with the person's name, and knows its doubt where it takes embeddings."""

    def __init__(self, kind="bright", takes="embeddings", attributes=("attractive", "smart")):
        self.info = TasteInfo(kind, "colours", attributes, ("ana",), takes)

    def utilities(self, items, user_ids, attribute):
        light = items.mean(axis=tuple(range(1, items.ndim))) * (3 if self.info.takes == "embeddings" else 3 / 255)
        return np.stack([light * len(user_id) for user_id in user_ids]).astype(np.float32)

    def differences(self, left, right, user_id, attribute):
        gap = self.utilities(left, [user_id], attribute)[0] - self.utilities(right, [user_id], attribute)[0]
        return Normal(gap, np.full(len(gap), 0.25 if self.info.takes == "embeddings" else 0.0, np.float32))


def critic(**tastes):
    asked: list[int] = []

    def typical():
        asked.append(1)
        return TYPICAL

    colours: Any = Colours()
    ours: Any = ImageScorer(colours, tastes, typical)
    ours.asked = asked
    return ours


@pytest.mark.parametrize("takes", ["embeddings", "pixels"])
def test_a_verdict_is_beside_typical_faces(takes):
    ours = critic(mine=Bright(takes=takes))
    bright, dark = ours.score(PICTURES, "ana", attribute="smart")
    usual = 3 * 3 * TYPICAL.mean() / 255
    assert bright.utility == pytest.approx(3 * 3 * 250 / 255 - usual, abs=1e-4)
    assert dark.utility == pytest.approx(3 * 3 * 10 / 255 - usual, abs=1e-4)
    assert bright.uncertainty == (pytest.approx(0.5) if takes == "embeddings" else None)
    assert dark.probability < 0.5 < bright.probability < 1
    ours.score(PICTURES, "ana", attribute="smart")
    assert len(ours.asked) == 1  # typical faces are drawn once


def test_the_first_taste_that_knows_an_attribute_answers():
    ours = critic(one=Bright(attributes=("smart",)), two=Bright(attributes=("attractive", "smart")))
    assert ours.taste_for(attribute="smart") == "one"
    assert ours.taste_for(attribute="attractive") == "two"
    with pytest.raises(TasteError, match="no taste was fitted to the attribute 'smrt'; did you mean smart"):
        ours.score(PICTURES, "ana", attribute="smrt")
    with pytest.raises(TasteError, match="ask a question in words instead"):
        critic().score(PICTURES, "ana", attribute="smart")


def test_words_go_to_a_taste_that_takes_them_or_to_the_encoder_as_it_is():
    assert critic(one=Bright(), two=Bright(kind="lora", takes="pixels")).taste_for(question="looks friendly") == "two"
    ours = critic(one=Bright())
    assert ours.taste_for(question="who looks friendly?") == "clip"
    bright, dark = ours.score(PICTURES, "ana", question="bright")
    unit = np.ones(3) / np.sqrt(3)
    expected = (Colours().images(np.stack(PICTURES)) @ unit - (Colours().images(TYPICAL) @ unit).mean()) / 0.15
    assert [bright.utility, dark.utility] == pytest.approx(expected.tolist(), rel=1e-4)
    assert bright.uncertainty is None
    with pytest.raises(TasteError, match="expected a question in words"):
        ours.score(PICTURES, "ana", question="who?")


class Effects:
    """What others said of images: of one, by everybody but `bo`, who said it."""

    def of(self, image_ids, attribute, taste, user_id=""):
        assert taste.info.kind == "bright"
        mean = np.array([2.0 if (image_id, attribute) == ("known", "smart") and user_id != "bo" else 0.0 for image_id in image_ids])
        return EffectEstimate(mean, np.ones(len(mean)), (mean > 0).astype(int))


def test_what_others_said_of_an_image_counts_by_its_id_or_its_file():
    rows = [
        {"image_id": "known", "uri": "a", "sha256": images.digest(b"one file")},
        {"image_id": "unread", "uri": "b"},
    ]
    colours: Any = Colours()
    effects: Any = {"mine": Effects()}
    known_images = pa.Table.from_pylist(rows, schema=tables.IMAGES)
    ours = ImageScorer(colours, {"mine": Bright()}, lambda: TYPICAL, effects=effects, known_images=lambda: known_images)
    assert ours.image_ids([b"one file", b"another", "seed-7"]) == ["known", "", "seed-7"]
    assert critic(mine=Bright()).image_ids([b"one file", "seed-7"]) == ["", "seed-7"]
    for user_id, more in (("ana", 2.0), ("bo", 0.0)):
        cold = ours.score(PICTURES, user_id, attribute="smart")
        warm = ours.score(PICTURES, user_id, attribute="smart", image_ids=["known", ""])
        assert [one.utility - other.utility for one, other in zip(warm, cold, strict=True)] == pytest.approx([more, 0.0])
    assert ours.score(PICTURES, "ana", attribute="attractive", image_ids=["known", ""]) == ours.score(
        PICTURES, "ana", attribute="attractive"
    )


def test_pictures_of_any_size_are_seen():
    ours = critic(mine=Bright())
    large = [np.full((40, 20, 3), 250, np.uint8), PICTURES[1]]
    assert ours.score(large, "ana", attribute="smart")[0].utility == pytest.approx(
        ours.score(PICTURES, "ana", attribute="smart")[0].utility, abs=1e-4
    )


def test_files_are_decoded_within_limits():
    ours, limits = critic(), ImageLimits(max_pixels=1000)
    files = [images.encode(np.full((20, 30, 3), value, np.uint8)) for value in (0, 255)]
    assert [each.shape for each in ours.decode(files, limits)] == [(8, 8, 3), (8, 8, 3)]
    with pytest.raises(ImageError, match="over the limit"):
        ours.decode([images.encode(np.zeros((40, 40, 3), np.uint8))], limits)
