"""Moving: sums in each space, nothing for alpha 0, and the order of an edit means nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beholder.editing.directions import Direction, edited_styles, edited_ws
from beholder.editing.generator import Generator
from beholder.editing.latent import Latent, from_seeds
from beholder.errors import EditError


def step(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def directions(generator: Generator) -> dict[str, Direction]:
    widths = generator.config.style_widths
    made = (
        Direction.along(step(12, seed=1), name="coarse", space="w", layers=(0, 4)),
        Direction.along(step(12, seed=2), name="all", space="w", layers=(0, 8)),
        Direction.along(step(3, 12, seed=3), name="rows", space="w+", layers=(5, 8)),
        Direction.along(step(8, seed=4), name="before", space="z", layers=(0, 8)),
        Direction.along(step(8, seed=5), name="early", space="z", layers=(0, 2)),
        Direction.along(step(sum(widths[3:6]), seed=6), name="channels", space="s", layers=(3, 6)),
    )
    return {each.name: each for each in made}


def test_moves_in_w_are_sums_on_their_rows(generator: Generator) -> None:
    known, latent = directions(generator), from_seeds(generator, [1, 2])
    found = edited_ws(generator, latent, {"coarse": 1.5, "all": -2.0, "rows": 0.5}, known) - latent.ws
    wanted = -2.0 * known["all"].step.expand(8, 12).clone()
    wanted[:4] += 1.5 * known["coarse"].step
    wanted[5:] += 0.5 * known["rows"].step
    assert torch.allclose(found, wanted.expand(2, 8, 12), atol=1e-5)


def test_a_move_in_z_is_what_the_mapping_makes_of_it(generator: Generator) -> None:
    known, latent = directions(generator), from_seeds(generator, [1, 2])
    assert latent.z is not None
    found = edited_ws(generator, latent, {"before": 1.0, "early": 2.0}, known)
    late = generator.mapping(latent.z + known["before"].step)
    first = generator.mapping(latent.z + known["before"].step + 2 * known["early"].step)
    assert torch.allclose(found[:, 2:], late[:, 2:], atol=1e-5)
    assert torch.allclose(found[:, :2], first[:, :2], atol=1e-5)


def test_a_move_in_s_changes_its_styles_only(generator: Generator) -> None:
    known, latent = directions(generator), from_seeds(generator, [1])
    before = generator.synthesis.styles(latent.ws)
    after = edited_styles(generator, latent, {"channels": 2.0}, known)
    widths = generator.config.style_widths
    parts = known["channels"].step.split(widths[3:6])
    for layer, (old, new) in enumerate(zip(before, after, strict=True)):
        if 3 <= layer < 6:
            assert torch.allclose(new - old, 2 * parts[layer - 3], atol=1e-5)
        else:
            assert torch.equal(new, old)


def test_z_then_w_then_s(generator: Generator) -> None:
    """w is added to what z became, and s to the styles of that."""
    known, latent = directions(generator), from_seeds(generator, [4])
    assert latent.z is not None
    ws = generator.mapping(latent.z + known["before"].step)
    ws = ws + known["all"].step
    wanted = list(generator.synthesis.styles(ws))
    for layer, part in zip(range(3, 6), known["channels"].step.split(generator.config.style_widths[3:6]), strict=True):
        wanted[layer] = wanted[layer] + part
    found = edited_styles(generator, latent, {"channels": 1.0, "before": 1.0, "all": 1.0}, known)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_alpha_zero_is_the_identity(generator: Generator) -> None:
    known, latent = directions(generator), from_seeds(generator, [1, 2, 3])
    nothing = dict.fromkeys(known, 0.0)
    assert edited_ws(generator, latent, nothing, known) is latent.ws
    for one, other in zip(edited_styles(generator, latent, nothing, known), generator.synthesis.styles(latent.ws), strict=True):
        assert torch.equal(one, other)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_order_means_nothing(generator: Generator, data: st.DataObject) -> None:
    known = directions(generator)
    names = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True, min_size=2))
    edit = {name: data.draw(st.floats(-3, 3, width=32)) for name in names}
    other = {name: edit[name] for name in data.draw(st.permutations(names))}
    latent = from_seeds(generator, [7])
    for one, two in zip(edited_styles(generator, latent, edit, known), edited_styles(generator, latent, other, known), strict=True):
        assert torch.equal(one, two)


def test_what_can_not_be_moved(generator: Generator) -> None:
    known, latent = directions(generator), from_seeds(generator, [1])
    photo = Latent(latent.ws)
    with pytest.raises(EditError, match="before moves z, and of an inverted picture only w\\+ is known"):
        edited_styles(generator, photo, {"before": 1.0}, known)
    with pytest.raises(EditError, match="al is not a direction; did you mean all"):
        edited_styles(generator, latent, {"al": 1.0}, known)
    with pytest.raises(EditError, match="all=nan: expected a finite number"):
        edited_styles(generator, latent, {"all": float("nan")}, known)
    wide = {"wide": Direction.along(torch.ones(512), name="wide", space="w", layers=(0, 8))}
    with pytest.raises(EditError, match="wide has 512 numbers in w, but this generator has 12"):
        edited_styles(generator, latent, {"wide": 1.0}, wide)
