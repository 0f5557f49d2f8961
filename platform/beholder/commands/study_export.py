"""`beholder study export NAME folder=DIR`: a study's answers as files that `beholder import` reads."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from beholder.commands._person_image import CHOICES
from beholder.config import required, setting
from beholder.errors import ConfigError
from beholder.recommending.components import required_store
from beholder.runs import Run
from beholder.storage import Place
from beholder.studies.answer_files import FORMATS, write_export
from beholder.studies.study_records import ParticipantRecord
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_PARTICIPANTS = "participants.csv"


@dataclass(frozen=True)
class StudyExportSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study export faces",
        "beholder study export faces format=xlsx folder=answers",
    )
    run_folder: ClassVar[str] = "found"
    positional: ClassVar[tuple[str, ...]] = ("name",)
    name: str = required("the study")
    folder: str | None = setting(None, "folder or URI to write to; null: a folder of the study's name")
    format: str = setting("csv", f"{', '.join(FORMATS)}; xlsx: in the schema of labelling tools")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")


def main(settings: StudyExportSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    store = required_store(settings.choices, workspace)
    service = StudyService(StudyStore(store), workspace)
    service.import_answers()
    study, trials = service.store.study(settings.name), service.store.trials(settings.name)
    people = service.store.participants(settings.name)
    store.close()
    images = workspace.read("images")
    uris = dict(zip(images["image_id"].to_pylist(), images["uri"].to_pylist(), strict=True))
    place = Place.at(settings.folder or settings.name)
    files = write_export(place, study, trials, uris, format=settings.format)
    (place / _PARTICIPANTS).write_bytes(_participants(people))
    run.metrics({"participants": len(people), "trials": len(trials), "files": len(files) + 1})
    print(f"{len(trials)} trials of {len(people)} participants -> {place.uri}: {', '.join([*files, _PARTICIPANTS])}")


def _participants(people: Sequence[ParticipantRecord]) -> bytes:
    """Return who took part, how many attention checks they passed, and their questionnaires, as CSV."""
    fields = list(dict.fromkeys(f"{part}.{name}" for each in people for part, form in each.forms.items() for name in form))
    head = ["user_id", "study", "external_id", "lang", "joined_at", "finished_at", "trials", "checks", "checks_passed"]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*head, *fields], lineterminator="\n", restval="")
    writer.writeheader()
    for each in people:
        answers = {f"{part}.{name}": value for part, form in each.forms.items() for name, value in form.items()}
        writer.writerow({name: getattr(each, name) for name in head} | answers)
    return out.getvalue().encode()
