"""`beholder choices`: what people chose: counted, written as interactions.csv, read from it, or a person forgotten."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pandas as pd

from beholder import identifiers
from beholder.commands._person_image import CHOICES
from beholder.config import setting
from beholder.errors import ChoiceError, ConfigError
from beholder.recommending.components import existing_store, open_store, required_store
from beholder.recommending.service import erase
from beholder.recommending.store import interactions
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.person_owners import PersonOwners
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace


@dataclass(frozen=True)
class ChoicesSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder choices",
        "beholder choices write=interactions.csv",
        "beholder choices forget=anna",
    )
    write: str | None = setting(None, "write everything to this file, as interactions.csv")
    read: str | None = setting(None, "read a file of this kind; what is there already is counted once")
    forget: str | None = setting(None, "remove everything of this person: choices, images, their part in tastes", private=True)
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    @property
    def run_folder(self) -> str:
        """What is read in is noted; a list leaves nothing where nothing is."""
        return "found" if self.read is None else "always"

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.write, self.read, self.forget)) > 1:
            raise ConfigError("give one of write=FILE, read=FILE and forget=USER at a time")


def main(settings: ChoicesSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    if settings.forget is not None:
        store = _store_to_forget_in(settings, workspace)
        name = settings.forget  # as it is where somebody is stored so, since before names were brought to NFC
        name = name if PersonOwners(store).known(name) else identifiers.normalized(name)
        report = erase(store, workspace, name, judgements=True)
        store.close()
        run.metrics({name: getattr(report, name) for name in ("questions", "answers", "images")} | {"tastes": len(report.tastes)})
        print(identifiers.shown("\n".join([*report.places, str(report)])))
        return
    if settings.read is not None:
        data = Place.at(settings.read).read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise ChoiceError(f"{settings.read} is no text in UTF-8") from None
        asked = interactions.read(text, at=datetime.now(UTC))
        store = open_store(settings.choices, workspace)
        new = store.add(asked)
        store.close()
        run.metrics({"questions": len(asked), "answers.new": new})
        print(f"{len(asked)} questions read, {new} answers new")
        return
    found = existing_store(settings.choices, workspace) if settings.write is None else required_store(settings.choices, workspace)
    if found is None:
        run.metrics({"people": 0, "choices": 0, "unanswered": 0})
        print("no choices yet; `beholder ask` and `beholder serve` collect some; workspace=FOLDER or choices=URL looks elsewhere")
        return
    choices, people = found.choices(), found.people()
    unanswered = [question for user_id in people for question in found.open_questions(user_id)]
    found.close()
    if settings.write is not None:
        Place.at(settings.write).write_bytes(interactions.write(choices, unanswered).encode())
    counts = Counter(choice.question.user_id for choice in choices)
    left = Counter(question.user_id for question in unanswered)
    table = pd.DataFrame(
        [{"user_id": user_id, "choices": counts[user_id], "unanswered": left[user_id]} for user_id in people],
        columns=["user_id", "choices", "unanswered"],
    )
    run.results(table)
    run.metrics({"people": len(table), "choices": len(choices), "unanswered": len(unanswered)})
    where = f" -> {settings.write}" if settings.write else ""
    print(f"{len(choices)} choices of {len(table)} people, {len(unanswered)} questions not answered yet{where}")


def _store_to_forget_in(settings: ChoicesSettings, workspace: Workspace) -> Store:
    """Open the store; made where there is a workspace without one, whose tables and tastes may know the person."""
    there = not workspace.place.is_local or next(workspace.place.files(), None) is not None
    return open_store(settings.choices, workspace) if there else required_store(settings.choices, workspace)
