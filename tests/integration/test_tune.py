"""`beholder tune` on a real Ray: end to end, killed and gone on with, and the bench at a small size."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.process_group import kill_group

from beholder.cli import main

PEOPLE, IMAGES, DIMS = 6, 120, 8


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """The words that name comparisons of simulated people with linear tastes, and the embeddings."""
    folder = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(0)
    items, tastes = rng.normal(size=(IMAGES, DIMS)).astype(np.float32), 2 * rng.normal(size=(PEOPLE, DIMS))
    rows = []
    for person in range(PEOPLE):
        for _ in range(600):
            left, right = rng.choice(IMAGES, 2, replace=False)
            gap = tastes[person] @ (items[left] - items[right]) + rng.logistic()
            rows.append((f"p{person}", f"{left:03d}", f"{right:03d}", "kind", "left" if gap > 0 else "right"))
    columns = ["user_id", "left_id", "right_id", "attribute", "choice"]
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(rows, columns=columns)), folder / "comparisons.parquet")
    embedded = {"image_id": [f"{at:03d}" for at in range(IMAGES)], "embedding": list(items)}
    pq.write_table(pa.table(embedded), folder / "embeddings.parquet")
    return [f"comparisons={folder / 'comparisons.parquet'}", f"embeddings={folder / 'embeddings.parquet'}"]


def words(files: list[str], workspace: Path, *more: str) -> list[str]:
    small = ["taste.mlp.fit.epochs=12", "taste.mlp.fit.batch=64", "taste.mlp.fit.device=cpu", "tune.max_concurrent_trials=1"]
    return ["tune", "taste=mlp", *files, f"workspace={workspace}", *small, *more]


def run_of(workspace: Path) -> Path:
    """The last run's folder."""
    return sorted((workspace / "runs").iterdir())[-1]


def test_a_search_from_judgements_to_a_page(small_ray, files, tmp_path, capsys):
    interrupt = signal.getsignal(signal.SIGINT)
    assert main(words(files, tmp_path, "tune.num_samples=4")) == 0
    assert signal.getsignal(signal.SIGINT) is interrupt  # what follows a search ends at once at Ctrl-C
    run = run_of(tmp_path)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["people"] == PEOPLE
    assert metrics["settings"] == 4
    assert metrics["accuracy.reported.pooled"] > 0.7  # linear tastes in 8 dimensions are there to be found
    people, trials = pd.read_csv(run / "results.csv"), pd.read_csv(run / "trials.csv")
    assert people["user_id"].tolist() == [f"p{person}" for person in range(PEOPLE)]
    assert set(people["kept"]) <= {"own", "pooled"}
    assert trials["best_for"].sum() == trials["kept_by"].sum() == PEOPLE
    best = trials["setting"][trials["accuracy.chosen"].argmax()]
    assert metrics["pooled"] == best
    page = (run / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert all((run / "figures" / f"{name}.png").is_file() for name in ("parallel", "slices", "luck"))
    assert f"taste.mlp.{metrics['pooled.setting'].split()[0]}" in page
    # the same command again finds its search done, and says the same
    assert main(words(files, tmp_path, "tune.num_samples=4")) == 0
    again = run_of(tmp_path)
    assert again != run
    pd.testing.assert_frame_equal(pd.read_csv(again / "results.csv"), people)
    assert len(list((tmp_path / "tune").iterdir())) == 1


def test_one_model_for_all_per_setting(small_ray, files, tmp_path):
    assert main(words(files, tmp_path, "tune=mlp_shared", "tune.num_samples=2", "tune.grace_period=12")) == 0
    metrics = json.loads((run_of(tmp_path) / "metrics.json").read_text())
    assert metrics["settings"] == 2
    assert 0 <= metrics["accuracy.reported.pooled"] <= 1


def test_a_killed_search_goes_on(files, tmp_path):
    """Killed with trials done, the same command keeps those and does the rest."""
    more = ("tune.num_samples=6", "ray.address=local", "ray.num_cpus=1")
    command = [sys.executable, "-m", "beholder", *words(files, tmp_path, *more)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while not stopped_with_trials_done(first, tmp_path):
        assert first.poll() is None, "the search was over before it could be killed"
        assert time.monotonic() < deadline, "Tune kept no search with two trials done"
        time.sleep(0.1)
    kill_group(first)
    before = {path: path.stat().st_mtime_ns for path in marks(tmp_path)}
    assert before
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(run_of(tmp_path) / "trials.csv")) == 6
    kept = [path for path, at in before.items() if path.exists() and path.stat().st_mtime_ns == at]
    assert len(kept) >= 2  # these were not fitted again
    assert len(list((tmp_path / "tune").glob("*/attempt_*"))) == 6
    assert "going on with" in (run_of(tmp_path) / "log.txt").read_text()


def stopped_with_trials_done(search: subprocess.Popen, workspace: Path) -> bool:
    """Stop a search where what Tune itself keeps of it has two trials done and every trial that was begun."""
    if not trials_are_kept(workspace):
        return False
    os.killpg(search.pid, signal.SIGSTOP)  # so that none begins between the look and the kill
    if trials_are_kept(workspace):
        return True
    os.killpg(search.pid, signal.SIGCONT)
    return False


def trials_are_kept(workspace: Path) -> bool:
    begun = {path.name.split("_")[1] for path in (workspace / "tune").glob("*/attempt_*")}
    try:
        (path,) = (workspace / "tune").glob("*/experiment_state-*.json")
        kept = [json.loads(trial) for trial, _ in json.loads(path.read_text())["trial_data"]]
    except ValueError:  # not there, or not whole: it is being written
        return False
    done = [trial for trial in kept if trial["status"] == "TERMINATED"]
    return len(done) >= 2 and begun <= {trial["trial_id"] for trial in kept}


def marks(workspace: Path) -> list[Path]:
    return list((workspace / "tune").glob("*/attempt_*/checkpoint_*/marks.npz"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["tune.apart=true", "taste=bayes"], "tune.apart"),
        (["tune.num_samples=0"], "tune.num_samples"),
        (["shares=[0.5,0.5]"], "three numbers"),
        (["tune.least=100000"], "nobody has 100000"),
        (["tune.space={dropout: {unifrom: [0, 1]}}"], "uniform"),
    ],
)
def test_what_is_refused(files, tmp_path, capsys, more, said):
    assert main([*words(files, tmp_path), *more]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.soak
def test_the_bench_at_a_small_size(small_ray, tmp_path):
    small = ["people=4", "settings=2", "sample=3", "judgements=40", "dims=16", "images=40", "mlp.fit.epochs=3"]
    assert main(["bench", "tune", f"workspace={tmp_path}", *small]) == 0
    metrics = json.loads((run_of(tmp_path) / "metrics.json").read_text())
    assert (metrics["people"], metrics["settings"], metrics["sample"]) == (4, 2, 3)
    assert metrics["fits_per_minute.stacked"] == pytest.approx(60 * 8 / metrics["seconds.stacked"])
    assert metrics["ratio"] == pytest.approx(metrics["fits_per_minute.stacked"] / metrics["fits_per_minute.single"])
    assert abs(metrics["accuracy.difference"]) < 1e-6  # the same people and settings come to the same
