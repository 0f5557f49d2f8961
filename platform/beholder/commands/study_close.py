"""`beholder study close NAME`: nobody joins and nothing new is shown any more; what is on show may still be answered."""

from dataclasses import dataclass
from typing import ClassVar

from beholder.commands import study_status
from beholder.commands._person_image import CHOICES
from beholder.config import required, setting
from beholder.recommending.components import required_store
from beholder.runs import Run
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace


@dataclass(frozen=True)
class StudyCloseSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study close faces",
        "beholder study close faces workspace=team",
    )
    run_folder: ClassVar[str] = "found"
    positional: ClassVar[tuple[str, ...]] = ("name",)
    name: str = required("the study")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")


def main(settings: StudyCloseSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    store = required_store(settings.choices, workspace)
    service = StudyService(StudyStore(store), workspace)
    if not service.store.set_state(settings.name, "closed"):
        print(f"study {settings.name} was closed already; `beholder study open {settings.name}` opens it again")
    service.import_answers()
    status = service.status(settings.name)
    store.close()
    study_status.report([status], run)
