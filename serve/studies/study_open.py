"""`beholder study open NAME`: a study opened and served at /study/NAME, alone or beside all that `beholder serve` serves."""

from dataclasses import dataclass
from typing import ClassVar

from beholder import process
from beholder.config import required, setting
from beholder.recommending.components import open_store
from beholder.runs import Run
from beholder.serve import api
from beholder.serve import run as serve_run
from beholder.serve.settings import ServeSettings
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class StudyOpenSettings(ServeSettings):
    common: ClassVar[tuple[str, ...]] = (
        "name",
        "host",
        "port",
        "local",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study open faces",
        "beholder study open faces host=0.0.0.0 port=8080 local=true",
    )
    positional: ClassVar[tuple[str, ...]] = ("name",)
    name: str = required("the study")
    alone: bool = setting(True, "serve studies and nothing else, in this process; false: everything that `beholder serve` serves")


def main(settings: StudyOpenSettings, run: Run) -> None:
    settings.check_access()
    if settings.alone:
        process.check_port(settings.host, settings.port)
    store = open_store(settings.choices, Workspace(settings.workspace))
    studies = StudyStore(store)
    studies.set_state(settings.name, "open")
    join = studies.study(settings.name).config.join
    store.close()
    address = " or ".join(f"{each}study/{settings.name}" for each in serve_run.addresses(settings))
    how = "" if join == "anybody" else f", by links of `beholder study invite {settings.name}`"
    print(f"study {settings.name} is open: {address}{how}; Ctrl-C ends the service, `beholder study close` the study", flush=True)
    if not settings.alone:
        serve_run.main(settings, run)
        return
    import uvicorn

    from beholder.serve.security.slow_heads import PromptHeadProtocol

    app = api.of_studies(settings)
    uvicorn.run(app, host=settings.host, port=settings.port, http=PromptHeadProtocol, log_level="warning", access_log=False)
