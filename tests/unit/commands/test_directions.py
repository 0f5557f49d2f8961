"""`beholder directions`, import and learn, from settings to the files and what is said; no Ray."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beholder import command_index
from beholder.commands import directions, import_directions
from beholder.editing import generator_store
from beholder.editing.directions import Direction, direction_file, direction_registry
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.generator_store import fingerprint
from beholder.editing.latent import from_seeds
from beholder.errors import BeholderError, ConfigError, EditError, StorageError, TableError
from beholder.jobs import learn_directions
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

NOON = datetime.datetime(2025, 2, 1, 12)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With a generator `toy`: w of 12, 8 rows of w+, 32 px."""
    place = Workspace(str(tmp_path_factory.mktemp("workspace")))
    torch.manual_seed(5)
    config = GeneratorConfig(resolution=32, z_dim=8, w_dim=12, mapping_layers=2, channel_base=256, channel_max=16)
    generator_store.write(place, "toy", Generator(config).eval(), card={})
    return place


def run(workspace: Workspace, module, **settings: object) -> Run:
    made = command_index.settings_type(module)(workspace=workspace.place.uri, generator="toy", **settings)
    folder = Run.start(workspace.place / "runs", command="directions", config="", now=NOON)
    try:
        module.main(made, folder)
    finally:
        folder.finish()
    return folder


def known(workspace: Workspace) -> dict[str, Direction]:
    return direction_registry.read(workspace, "toy", fingerprint=fingerprint(generator_store.read("toy", workspace)))


