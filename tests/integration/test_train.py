"""`beholder train` on a real Ray: what it leaves, and that workers change nothing, not even when one is killed."""

import importlib.resources
import json
import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from beholder import evaluation
from beholder.cli import main
from beholder.embedding.embeddings import write_shard
from beholder.errors import BeholderError, TasteError
from beholder.storage import Place
from beholder.taste import taste_registry, validation
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.mlp import MlpConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig, TrainingHooks
from beholder.workspace import Workspace

ENCODER = "tiny-encoder-0"
FIT = TrainingConfig(epochs=10, batch=256, learning_rate=0.03, patience=0, device="cpu")
# Dropout is drawn by each worker for its own share; without it, workers differ by rounding only.
MLP = MlpConfig(widths=[16, 8], person_size=4, dropout=0.0, person_dropout=0.0, fit=FIT)


@dataclass(frozen=True)
class World:
    """items float32 [N, 8]; four people of different linear tastes."""

    items: np.ndarray
    train: JudgementDataset
    held_out: JudgementDataset


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(1)
    images, people, count = 160, 4, 1500
    items = rng.normal(size=(images, 8)).astype(np.float32)
    truth = 2 * rng.normal(size=(people, 8)) @ items.T
    person, left = rng.integers(0, people, count), rng.integers(0, images, count)
    right = (left + rng.integers(1, images, count)) % images
    chance = 1 / (1 + np.exp(truth[person, right] - truth[person, left]))
    choice = (rng.random(count) < chance).astype(np.float32)
    none = np.zeros(count, np.int64)
    rater, image = rng.integers(0, people, 400), rng.integers(0, images, 400)
    score = 1 + (truth[rater, image][:, None] > np.array([-3, 0, 3])).sum(axis=1)
    dataset = JudgementDataset(
        tuple(f"person {n}" for n in range(people)),
        tuple(f"{n:03d}.jpg" for n in range(images)),
        ("attractive",),
        RatingTable(rater, image, np.zeros(400, np.int64), score.astype(np.float32)),
        ComparisonTable(person, left, right, none, choice),
    )
    part = rng.random(images) < 0.75
    return World(items, dataset.on_images(part), dataset.on_images(~part))


@pytest.fixture(scope="module")
def workspace(world, tmp_path_factory) -> Path:
    """The world as a workspace: tables and imported embeddings."""
    import pyarrow as pa

    from beholder import tables

    place = tmp_path_factory.mktemp("train") / "ws"
    whole = [world.train, world.held_out]
    said = Workspace(str(place))
    rows = [
        {"judgement_id": f"{n}-{row}", "user_id": part.people[p], "left_id": part.images[a], "right_id": part.images[b]}
        | {"attribute": "attractive", "choice": "left" if c else "right"}
        for n, part in enumerate(whole)
        for row, (p, a, b, _, c) in enumerate(zip(*vars(part.comparisons).values(), strict=True))
    ]
    said.write("comparisons", pa.Table.from_pylist(rows, schema=tables.COMPARISONS))
    ids = list(world.train.images)
    write_shard(said.embeddings(ENCODER), encoder_id=ENCODER, image_ids=ids, sha256=[None] * len(ids), vectors=world.items)
    return place


@pytest.fixture
def job(world):
    from beholder.jobs.train import TrainJob

    return TrainJob(world.train, world.held_out, TasteConfig(kind="mlp", mlp=MLP), ENCODER, 3)


def together(job, items, place: Path, **options):
    """fit_together(...), with the accuracy of the taste on what was held out."""
    import ray

    from beholder.jobs.train import TrainConfig, fit_together

    states, story = fit_together(job, ray.put(items), Place.at(place), TrainConfig(**options))
    taste = job.fit(items, hooks=TrainingHooks(states=states))
    asked = validation.pairs(job.held_out)
    found = taste.differences(items[asked.left], items[asked.right], "person 0", "attractive")
    assert np.isfinite(found.mean).all()
    table = evaluation.agree(taste, taste, job.held_out, asked, items)
    return taste, story, float(table["accuracy.personal"].mean()), float(table["logloss.personal"].mean())


