"""Published formats: the same generator comes out of each, to the last bit, and goes back."""

import random
from pathlib import Path

import pytest
import torch
from support import published_checkpoints as published
from support import reference_stylegan as reference

from beholder.editing import generator_store
from beholder.editing.checkpoints import checkpoint, native, rosinality
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.generator_store import fingerprint
from beholder.errors import WeightsError
from beholder.safe_pickle import torch_archive
from beholder.storage import Place
from beholder.workspace import Workspace

DIM = 24
MEAN = torch.linspace(-1, 1, DIM)


@pytest.fixture(scope="module")
def state() -> dict:
    """A small generator under rosinality's names."""
    return reference.random_state(32, 256, 16, dim=DIM, layers=3)


@pytest.fixture(scope="module")
def generator(state) -> Generator:
    return checkpoint.parse(published.rosinality(state, MEAN))[1].generator


@pytest.fixture
def read(tmp_path):
    """read(bytes): the checkpoint in a file that holds them, whose name says nothing."""

    def of(data: bytes) -> checkpoint.Checkpoint:
        (tmp_path / "file").write_bytes(data)
        return checkpoint.read(Place.at(tmp_path / "file"))

    return of


def same(one: Generator, other: Generator) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == like and torch.equal(a, b) for (name, a), (like, b) in pairs)