def test_a_file_is_brought_listed_and_drawn(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    row = np.random.default_rng(1).normal(size=(1, 12))
    np.save(tmp_path / "age_w_boundary.npy", row)
    run(workspace, import_directions, name="older", file=str(tmp_path / "age_w_boundary.npy"), low="young", high="old")
    made = known(workspace)["older"]
    assert np.allclose(made.vector, row[0] / np.linalg.norm(row))
    assert made.labels == ("young", "old")
    assert "older: in w, layers 0..7" in capsys.readouterr().out
    seen = run(workspace, directions, draw="older", seeds=[1, 2])
    said = capsys.readouterr().out
    assert "young -> old" in said
    picture = Path(seen.place.path) / "figures/older.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    listed = pd.read_csv(Path(seen.place.path) / "results.csv")
    assert listed.loc[listed["name"] == "older", "space"].item() == "w"
    with pytest.raises(EditError, match="'oldr' is not a direction; did you mean older"):
        run(workspace, directions, draw="oldr")


def test_components_and_channels(workspace: Workspace, tmp_path: Path) -> None:
    parts = {"comp": torch.eye(12)[:5, None], "mean": torch.ones(1, 12), "std": torch.arange(1.0, 6.0)}
    torch.save(parts, tmp_path / "pca.pt")
    run(workspace, import_directions, name="third", file=str(tmp_path / "pca.pt"), component="2", layers=[1, 3])
    third = known(workspace)["third"]
    assert third.layers == (1, 3)
    assert torch.equal(third.vector, torch.eye(12, dtype=torch.float64)[2])
    run(workspace, import_directions, name="pc", file=str(tmp_path / "pca.pt"), component="0..2")
    assert [name for name in known(workspace) if name.startswith("pc_")] == ["pc_0", "pc_1", "pc_2"]
    assert known(workspace)["pc_1"].vector[1] == 1
    with pytest.raises(EditError, match=r"it has no components '5'; there are 0\.\.4"):
        run(workspace, import_directions, name="pd", file=str(tmp_path / "pca.pt"), component="3..5")
    assert not [name for name in known(workspace) if name.startswith("pd")]
    with pytest.raises(ConfigError, match="at most 100 components"):
        run(workspace, import_directions, name="pd", file=str(tmp_path / "pca.pt"), component="5..3")
    run(workspace, import_directions, name="channel", channels="9:1", flip=True)
    assert known(workspace)["channel"].vector[1] == -1


def test_the_catalogue_fills_in_component_layers_and_range(workspace: Workspace, tmp_path: Path) -> None:
    parts = {"comp": torch.eye(12).repeat(5, 1)[:, None], "mean": torch.ones(1, 12), "std": torch.full((60,), 0.5)}
    torch.save(parts, tmp_path / "ffhq_pca.pt")
    run(workspace, import_directions, name="nose_length", catalogue="ffhq", file=str(tmp_path / "ffhq_pca.pt"))
    made = known(workspace)["nose_length"]
    assert made.layers == (4, 5)
    assert made.vector[51 % 12] == -1  # as published, more is a shorter nose
    assert made.range == pytest.approx((-30 * 0.5 / made.scale, 30 * 0.5 / made.scale), abs=0.01)
    with pytest.raises(ConfigError, match=r"is in a file that you bring: file=\.\.\./ffhq_pca\.pt"):
        run(workspace, import_directions, name="nose_length", catalogue="ffhq")
    with pytest.raises(EditError, match="layer 12 is not there"):
        run(workspace, import_directions, name="goatee", catalogue="ffhq", channels="12:421")


def test_our_own_file_of_another_generator_needs_force(workspace: Workspace, tmp_path: Path) -> None:
    made = Direction.along(torch.ones(12), name="kind", space="w", layers=(0, 8), fingerprint="abc", generator="other")
    direction_file.save(tmp_path / "kind.safetensors", [made])
    with pytest.raises(EditError, match=r"kind was made for other \(abc\), not for toy"):
        run(workspace, import_directions, name="kind", file=str(tmp_path / "kind.safetensors"))
    run(workspace, import_directions, name="kind", file=str(tmp_path / "kind.safetensors"), force=True)
    assert known(workspace)["kind"].fingerprint == fingerprint(generator_store.read("toy", workspace))


def test_styleclip_towards_a_given_difference(workspace: Workspace, tmp_path: Path) -> None:
    import pickle

    widths = generator_store.read("toy", workspace).config.style_widths
    rows = sum(width for at, width in enumerate(widths) if at % 3 != 1)
    statistics = np.zeros((rows, 4))
    statistics[3, 0] = 1
    np.save(tmp_path / "fs3.npy", statistics)
    np.save(tmp_path / "dt.npy", np.array([2.0, 0, 0, 0]))
    (tmp_path / "S_mean_std").write_bytes(pickle.dumps([[np.zeros(w) for w in widths], [np.ones(w) for w in widths]], 3))
    given = {"file": str(tmp_path / "fs3.npy"), "statistics": str(tmp_path / "S_mean_std"), "format": "styleclip"}
    run(workspace, import_directions, name="clip", difference=str(tmp_path / "dt.npy"), **given)
    made = known(workspace)["clip"]
    assert made.layers == (0, 1)
    assert made.vector[3] == 1


def test_labels_become_a_direction(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generator = generator_store.read("toy", workspace)
    w = from_seeds(generator, range(60)).ws[:, 0]
    truth = w @ torch.randn(12, 2, generator=torch.Generator().manual_seed(4))
    table = pd.DataFrame({"seed": range(60), "kind": truth[:, 0], "tall": np.where(truth[:, 1] > 0, "yes", "no"), "by": "ann"})
    table.loc[5, "kind"] = None
    table.to_csv(tmp_path / "labels.csv", index=False)
    table.to_parquet(tmp_path / "labels.parquet")
    run(workspace, learn_directions, name="kinder", labels=str(tmp_path / "labels.csv"), label="kind", high="kind")
    made = known(workspace)["kinder"]
    assert made.labels == ("", "kind")
    assert "of its label in pictures left out" in capsys.readouterr().out
    run(workspace, learn_directions, name="same", labels=str(tmp_path / "labels.parquet"), label="kind")
    assert torch.equal(known(workspace)["same"].vector, made.vector)
    run(workspace, learn_directions, name="tall", labels=str(tmp_path / "labels.csv"), others=[])
    for name, says in (("short", "has no label short"), ("by", "label by: expected numbers, or yes and no, got 'ann'")):
        with pytest.raises(TableError, match=says):
            run(workspace, learn_directions, name=name, labels=str(tmp_path / "labels.csv"))
    (tmp_path / "bare.csv").write_text("kind\n1\n")
    with pytest.raises(TableError, match="needs a column seed, image_id or image; it has kind"):
        run(workspace, learn_directions, name="kind", labels=str(tmp_path / "bare.csv"))


def test_the_published_ones_are_listed(workspace: Workspace, capsys: pytest.CaptureFixture) -> None:
    run(workspace, directions, catalogue="ffhq")
    said = capsys.readouterr().out
    for part in ("trimmed_beard", "ffhq_pca.pt", "component 58, layers [7,9]", "channels 12:479 12:266", "-30..45", "mohawk"):
        assert part in said
    with pytest.raises(ConfigError, match="catalogue=cats: there is none"):
        run(workspace, directions, catalogue="cats")


@pytest.mark.parametrize(
    ("module", "settings", "says"),
    [
        (directions, {"seeds": []}, "seeds must name"),
        (directions, {"draw": "all", "catalogue": "ffhq"}, "draw goes with generator"),
        (import_directions, {"name": "a"}, "needs file=FILE"),
        (import_directions, {"name": "a", "file": "b", "channels": "1:2"}, "not both"),
        (import_directions, {"name": "a", "file": "b", "format": "gif"}, "format=gif is not known"),
        (import_directions, {"name": "a", "file": "b", "format": "styleclip"}, "format=styleclip needs"),
        (import_directions, {"name": "a", "file": "b", "texts": ["a", "b"]}, "go with format=styleclip"),
        (import_directions, {"name": "a", "file": "b", "layers": [2]}, "layers must be"),
        (import_directions, {"name": "a", "file": "b", "beta": -1.0}, "beta must be"),
        (learn_directions, {"name": "a"}, "needs either labels=FILE or texts="),
        (learn_directions, {"name": "a", "labels": "x", "texts": ["a", "b"]}, "needs either"),
        (learn_directions, {"name": "a", "texts": ["a"]}, "expected two texts"),
        (learn_directions, {"name": "a", "texts": ["a", "b"], "label": "c"}, "go with labels"),
    ],
)
def test_settings_that_make_no_sense(module, settings: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        command_index.settings_type(module)(**settings)


def test_what_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        run(workspace, import_directions, name="a", file="/nowhere/a.npy")
    with pytest.raises(EditError, match="expected a direction's name"):
        run(workspace, learn_directions, name="a b", labels="x.csv")
    with pytest.raises(BeholderError, match="ships with portraits"):
        learn_directions.main(
            learn_directions.LearnDirectionsSettings(name="smile", texts=["a", "b"], workspace=workspace.place.uri),
            Run(Place.at("/nowhere"), "directions learn"),
        )
