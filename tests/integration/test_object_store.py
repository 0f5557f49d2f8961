"""Images and workspace in an S3, here moto's on loopback."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beholder.cli import main
from beholder.embedding import embeddings
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture
def bucket(small_ray, s3):
    """bucket(path): the URI of a path in a bucket, which names its server itself."""
    import boto3

    boto3.client("s3").create_bucket(Bucket="faces")
    return lambda path: f"s3://faces/{path}?scheme=http&endpoint_override={s3}&region=us-east-1"


def test_embed_from_and_into_a_bucket(bucket, pictures, tiny_encoder):
    for file in sorted(pictures(7).iterdir()):
        (Place.at(bucket("in")) / file.name).write_bytes(file.read_bytes())
    words = ["embed", f"images={bucket('in')}", f"workspace={bucket('work')}", *tiny_encoder, "encoder.batch_size=3"]
    assert main(words) == 0

    workspace = Workspace(bucket("work"))
    folder = workspace.place / "embeddings"
    (encoder_id,) = {entry.path.split("/")[0] for entry in folder.files()}
    assert embeddings.read(workspace.embeddings(encoder_id)).image_ids == [f"{at:03d}.jpg" for at in range(7)]
    runs = {entry.path.split("/")[-1] for entry in (workspace.place / "runs").files()}
    assert {"config.yaml", "metrics.json", "summary.md", "log.txt", "environment.json"} <= runs


def test_every_command_works_on_a_workspace_in_a_bucket(bucket, tmp_path, capsys):
    """import -> embeddings imported -> train -> tune -> evaluate -> predict: what each writes, the next one reads."""
    traits = pd.read_csv(SAMPLE / "traits.csv")
    vectors = traits.select_dtypes("number").to_numpy(np.float32)
    ids = [f"images/{name}.webp" for name in traits["name"]]
    np.savez(tmp_path / "vectors.npz", allow_pickle=False, **dict(zip(ids, vectors, strict=True)))
    workspace = "s3://faces/walk"  # its server is named by the environment
    common = (f"workspace={workspace}", "encoder_id=traits")

    def run(*words: str) -> Place:
        """The run folder of a command that succeeded."""
        assert main([*words]) == 0
        return Place.at(capsys.readouterr().out.splitlines()[-1])

    run("import", f"source={SAMPLE}", common[0])
    run("import", f"embeddings={tmp_path}/vectors.npz", *common)
    quick = ("attributes=[attractive]", "taste.mlp.fit.epochs=1", *common)
    runs = [
        run("train", "taste=mlp", "name=net", "train.resume=true", *quick),
        run("tune", "taste=mlp", "tune.num_samples=1", *quick),
        run("evaluate", "taste=population", *quick),
        run("predict", "taste=net", "attribute=attractive", *common),
    ]
    for place in runs:
        assert place.uri.startswith(f"{workspace}/runs/")
        assert {"metrics.json", "results.csv", "summary.md", "log.txt"} <= {entry.path for entry in place.files()}
    assert taste_registry.names(Workspace(workspace).models) == ["net"]
