"""Training feature networks: both stages learn, and one that was cut off goes on as if it had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from beholder import weights
from beholder.editing import pretrained
from beholder.editing.directions import Direction
from beholder.editing.generator import Generator
from beholder.editing.inversion import Inverter
from beholder.portraits.builder import BuildConfig, Builder
from beholder.portraits.feature_evaluation import measure_features
from beholder.portraits.feature_training import FeatureTraining, train_features
from beholder.portraits.generator_finetuning import cropped, enlarged
from beholder.portraits.reader import Reader, load_reader
from beholder.portraits.training_loop import silent

BRIEF = FeatureTraining(width=8, blocks=0, steps=6, editing_steps=2, batch=4, crop=64)


def parts() -> tuple[Generator, Inverter, Reader, dict[str, Direction]]:
    """The shipped ones; of the generator what draws small pictures, which takes a tenth of the time."""
    generator = cropped(pretrained.generator(), 128)
    directions = {name: replace(each, layers=(0, generator.config.num_ws)) for name, each in pretrained.directions().items()}
    return generator, pretrained.inverter(), load_reader(), directions


def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train_features(*parts(), config=BRIEF)
    kept = tmp_path / "features.pt"
    train_features(
        *parts(), config=replace(BRIEF, editing_steps=1), checkpoint=kept
    )  # stage 1 and a step of stage 2, by the same rates
    resumed = train_features(*parts(), config=BRIEF, checkpoint=kept)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_second_stage_leaves_what_the_first_one_taught() -> None:
    first = train_features(*parts(), config=replace(BRIEF, steps=3, editing_steps=1))
    longer = train_features(*parts(), config=replace(BRIEF, steps=3, editing_steps=3))
    before, after = first.state_dict(), longer.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("editor."))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("editor."))


def test_a_larger_generator_is_trained_for_as_its_smaller_pictures(tmp_path: Path) -> None:
    generator, inverter, reader, directions = parts()
    large = enlarged(generator, replace(generator.config, resolution=2 * generator.config.resolution)).eval().requires_grad_(False)
    brief = replace(BRIEF, steps=1, editing_steps=1, resolution=generator.config.resolution)
    found, wanted = (train_features(each, inverter, reader, directions, config=brief) for each in (large, generator))
    assert found.config == wanted.config
    for name, value in wanted.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FeatureTraining(steps=0)


def test_figures_are_those_of_networks_that_do_what_is_known() -> None:
    generator, inverter, reader, directions = parts()
    idle = train_features(
        generator, inverter, reader, directions, config=replace(BRIEF, steps=1, editing_steps=1, learning_rate=0.0)
    )
    figures = measure_features(
        generator, inverter, idle, reader, directions, count=4, seed=3, edited=("smile",), refinement_steps=0
    )  # fmt: skip
    # networks that learned nothing draw what w+ draws, and edit as w+ does
    assert figures["features/error_one_pass"] == pytest.approx(figures["features/error_in_w"], rel=0.01)
    assert figures["features/trait_ratio/smile"] == pytest.approx(1, abs=0.02)
    assert figures["features/others_features/smile"] == pytest.approx(figures["features/others_w/smile"], abs=0.02)
    assert abs(figures["features/detail_kept/smile"]) < 0.02


def test_a_build_writes_networks_that_belong_to_their_generator(tmp_path: Path) -> None:
    generator, inverter, reader, directions = parts()
    config = replace(BuildConfig(), features=replace(BRIEF, steps=1, editing_steps=1))
    built = Builder(tmp_path, tmp_path, config, show=lambda part: silent).features(generator, inverter, reader, directions)
    path = tmp_path / f"{pretrained.FEATURES}.safetensors"
    again = pretrained.features(generator, path)
    assert again is not None
    assert again.config == built.config
    assert weights.card(path)["settings"]["steps"] == 1
    with torch.no_grad():
        next(generator.synthesis.parameters()).add_(1)
    assert pretrained.features(generator, path) is None
