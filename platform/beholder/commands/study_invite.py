"""`beholder study invite NAME count=40`: links of their own for so many participants, written once."""

import csv
import io
from dataclasses import dataclass
from typing import ClassVar

from beholder.commands._person_image import CHOICES
from beholder.config import required, setting
from beholder.errors import ConfigError, StudyError
from beholder.recommending.components import required_store
from beholder.runs import Run
from beholder.storage import Place
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_MOST = 100_000


@dataclass(frozen=True)
class StudyInviteSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study invite faces count=30",
        "beholder study invite faces count=5 address=https://study.example.org write=links.csv",
    )
    run_folder: ClassVar[str] = "found"
    positional: ClassVar[tuple[str, ...]] = ("name",)
    name: str = required("the study")
    count: int = setting(1, "how many links")
    address: str = setting("http://127.0.0.1:8000", "where participants reach the service")
    write: str | None = setting(None, "write the links to this .csv file; null: print them")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _MOST:
            raise ConfigError(f"count must be between 1 and {_MOST:,}, got {self.count}")
        if not self.address.startswith(("http://", "https://")):
            raise ConfigError(f"address must begin with http:// or https://, got {self.address!r}")


def main(settings: StudyInviteSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    if settings.write is not None and Place.at(settings.write).is_file():
        raise StudyError(f"{settings.write} is there already, and may hold links that are not kept elsewhere; give another name")
    store = required_store(settings.choices, workspace)
    tokens = StudyStore(store).invite(settings.name, settings.count)
    store.close()
    links = [f"{settings.address.rstrip('/')}/study/{settings.name}#{token}" for token in tokens]
    run.metrics({"links": len(links)})
    if settings.write is None:
        print("\n".join(links))
        print("are the links of one participant each; keep them: they are not shown again")
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["link"], *([link] for link in links)])
    Place.at(settings.write).write_bytes(out.getvalue().encode())
    print(f"{len(links)} links of one participant each -> {settings.write}; they are not kept elsewhere")
