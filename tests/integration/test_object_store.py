"""Images and workspace in an S3, here moto's on loopback."""

import pytest

from beholder.cli import main
from beholder.embedding import embeddings
from beholder.storage import Place
from beholder.workspace import Workspace


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