def kill_a_worker(place: Path, killed: list[int], *, after: int = 3) -> threading.Thread:
    """As soon as so many checkpoints are there, end one process that works on the fit, without a warning."""

    def strike() -> None:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            names = {path.name for path in place.glob("**/checkpoint_*")}
            seen.update(names)
            if len(seen) >= after:
                found = [p for p in psutil.process_iter(["cmdline"]) if "RayTrainWorker" in " ".join(p.info["cmdline"] or [])]
                mine = [p for p in found if psutil.Process() in p.parents()]
                if mine:
                    killed.append(mine[-1].pid)
                    os.kill(mine[-1].pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    seen: set[str] = set()
    thread = threading.Thread(target=strike)
    thread.start()
    return thread


def test_two_workers_fit_what_one_fits_and_so_does_a_run_whose_worker_was_killed(small_ray, job, world, tmp_path):
    alone = job.fit(world.items)
    asked = validation.pairs(job.held_out)
    expected = evaluation.agree(alone, alone, job.held_out, asked, world.items)

    interrupt = signal.getsignal(signal.SIGINT)
    taste, story, accuracy, loss = together(job, world.items, tmp_path / "calm", workers=2)
    assert signal.getsignal(signal.SIGINT) is interrupt  # what follows a fit ends at once at Ctrl-C
    assert story == {"workers": 2, "workers.gpus": 0, "epochs": 10, "resumed_from_epoch": 0}
    assert accuracy == pytest.approx(expected["accuracy.personal"].mean(), abs=0.01)
    assert accuracy > 0.75
    people = (*world.train.people, "a stranger")
    one, two = (t.utilities(world.items, people, "attractive") for t in (alone, taste))
    np.testing.assert_allclose(two, one, atol=0.02 * np.std(one))

    longer = replace(job, seed=job.seed)
    killed: list[int] = []
    thread = kill_a_worker(tmp_path / "struck", killed)
    struck, story, struck_accuracy, struck_loss = together(longer, world.items, tmp_path / "struck", workers=2)
    thread.join()
    assert killed
    assert story["resumed_from_epoch"] >= 1
    assert (struck_accuracy, struck_loss) == (accuracy, loss)
    np.testing.assert_array_equal(struck.utilities(world.items, people, "attractive"), two)


@pytest.mark.soak
def test_workers_that_compute_their_shares_in_parts_change_nothing(small_ray, job, world, tmp_path, caplog):
    """As they do where a GPU's memory does not hold a share: without batch statistics the parts add up to the whole."""
    plain = replace(job, taste=replace(job.taste, mlp=replace(MLP, batchnorm=False, fit=replace(FIT, learning_rate=0.01))))
    whole, *_ = together(plain, world.items, tmp_path / "whole", workers=2)
    (Place.at(tmp_path / "parts") / "parts").write_bytes(b"3")
    parts, *_ = together(plain, world.items, tmp_path / "parts", workers=2)
    one, two = (taste.utilities(world.items, world.train.people, "attractive") for taste in (whole, parts))
    np.testing.assert_allclose(two, one, atol=1e-3 * np.std(one))
    assert "each was computed in 3 parts" in caplog.text


def test_a_run_that_ended_is_gone_on_from_by_the_same_command(small_ray, job, world, tmp_path):
    expected = job.fit(world.items).utilities(world.items, world.train.people, "attractive")
    killed: list[int] = []
    thread = kill_a_worker(tmp_path / "run", killed)
    with pytest.raises(BeholderError, match="same command"):
        together(job, world.items, tmp_path / "run", resume=True, max_failures=0)
    thread.join()
    assert killed
    taste, story, *_ = together(job, world.items, tmp_path / "run", resume=True, max_failures=0)
    assert story["resumed_from_epoch"] >= 1
    # a worker may compute with another number of threads, which add up in another order
    np.testing.assert_allclose(taste.utilities(world.items, world.train.people, "attractive"), expected, atol=1e-4)


def test_a_mistake_in_a_worker_comes_out_as_itself(small_ray, job, world, tmp_path):
    wild = replace(job, taste=replace(job.taste, mlp=replace(MLP, batchnorm=False, fit=replace(FIT, learning_rate=1e20))))
    with pytest.raises(TasteError, match="learning_rate"):
        together(wild, world.items, tmp_path / "wild", resume=True, max_failures=0)


def words(workspace: Path, *more: str) -> list[str]:
    quick = ["taste.mlp.widths=[8]", "taste.mlp.ensemble=1", "taste.mlp.fit.epochs=3"]
    return ["train", "taste=mlp", f"workspace={workspace}", f"encoder_id={ENCODER}", *quick, *more]


def newest(workspace: Path) -> Path:
    return max((workspace / "runs").glob("train-*/metrics.json"), key=lambda file: file.stat().st_mtime_ns).parent


def test_the_command_leaves_a_taste_and_a_run_and_a_second_one_the_same(small_ray, workspace):
    assert main(words(workspace, "name=first")) == 0
    run = newest(workspace)
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"accuracy.personal", "accuracy.population", "gain.mean", "logloss.personal", "people"} <= metrics.keys()
    assert {"config.yaml", "results.csv", "summary.md", "environment.json", "log.txt"} <= {p.name for p in run.iterdir()}

    models = Workspace(str(workspace)).models
    entry = taste_registry.read(models, "first", encoder_id=ENCODER)
    assert entry.taste.info.people == tuple(f"person {n}" for n in range(4))
    assert entry.card["figures"]["accuracy.personal"] == metrics["accuracy.personal"]
    assert entry.card["config"]["taste"]["mlp"]["widths"] == [8]
    with pytest.raises(TasteError, match="other-encoder"):
        taste_registry.read(models, "first", encoder_id="other-encoder")

    assert main(words(workspace, "name=second")) == 0
    one, two = (entry.taste.tensors() for entry in (entry, taste_registry.read(models, "second")))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_from_the_samples_spreadsheets_to_a_taste(small_ray, tiny_encoder, tmp_path):
    """The whole way that a user goes, with an encoder of random weights: import, embed, train."""
    sample = Path(str(importlib.resources.files("beholder.data"))) / "sample"
    place = f"workspace={tmp_path / 'ws'}"
    encoder = [word for word in tiny_encoder if word.startswith("encoder")]
    assert main(["import", f"source={sample}", f"images={sample}", place]) == 0
    assert main(["embed", place, *tiny_encoder]) == 0
    quick = ["taste.mlp.widths=[16]", "taste.mlp.ensemble=1", "taste.mlp.fit.epochs=2"]
    assert main(["train", "taste=mlp", "attributes=[smart,attractive]", place, *encoder, *quick]) == 0
    metrics = json.loads((newest(tmp_path / "ws") / "metrics.json").read_text())
    entry = taste_registry.read(Workspace(str(tmp_path / "ws")).models, "mlp", encoder_id=metrics["encoder_id"])
    assert entry.taste.info.attributes == ("attractive", "smart")
    assert metrics["people.known"] == len(entry.taste.info.people) == 24
    assert metrics["judgements"] > metrics["judgements.held_out"] > 100
    assert 0.4 < metrics["accuracy.personal"] < 1


def test_a_run_of_one_worker_with_checkpoints_gives_the_same_taste_and_leaves_none(small_ray, workspace):
    assert main(words(workspace, "name=plain")) == 0
    assert main(words(workspace, "name=kept", "train.resume=true")) == 0
    models = Workspace(str(workspace)).models
    one, two = (taste_registry.read(models, name).taste.tensors() for name in ("plain", "kept"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert list((workspace / "training").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["taste=bayes", "train.workers=2"], "networks"),
        (["train.workers=0"], "train.workers"),
        (["held_out=1.0"], "held_out"),
        (["attributes=[pretty]"], "attractive"),
        (["name=../x"], "name"),
        (["encoder_id=nothing"], "beholder embed"),
        (["taste.mlp.fit.lerning_rate=1"], "learning_rate"),
    ],
)
def test_what_can_not_be_is_said_in_one_line(small_ray, workspace, capsys, more, said):
    keys = [word.partition("=")[0] for word in more]
    kept = [word for word in words(workspace) if word.partition("=")[0] not in keys]
    assert main([*kept, *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert said in line
