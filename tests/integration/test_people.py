"""Many people on a real Ray: block by block they have the posteriors that one process finds; commands work with their shards."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from beholder.cli import main
from beholder.jobs.bench.simulated_raters import ENCODER, SimulatedRaters
from beholder.taste import bayes, splits, taste_registry
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.dataset import from_tables
from beholder.taste.judgement_partitions import JudgedPeople
from beholder.taste.taste_factory import TasteConfig
from beholder.workspace import Workspace

RATERS = SimulatedRaters(people=120, fewest=8, most=20, images=60, dimensions=12, seed=4)
CONFIG = BayesTasteConfig(components=[4, 8], ranks=[3], iterations=3, prior_people=40)
WORDS = ["taste.bayes.components=[4,8]", "taste.bayes.ranks=[3]", "taste.bayes.iterations=3", "taste.bayes.prior_people=40"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(str(tmp_path_factory.mktemp("people") / "ws"))
    RATERS.write(workspace)
    return workspace


def newest(workspace: Workspace, command: str) -> dict[str, Any]:
    runs = sorted((Path(workspace.place.path) / "runs").glob(f"{command}-*"), key=lambda path: path.stat().st_mtime)
    metrics: dict[str, Any] = json.loads((runs[-1] / "metrics.json").read_text())
    return metrics


def test_blocks_on_ray_have_the_posteriors_of_one_process(small_ray: ModuleType, workspace: Workspace, tmp_path: Path) -> None:
    from beholder.jobs import _people
    from beholder.storage import Place

    names = [f"image-{number:07d}" for number in range(RATERS.images)]
    data, _ = from_tables(workspace.read("ratings"), workspace.read("comparisons"), names)
    train, held_out = splits.by_image(data, seed=2, shares=(0.8, 0.2))
    whole = bayes.fit(train, held_out, RATERS.vectors(), CONFIG, encoder_id=ENCODER, seed=2)

    taste = TasteConfig(kind="bayes", bayes=CONFIG)
    parts, judged = _people.many(workspace, taste, []) or ([], JudgedPeople(0, ()))
    job = _people.PeopleJob(workspace, parts, judged, taste, ENCODER, ("attractive",), held_out=0.2, seed=2, block=16)
    assert (judged.people, job.blocks) == (120, 8)
    result = _people.fit(job, Place.at(tmp_path / "model"), Place.at(tmp_path / "scratch"))
    assert result.judgements == (len(train), len(held_out))
    assert list(Place.at(tmp_path / "scratch").files()) == []
    found = result.taste.with_shards(result.shards)
    assert set(found.info.people) == set(data.people)
    assert found.chosen[0] == pytest.approx(whole.chosen[0], abs=1e-6)
    assert found.priors[0].scale == pytest.approx(whole.priors[0].scale, abs=1e-6)
    np.testing.assert_allclose(found.priors[0].covariance, whole.priors[0].covariance, atol=1e-6)
    for user_id in data.people:
        one, other = (each.posterior(user_id, "attractive") for each in (found, whole))
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
        np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-6)


def test_train_predict_and_evaluate_do_with_many_people(
    small_ray: ModuleType, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = [f"workspace={workspace.place.uri}", f"encoder_id={ENCODER}"]
    assert main(["train", "taste=bayes", "name=ours", *WORDS, *place]) == 0
    metrics = newest(workspace, "train")
    assert metrics["people.known"] == 120
    assert metrics["judgements"] > metrics["judgements.held_out"] > 0
    assert 0 < metrics["trust.mean"] < 1
    assert metrics["people"] > 10
    assert {"accuracy.personal", "gain.mean", "kind", "encoder_id"} <= metrics.keys()
    card = taste_registry.read(workspace.models, "ours", encoder_id=ENCODER).card
    assert card["people"]["people"] == 120
    assert card["figures"]["accuracy.personal"] == metrics["accuracy.personal"]

    said = {}
    for user in ("person-00000007", "a stranger"):
        assert main(["predict", "taste=ours", f"user={user}", "attribute=attractive", *place]) == 0
        said[user] = capsys.readouterr().out.splitlines()[2:12]
    assert len(said["a stranger"]) == 10
    assert said["person-00000007"] != said["a stranger"]

    assert main(["evaluate", "taste=bayes", "people=30", *WORDS, *place]) == 0
    assert 15 < newest(workspace, "evaluate")["people"] < 45


def test_what_many_people_can_not_be_asked_is_said_in_one_line(
    small_ray: ModuleType, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "taste=bayes", *WORDS, f"workspace={workspace.place.uri}"]
    assert main([*words, f"encoder_id={ENCODER}", "attributes=[pretty]"]) == 2
    assert "attributes judged: attractive" in capsys.readouterr().err.strip().splitlines()[-1]
    assert main([*words, "encoder_id=nothing"]) == 2
    assert "beholder embed" in capsys.readouterr().err.strip().splitlines()[-1]
