"""The shipped feature networks are held to their figures on a few portraits, and the sheet shows every kind of detail."""

import pytest
import torch

from beholder.editing import pretrained
from beholder.editing.features.feature_networks import CompactFeatureNetworks
from beholder.editing.generator import to_rgb
from beholder.portraits import overlays, traits
from beholder.portraits.feature_evaluation import KeptPortraits, detail_sheet, detailed_portraits, measure_slider
from beholder.portraits.renderer import draw
from beholder.portraits.trait_directions import score_map


@pytest.fixture(scope="module")
def shipped() -> CompactFeatureNetworks:
    found = pretrained.features(pretrained.generator())
    assert found is not None
    return found


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().mean() / 2)


def test_shipped_networks_keep_detail_and_carry_it_through_an_edit(shipped: CompactFeatureNetworks) -> None:
    generator, directions = pretrained.generator(), pretrained.directions()
    seen = detailed_portraits(generator, count=4, seed=91, kinds=(*overlays.KINDS, *overlays.UNSEEN))
    kept = KeptPortraits(generator, pretrained.inverter(), shipped, directions, seen.images, steps=10)
    assert far(kept.with_detail({}), seen.images) <= min(0.02, 0.5 * far(kept.in_w({}), seen.images))
    edit = {"hat": 2.0}
    scores = score_map(generator)(seen.w + 2 * directions["hat"].step)
    drawn = to_rgb(draw(traits.from_scores(scores), generator.config.resolution))
    target = seen.detail.over(drawn)
    assert far(kept.with_detail(edit), target) <= 0.6 * far(kept.in_w(edit), target)


def test_one_pass_is_close_already(shipped: CompactFeatureNetworks) -> None:
    generator = pretrained.generator()
    seen = detailed_portraits(generator, count=4, seed=92)
    kept = KeptPortraits(generator, pretrained.inverter(), shipped, pretrained.directions(), seen.images, steps=0)
    assert far(kept.with_detail({}), seen.images) <= 0.02


def test_a_sheet_has_a_row_for_every_kind(shipped: CompactFeatureNetworks) -> None:
    generator, inverter, directions = pretrained.generator(), pretrained.inverter(), pretrained.directions()
    sheet = detail_sheet(generator, inverter, shipped, directions, seed=5)
    assert sheet.shape == (128 * len((*overlays.KINDS, *overlays.UNSEEN)), 9 * 128, 3)
    figures = measure_slider(generator, inverter, shipped, directions, seed=5, rounds=2)
    assert all(value > 0 for value in figures.values())
