"""`beholder study new FILE`: a study made from its YAML file; `template=FILE` writes one to begin from."""

from dataclasses import dataclass
from typing import ClassVar

from beholder.commands._person_image import CHOICES
from beholder.config import setting
from beholder.errors import ConfigError, StudyError
from beholder.images import ImageLimits
from beholder.recommending.components import open_store
from beholder.runs import Run
from beholder.storage import Place
from beholder.studies.study_config import read_study
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.studies.study_template import TEMPLATE
from beholder.workspace import Workspace

_MOST = 1_000_000  # bytes of a study's file


@dataclass(frozen=True)
class StudyNewSettings:
    positional: ClassVar[tuple[str, ...]] = ("file",)
    file: str | None = setting(None, "the study's YAML file")
    template: str | None = setting(None, "instead: write a file with every setting explained, to begin from")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    limits: ImageLimits = setting(ImageLimits(), "what an image may cost")

    def __post_init__(self) -> None:
        if (self.file is None) == (self.template is None):
            raise ConfigError("give the study's file, `beholder study new faces.yaml`, or template=faces.yaml to have one written")


def main(settings: StudyNewSettings, run: Run) -> None:
    if settings.template is not None:
        place = Place.at(settings.template)
        if place.is_file():
            raise StudyError(
                f"{settings.template} is there already; give another name, or `beholder study new {settings.template}`"
            )
        place.write_bytes(TEMPLATE.encode())
        print(f"{settings.template} is written; change it, then `beholder study new {settings.template}`")
        return
    place = Place.at(str(settings.file))
    try:
        study = read_study(place.read_bytes(_MOST).decode(), name=place.name)
    except UnicodeDecodeError:
        raise StudyError(f"{settings.file} is no text in UTF-8") from None
    workspace = Workspace(settings.workspace)
    store = open_store(settings.choices, workspace)
    count = StudyService(StudyStore(store), workspace).create(study, limits=settings.limits)
    store.close()
    run.metrics({"images": count, "trials": study.total})
    print(f"study {study.name}: {count} images, {study.total} trials for each participant")
    print(f"`beholder study open {study.name}` opens it")
