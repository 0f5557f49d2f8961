"""`beholder export`: the embeddings of an encoder -> files that other programs read."""

from dataclasses import dataclass
from typing import ClassVar

from beholder.config import required, setting
from beholder.embedding.exports import WRITERS
from beholder.errors import ConfigError
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace


@dataclass(frozen=True)
class ExportSettings:
    run_folder: ClassVar[str] = "existing"
    examples: ClassVar[tuple[str, ...]] = (
        "beholder export encoder_id=portraits-portraits_clip-d1039154 out=vectors",
        "beholder export encoder_id=mine format=faiss out=vectors.faiss",
    )
    encoder_id: str = required("whose embeddings: the name of a folder of the workspace's embeddings/")
    out: str = required("folder or URI that the files go to")
    format: str = setting("npy", "npy (clip-retrieval's shards with metadata) or faiss (an index; needs beholder[faiss])")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.format not in WRITERS:
            raise ConfigError(f"format must be {' or '.join(WRITERS)}, got {self.format!r}")


def main(settings: ExportSettings, run: Run) -> None:
    count = WRITERS[settings.format](Workspace(settings.workspace), settings.encoder_id, Place.at(settings.out))
    run.metrics({"embeddings": count})
    run.summary(f"# Export\n\n{count} embeddings of {settings.encoder_id} as {settings.format} in {settings.out}.\n")
    print(f"{count} embeddings of {settings.encoder_id} as {settings.format}: {settings.out}")
