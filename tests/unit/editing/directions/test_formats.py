"""Other programs' files, each built here with a known answer; what does not fit is told in one line."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from support.direction_files import is_step, npy, npz, pt

from beholder.editing.directions import edited_ws, scaling
from beholder.editing.directions.formats import detect, interfacegan, stylespace
from beholder.editing.directions.formats.source import SourceDirection, SourceHints
from beholder.editing.directions.scaling import projection_spread
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.latent import from_seeds
from beholder.errors import ConfigError, EditError
from beholder.storage import Place

RNG = np.random.default_rng(3)
ROW = RNG.normal(size=12)
ROWS = RNG.normal(size=(8, 12))
UNLIKE = RNG.normal(size=(1, 18, 12))  # w+ of a generator of 1024 px


# ---- what is read


def test_interfacegan(read) -> None:
    in_w = npy(ROW[None])
    is_step(read("stylegan_ffhq_age_w_boundary.npy", in_w), ROW, "w", None)
    is_step(read("age_boundary.npy", npy(ROW[None, :8])), ROW[:8], "z", None)
    is_step(read("age_boundary.npy", in_w, space="w"), ROW, "w", None)
    is_step(read("Smiling_boundary.npy", npy(ROWS.reshape(1, -1).astype(np.float32))), ROWS, "w+", (0, 8))
    is_step(read("Smiling_boundary.npy", npy(ROWS.reshape(1, -1)), layers=[2, 4]), ROWS[2:4], "w+", (2, 4))


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files_of_e4e(read, legacy: bool) -> None:
    is_step(read("age.pt", pt(torch.tensor(ROW[None]), legacy=legacy)), ROW, "w", None)
    same = torch.tensor(ROW).expand(1, 8, 12)
    is_step(read("pose.pt", pt(same.clone(), legacy=legacy)), ROW, "w", None)
    is_step(read("pose.pt", pt(torch.nn.Parameter(torch.tensor(ROWS[None])), legacy=legacy)), ROWS, "w+", (0, 8))


def test_plain_vectors(read) -> None:
    for name, data in (
        ("a.npy", npy(ROW)),
        ("a.npy", npy(np.asfortranarray(ROW[None].astype(">f4")))),
        ("a.npz", npz(only=ROW)),
        ("a.csv", "\n".join(map(repr, ROW.tolist())).encode()),
        ("a.csv", ", ".join(map(repr, ROW.tolist())).encode()),
        ("a.json", json.dumps(ROW.tolist()).encode()),
        ("a.json", json.dumps({"smile": ROW.tolist()}).encode()),
        ("a.pkl", pickle.dumps({"smile": ROW}, 4)),
    ):
        is_step(read(name, data), ROW, "w", None)
    is_step(read("a.npy", npy(ROWS)), ROWS, "w+", (0, 8))
    is_step(read("a.csv", "\n".join(",".join(map(repr, row)) for row in ROWS.tolist()).encode()), ROWS, "w+", (0, 8))
    is_step(read("a.npz", npz(one=ROW, two=ROW * 2), component="two"), ROW * 2, "w", None)
    is_step(read("a.npy", npy(ROWS[:5]), component="3"), ROWS[3], "w", None)
    is_step(read("a.npy", npy(ROW), layers=[1, 3]), ROW, "w", (1, 3))


def test_names_of_other_generators_and_guesses_are_said(read, generator: Generator) -> None:
    assert read("stylegan2_cars_smile_w_boundary.npy", npy(ROW[None])).notes == ()
    assert read("smile_boundary.npy", npy(ROW[None])).space == "w"  # as long as w, and z is not
    other = read("stylegan_ffhq_age_w_boundary.npy", npy(ROW[None])).notes
    assert [note.partition(",")[0] for note in other] == ["its name says stylegan_ffhq"]
    alike = GeneratorConfig(resolution=32, z_dim=12, w_dim=12, channel_base=256, channel_max=16)
    guess = interfacegan.read(ROW[None], "pggan_celebahq_smile_boundary.npy", alike, SourceHints())
    assert guess.space == "z"
    assert [note.partition(",")[0] for note in guess.notes] == [
        "that it is in Z is a guess", "its name says pggan_celebahq",
    ]  # fmt: skip
    for name, space in (("smile_w_boundary.npy", None), ("smile_z_boundary.npy", None), ("smile_boundary.npy", "w")):
        assert interfacegan.read(ROW[None], name, alike, SourceHints(space)).notes == ()
    assert interfacegan.read(ROWS, "smile_boundary.npy", alike, SourceHints()).notes == ()


def test_ganspace(read, generator: Generator) -> None:
    components, sigmas = np.linalg.qr(RNG.normal(size=(12, 12)))[0][:5], np.array([3.0, 2.0, 1.0, 0.5, 0.25])
    asked = {"component": "2", "layers": [1, 4]}
    edited = pt({"comp": torch.tensor(components[:, None]), "mean": torch.tensor(ROW[None]), "std": torch.tensor(sigmas)})
    is_step(read("ffhq_pca.pt", edited, **asked), components[2], "w", (1, 4))
    is_step(read("ffhq_pca.pt", edited, component="1"), 2 * components[1], "w", None)
    whole = npz(
        lat_comp=components[:, None], lat_mean=ROW[None], lat_stdev=sigmas, act_comp=ROW, act_stdev=ROW, var_ratio=sigmas
    )  # fmt: skip
    is_step(read("stylegan2-ffhq_style_ipca_c5_n1000000_w.npz", whole, **asked), components[2], "w", (1, 4))
    exported = {
        "name": "Smile", "component_index": 7, "act_comp": components[:1], "lat_comp": components[3:4], "act_stdev": 1.0,
        "lat_stdev": 0.5, "latent_space": "W", "edit_type": "latent", "edit_start": 2, "edit_end": 5, "sigma_range": 20.0,
    }  # fmt: skip
    step = read("Smile.pkl", pickle.dumps(exported, 4))
    is_step(step, 0.5 * components[3], "w", (2, 5))
    assert step.limits == (-20, 20)
    turned = read("Smile.pkl", pickle.dumps({**exported, "sigma_range": np.float32(-20.0)}, 4))
    is_step(turned, -0.5 * components[3], "w", (2, 5))
    assert turned.limits == (-20, 20)
    ours = scaling.scale(generator, step, name="smile", fingerprint="abc", model="toy")
    latent = from_seeds(generator, [1])
    assert edited_ws(generator, latent, {"smile": 0.0}, {"smile": ours}) is latent.ws  # as published, 0 moves to the mean


def test_sefa(read) -> None:
    columns = np.linalg.qr(RNG.normal(size=(12, 12)))[0]
    file = pt({"ckpt": "some/generator.pt", "eigvec": torch.tensor(columns)})
    is_step(read("factor.pt", file, component="3"), columns[:, 3], "w", None)
    is_step(read("factor.pt", file, component="0", layers=[0, 2]), columns[:, 0], "w", (0, 2))


def test_stylespace(read, generator: Generator) -> None:
    widths = generator.config.style_widths  # 16 in the first layers, 8 in the last
    wanted = np.zeros(sum(widths[8:10]))
    wanted[3], wanted[widths[8] + 1] = 1, -0.5
    for name, data in (
        ("a.json", b"[[8, 3], [9, 1, -0.5]]"),
        ("a.txt", b"8:3 9:1:-0.5"),
        ("a.csv", b"8:3\n9:1:-0.5"),
    ):
        is_step(read(name, data), wanted, "s", (8, 10))
    is_step(read("a.csv", b"8, 3\n8, 4", "stylespace"), np.eye(16)[3] + np.eye(16)[4], "s", (8, 9))
    # without those to RGB, layer 5 is the one of number 8 among all
    is_step(read("a.json", b"[[5, 3]]", convs_only=True), np.eye(16)[3], "s", (8, 9))
    assert stylespace.convolutions(generator.config) == (0, 2, 3, 5, 6, 8, 9)


def styleclip_files(folder: Path, generator: Generator, rows: int) -> tuple[Place, Place, np.ndarray]:
    widths = generator.config.style_widths
    statistics = np.zeros((rows, 4), np.float32)
    statistics[2], statistics[16 + 5] = [0.2, 0, 0, 0], [-0.4, 0.1, 0, 0]
    statistics[16 + 6] = [0.05, 9, 9, 0]  # below beta towards this text
    deviations = [[np.zeros(width) for width in widths], [np.full(width, 1.0 + layer) for layer, width in enumerate(widths)]]
    (folder / "fs3.npy").write_bytes(npy(statistics))
    (folder / "S_mean_std").write_bytes(pickle.dumps(deviations, 4))
    return Place.at(folder / "fs3.npy"), Place.at(folder / "S_mean_std"), np.array([3.0, 0, 0, 0])


@pytest.mark.parametrize("layers", [7, 5])
def test_styleclip(tmp_path: Path, generator: Generator, layers: int) -> None:
    """By hand: relevance 0.2 and -0.4 of 0.4, times standard deviations 1 (layer 0) and 3 (layer 2, the second convolution)."""
    widths = generator.config.style_widths
    rows = sum(widths[at] for at in (0, 2, 3, 5, 6, 8, 9)[:layers])
    files = styleclip_files(tmp_path, generator, rows)
    step = detect.read_styleclip(*files, generator.config, beta=0.1)
    wanted = np.zeros(sum(widths[:3]))
    wanted[2], wanted[widths[0] + widths[1] + 5] = 0.5 * 1, -1.0 * 3
    is_step(step, wanted, "s", (0, 3))
    with pytest.raises(EditError, match=r"no channel.s relevance reaches beta=0\.5"):
        detect.read_styleclip(*files, generator.config, beta=0.5)
    with pytest.raises(EditError, match=r"fs3 has shape .*, and the texts' difference 3 numbers"):
        detect.read_styleclip(files[0], files[1], np.ones(3), generator.config, beta=0.1)
    (tmp_path / "fs3.npy").write_bytes(npy(np.ones((rows + 1, 4))))
    with pytest.raises(EditError, match=f"fs3 has {rows + 1} rows"):
        detect.read_styleclip(*files, generator.config, beta=0.1)


# ---- whose convention becomes ours


def test_alpha_one_is_one_standard_deviation_of_the_projection(generator: Generator) -> None:
    w = from_seeds(generator, range(2000)).ws[:, 0].double()
    unit = torch.tensor(ROW / np.linalg.norm(ROW))
    for length in (1e-3, 1.0, 100.0):
        made = scaling.scale(generator, SourceDirection(ROW * length, "w"), name="up", fingerprint="abc", model="toy")
        assert made.scale == pytest.approx(float((w @ unit).std()), rel=0.06)
        assert float(made.step.double() @ unit) == pytest.approx(made.scale)
        assert (made.fingerprint, made.generator, made.layers) == ("abc", "toy", (0, 8))


def test_published_ranges_become_alphas(generator: Generator) -> None:
    plain = scaling.scale(generator, SourceDirection(ROW, "w"), name="up", fingerprint="", model="")
    assert plain.range == (-3, 3)
    length = float(np.linalg.norm(ROW))
    made = scaling.scale(generator, SourceDirection(ROW, "w"), name="up", fingerprint="", model="", limits=(-10, 5), unit=0.5)
    assert made.range == pytest.approx((-10 * 0.5 * length / made.scale, 5 * 0.5 * length / made.scale), abs=0.01)
    back = scaling.scale(
        generator, SourceDirection(ROW, "w"), name="up", fingerprint="", model="", limits=(-10, 5), unit=0.5, flip=True
    )
    assert back.range == pytest.approx((-made.range[1], -made.range[0]))
    assert torch.allclose(back.vector, -made.vector)


def test_another_generators_direction_by_force(generator: Generator) -> None:
    made = scaling.scale(generator, SourceDirection(ROW, "w"), name="up", fingerprint="other", model="other")
    longer = made.with_scale(50.0)
    here = scaling.rescale(generator, longer, name="mine", fingerprint="abc", model="toy")
    assert here.scale == pytest.approx(projection_spread(generator, made))
    assert (here.name, here.fingerprint, here.generator) == ("mine", "abc", "toy")


# ---- what does not fit


@pytest.mark.parametrize(
    ("name", "values", "hints", "says"),
    [
        ("a.npy", np.ones((1, 512)), {}, "shape [1, 512]; this generator's directions have 12 numbers (w), 8 x 12 (w+) or 8 (z)"),
        (
            "a.npy",
            UNLIKE[0],
            {},
            "it holds 18 vectors; say which with component=0 .. component=17 (as one direction in w+ they would be 8 rows",
        ),
        (
            "a.npy",
            UNLIKE,
            {},
            "it holds 18 different rows of 12 numbers, a direction in w+ of another generator: this one has 8 rows",
        ),
        ("a.npy", UNLIKE.reshape(1, -1), {}, "it holds 18 different rows of 12 numbers"),
        ("a.npy", np.ones((1, 18, 13)), {}, "shape [1, 18, 13]"),
        ("a.npy", ROWS, {"space": "w"}, "8 different rows, which are a direction in w+"),
        ("a.npy", ROW, {"space": "z"}, "shape [12]"),
        ("a.npy", ROWS[:5], {"component": "5"}, "it has no vectors '5'; there are 0..4"),
        ("a.npy", np.full(12, np.nan), {}, "not finite"),
        ("a.npy", np.zeros((0, 12)), {}, "in the place of numbers"),
        ("a.npy", np.array(["a"] * 12), {}, "in the place of numbers"),
        ("a.npy", np.ones(12, complex), {}, "expected numbers"),
    ],
)
def test_shapes_that_do_not_fit(read, name: str, values: np.ndarray, hints: dict, says: str) -> None:
    with pytest.raises(EditError) as told:
        read(name, npy(values), **hints)
    assert says in str(told.value)


def test_formats_that_it_is_not(read) -> None:
    for format, says in (("ganspace", "no file of GANSpace"), ("sefa", "no factor file of SeFa"), ("stylespace", "no list of")):
        with pytest.raises(EditError, match=says):
            read("a.npy", npy(ROW), format)
    with pytest.raises(EditError, match=r"say which with component=0 \.\. component=2"):
        read("a.pt", pt({"comp": torch.ones(3, 1, 12), "mean": torch.ones(1, 12), "std": torch.ones(3)}))
    with pytest.raises(EditError, match="it holds 2 arrays; say which with component=NAME: one, two"):
        read("a.npz", npz(one=ROW, two=ROW))
    with pytest.raises(EditError, match="it holds no array 'tow'; did you mean two"):
        read("a.npz", npz(one=ROW, two=ROW), component="tow")
    with pytest.raises(EditError, match="3 components and 2 standard deviations"):
        read("a.pt", pt({"comp": torch.ones(3, 1, 12), "std": torch.ones(2)}), component="1")


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ("11:0", "layer 11 is not there; this generator has 0..10"),
        ("10:16", "layer 10 has channels 0..7, not 16"),
        ("1:2 1:2", "channel 1:2 comes twice"),
        ("1", "is no (layer, channel) pair"),
        ("1:2:nan", "is no (layer, channel) pair"),
        ("1:-2", "is no (layer, channel) pair"),
        ("1:2:3:4", "is no (layer, channel) pair"),
        ("", "it names no channel"),
    ],
)
def test_channels_that_are_not_there(generator: Generator, channels: str, says: str) -> None:
    with pytest.raises(EditError) as told:
        detect.read_channels(channels, generator.config, SourceHints())
    assert says in str(told.value)


def test_hints_are_checked() -> None:
    for wrong in ({"space": "s"}, {"layers": [3]}, {"layers": [3, 3]}, {"layers": [-1, 2]}):
        with pytest.raises(ConfigError):
            SourceHints(**wrong)