WAYS = {
    "rosinality": lambda state, native: published.rosinality(state, MEAN),
    "rosinality, old torch": lambda state, native: published.rosinality(state, MEAN, zip=False),
    "encoder": lambda state, native: published.encoder(state, MEAN, 8),
    "NVIDIA": lambda state, native: published.nvidia(native),
    "NVIDIA, protocol 3, numpy 1": lambda state, native: published.nvidia(native, protocol=3, numpy_1=True),
    "NVIDIA, protocol 2, numpy 1": lambda state, native: published.nvidia(native, protocol=2, numpy_1=True),
    "TensorFlow": lambda state, native: published.tensorflow(native),
    "TensorFlow, protocol 2": lambda state, native: published.tensorflow(native, protocol=2),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_format_holds_the_same_generator(way, state, generator, read):
    found = read(WAYS[way](state, generator.state_dict()))
    assert found.notes == (("its encoder was left out: its first layer is of no known kind",) if way == "encoder" else ())
    assert found.format.partition(" ")[0].strip(",") == ("rosinality" if way == "encoder" else way.partition(",")[0])
    assert found.generator.config == generator.config
    assert same(found.generator, generator)
    assert fingerprint(found.generator) == fingerprint(generator)
    assert not found.generator.training
    assert not any(parameter.requires_grad for parameter in found.generator.parameters())


def test_there_and_back_changes_nothing(state, generator, read):
    again = read(rosinality.write(generator)).generator
    assert same(again, generator)
    theirs = torch_archive.read(rosinality.write(again))["g_ema"]
    assert set(theirs) == set(state)
    assert all(torch.equal(theirs[name].read(), value) for name, value in state.items())
    back = read(native.write(again)).generator
    assert same(back, generator)
    assert same(read(rosinality.write(back)).generator, generator)


def test_what_is_written_loads_in_torch_without_trust(state, generator, tmp_path):
    (tmp_path / "x.pt").write_bytes(rosinality.write(generator))
    found = torch.load(tmp_path / "x.pt", weights_only=True)
    assert set(found) == {"g_ema", "latent_avg"}
    assert {name: value.shape for name, value in found["g_ema"].items()} == {name: value.shape for name, value in state.items()}


def test_what_the_format_can_not_keep_is_not_written():
    for config in (GeneratorConfig(resolution=8, conv_clamp=256.0, z_dim=8, w_dim=8), GeneratorConfig(resolution=8)):
        with pytest.raises(WeightsError, match="rosinality format can't keep"):
            rosinality.write(Generator(config))


def test_the_clamp_is_kept(generator, read):
    found = read(published.nvidia(generator.state_dict(), clamp=0.5)).generator
    assert found.config.conv_clamp == 0.5
    again = read(native.write(found)).generator
    z = torch.randn(2, DIM)
    assert torch.equal(found(z), again(z))
    assert (found(z) - generator(z)).abs().max() > 0.1


def test_a_file_of_training_with_all_that_is_in_it(state, generator, read):
    import argparse

    optimiser = {"state": {0: {"exp_avg": torch.randn(4), "step": 7}}, "param_groups": [{"lr": 0.002, "betas": (0.0, 0.99)}]}
    data = published.rosinality(
        state, MEAN, g=dict(state), g_optim=optimiser, args=argparse.Namespace(size=32, n_mlp=3), ada_aug_p=0.1
    )
    assert same(read(data).generator, generator)


def test_old_files_without_noise_or_mean(state, generator, read):
    bare = {name: value for name, value in state.items() if not name.startswith("noises.")}
    found = read(published.rosinality(bare, None))
    assert found.notes == (
        "the file has no noise pictures: they were drawn anew",
        "the file has no mean w: it was measured over 10,000 latents",
    )
    assert fingerprint(found.generator) == fingerprint(generator)
    again = read(published.rosinality(bare, None)).generator
    assert same(found.generator, again)
    z = torch.randn(2000, DIM, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(found.generator.mapping(z)[:, 0].mean(dim=0), found.generator.mapping.w_avg, atol=0.5)
    assert torch.equal(found.generator(z[:2], noise="none"), again(z[:2], noise="none"))


def test_layers_without_noise(generator, read):
    state = {name: value for name, value in generator.state_dict().items() if "noise" not in name}
    found = read(published.nvidia(state, SynthesisLayer__use_noise=False)).generator
    z = torch.randn(2, DIM)
    assert torch.allclose(found(z), generator(z, noise="none"), atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_broken_files_are_generators_or_refused(way, state, generator, read):
    """Bytes changed, left out and put in at random: no other error comes out, and never more than a line."""
    good, rng = WAYS[way](state, generator.state_dict()), random.Random(way)
    refused = []
    for _ in range(25):
        data = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            at, much = rng.randrange(len(data)), rng.randint(1, 9)
            data[at : at + rng.choice((0, 1, much))] = rng.randbytes(rng.choice((0, 1, much)))
        try:
            read(bytes(data))
        except WeightsError as error:
            refused.append(str(error))
    assert refused
    assert not any("\n" in line for line in refused)


def test_torch_files_hold_what_torch_reads_in_them(tmp_path):
    whole = {
        "half": torch.randn(5).half(),
        "wide": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "part": torch.randn(10)[3:7],
        "turned": torch.randn(3, 4).t(),
        "brain": torch.randn(3).bfloat16(),
        "whole": torch.arange(4),
        "one": torch.tensor(2.5),
        "none": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "state": torch.nn.Linear(2, 3).state_dict(),
    }
    for zip in (True, False):
        torch.save(whole, tmp_path / "x.pt", _use_new_zipfile_serialization=zip)
        expected, found = torch.load(tmp_path / "x.pt", weights_only=True), torch_archive.read((tmp_path / "x.pt").read_bytes())
        assert list(found) == list(expected)
        for name, value in expected.items():
            for mine, theirs in [(found[name], value)] if name != "state" else [(found[name][key], value[key]) for key in value]:
                assert mine.shape == tuple(theirs.shape)
                assert torch.equal(mine.read(), theirs.detach().float())


def test_beholder_import(beholder, state, generator, tmp_path):
    (tmp_path / "faces.pt").write_bytes(published.rosinality(state, MEAN))
    said = beholder("import", f"generator={tmp_path / 'faces.pt'}", "name=faces", f"workspace={tmp_path / 'ws'}")
    assert said.code == 0, said.err
    assert any(line.split() == ["fingerprint", fingerprint(generator)] for line in said.out)
    workspace = Workspace(str(tmp_path / "ws"))
    assert same(generator_store.read("faces", workspace), generator)
    source = generator_store.card("faces", workspace)["source"]
    assert source["format"] == "rosinality (torch file)"
    assert source["bytes"] == (tmp_path / "faces.pt").stat().st_size
    before = Path(tmp_path / "ws" / "generators" / "faces" / "generator.safetensors").read_bytes()
    assert beholder("import", f"generator={tmp_path / 'faces.pt'}", "name=faces", f"workspace={tmp_path / 'ws'}").code == 0
    assert Path(tmp_path / "ws" / "generators" / "faces" / "generator.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("generator=x.pt",), "generator=FILE and name=NAME go together"),
        (("name=x",), "needs one of source"),
        (("generator=x.pt", "name=x", "source=y"), "needs one of source"),
        (("source=x", "class_index=1"), "class_index goes with generator=FILE"),
        (("generator=x.pt", "name=portraits"), "is the shipped generator's"),
        (("generator=x.pt", "name=a/b"), "needs a name of letters"),
        (("generator=nowhere.pt", "name=x"), "does not exist"),
    ],
)
def test_wrong_words(beholder, tmp_path, words, says):
    said = beholder("import", *words, f"workspace={tmp_path / 'ws'}")
    assert said.code == 2
    assert len(said.err) == 1
    assert says in said.err[0]
