"""`beholder predict`: images ranked by tastes of the registry, on attributes and in words, here and spread by Ray Data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from beholder import cli, config, images, tables
from beholder.encoder import Encoder, EncoderConfig
from beholder.jobs import predict
from beholder.taste import taste_factory, taste_registry
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.lora import LoraConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig
from beholder.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "images"


@pytest.fixture(scope="module")
def encoder() -> EncoderConfig:
    settings = config.load(predict.PredictSettings, command="predict", overrides=["taste=x", "attribute=x"])
    return settings.encoder


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([images.decode(path.read_bytes()) for path in sorted(SAMPLE.glob("*.webp"))[:24]])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderConfig, pixels: np.ndarray) -> str:
    """24 portraits; a taste "words" that looks at them and a taste "plain" on embeddings, from two people who disagree."""
    place = Workspace(str(tmp_path_factory.mktemp("predict")))
    paths = sorted(SAMPLE.glob("*.webp"))[:24]
    rows = [{"image_id": path.stem, "uri": str(path)} for path in paths]
    place.write("images", pa.Table.from_pylist(rows, schema=tables.IMAGES))
    left, right = np.triu_indices(24, 1)
    person = np.arange(len(left)) % 2
    none = np.zeros(0, np.int64)
    said = ComparisonTable(person, left, right, np.zeros(len(left), np.int64), (person == 0).astype(np.float32))
    evidence = JudgementDataset(
        ("ana", "bo"),
        tuple(row["image_id"] for row in rows),
        ("smart",),
        RatingTable(none, none, none, none.astype(np.float32)),
        said,
    )
    held_out = evidence.where(none, np.arange(0, len(left), 5))
    adapted = LoraConfig(encoder=encoder, person="text", blocks=1, alpha=8, fit=TrainingConfig(epochs=2, batch=64))
    for name, settings, items in (
        ("words", TasteConfig(kind="lora", lora=adapted), pixels),
        ("plain", TasteConfig(kind="population"), Encoder.load(encoder).images(pixels)),
    ):
        taste = taste_factory.fit(evidence, held_out, items, settings, encoder_id=encoder.encoder_id())
        taste_registry.write(place.models, name, taste, figures={}, config={}, commit=None)
    return place.place.uri


def said(workspace: str, *words: str) -> pd.DataFrame:
    before = set((Path(workspace) / "runs").glob("*"))
    assert cli.main(["predict", *words, f"workspace={workspace}"]) == 0
    (run,) = set((Path(workspace) / "runs").glob("*")) - before
    assert "## Top" in (run / "summary.md").read_text()
    return pd.read_csv(run / "results.csv")


def test_a_question_in_words_ranks_every_image(workspace: str, pixels: np.ndarray) -> None:
    found = said(workspace, "taste=words", "question=who looks happier?", "user=ana")
    taste = taste_registry.read(Workspace(workspace).models, "words").taste
    expected = taste.utilities(pixels, ["ana"], "happier")[0]
    names = [path.stem for path in sorted(SAMPLE.glob("*.webp"))[:24]]
    assert found["image_id"].tolist() == [names[row] for row in np.argsort(-expected, kind="stable")]
    assert found["rank"].tolist() == list(range(1, 25))
    np.testing.assert_allclose(found["utility"], np.sort(expected)[::-1], atol=1e-4)


def test_who_is_asked_counts(workspace: str) -> None:
    ana, bo, nobody = (
        said(workspace, "taste=words", "attribute=smart", user).set_index("image_id")["utility"]
        for user in ("user=ana", "user=bo", "user=null")
    )
    assert ana.corr(nobody) > ana.corr(bo)
    assert not np.allclose(ana, bo.loc[ana.index])


def test_a_few_by_their_ids_and_a_folder(workspace: str) -> None:
    few = said(workspace, "taste=plain", "attribute=smart", "images=portrait-0003,portrait-0001")
    assert set(few["image_id"]) == {"portrait-0003", "portrait-0001"}
    folder = said(workspace, "taste=plain", "attribute=smart", f"images={SAMPLE}/portrait-000*.webp")
    assert len(folder) == 10
    both = few.merge(folder, on="image_id")
    assert len(both) == 2
    np.testing.assert_allclose(both["utility_x"], both["utility_y"], atol=1e-4)


def test_spread_by_ray_it_is_the_same(workspace: str, small_ray: object) -> None:
    here = said(workspace, "taste=words", "question=looks happy")
    there = said(workspace, "taste=words", "question=looks happy", "cluster_from=1", "actors=1")
    assert there["image_id"].tolist() == here["image_id"].tolist()
    np.testing.assert_allclose(there["utility"], here["utility"], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["taste=plain", "question=looks happy"],
            "knows the attributes smart and can't answer a question in words; here words can",
        ),
        (["taste=plain", "attribute=smrat"], "did you mean smart?"),
        (["taste=words", "attribute=happy"], "'happy' is not an attribute of this lora taste"),
        (["taste=wrods", "attribute=smart"], "did you mean words?"),
        (["taste=words"], "either attribute=NAME or question="),
        (["taste=words", "attribute=smart", "encoder.size=64"], "was fitted to embeddings of"),
    ],
)
def test_what_is_refused(workspace: str, capsys: pytest.CaptureFixture, words: list[str], says: str) -> None:
    assert cli.main(["predict", *words, f"workspace={workspace}"]) == 2
    assert says in capsys.readouterr().err
