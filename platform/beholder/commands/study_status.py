"""`beholder study status [NAME]`: how far a study is and how balanced; `beholder study close NAME` closes it as well."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import pandas as pd

from beholder.commands._person_image import CHOICES
from beholder.config import setting
from beholder.recommending.components import existing_store, required_store
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.studies.study_records import StudyStatus
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace


@dataclass(frozen=True)
class StudyStatusSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study status",
        "beholder study status faces",
    )
    run_folder: ClassVar[str] = "found"
    positional: ClassVar[tuple[str, ...]] = ("name",)
    name: str | None = setting(None, "the study; null: all studies")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")


def main(settings: StudyStatusSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    store = (existing_store if settings.name is None else required_store)(settings.choices, workspace)
    if store is None:
        report([], run)
        return
    service = StudyService(StudyStore(store), workspace)
    names = service.store.names() if settings.name is None else [settings.name]
    found = [service.status(name) for name in names]
    service.import_answers()
    store.close()
    report(found, run)


def report(found: list[StudyStatus], run: Run) -> None:
    """Print how far studies are, and write it into the run folder."""
    if not found:
        print("no study yet; `beholder study new template=study.yaml` writes a file to begin from")
        return
    plain = [{name: value for name, value in asdict(each).items() if name != "balance"} for each in found]
    run.results(pd.DataFrame(plain))
    balance = [{"study": each.name, **asdict(block)} for each in found for block in each.balance]
    run.metrics({f"{row['name']}.{key}": value for row in plain for key, value in row.items() if key != "name"} | _flat(balance))
    columns = list(balance[0])
    lines = markdown_table(columns, [[row[name] for name in columns] for row in balance])
    run.summary("# Studies\n\n" + "\n".join(lines) + "\n")
    for each in found:
        print(
            f"{each.name}: {each.state}; {each.joined} joined, {each.finished} finished, {each.active} there now, "
            f"{each.invited} invited and not come; {each.answers} answers, {each.not_sure} of them not sure, "
            f"median {each.median_ms / 1000:.1f} s; {each.checks_passed} of {each.checks} attention checks passed"
        )
        for block in each.balance:
            pairs = f"; each pair {block.pairs_least} to {block.pairs_most} times" if block.pairs else ""
            print(f"  {block.block}: each of {block.images} images shown {block.least} to {block.most} times{pairs}")


def _flat(balance: list[dict[str, object]]) -> dict[str, object]:
    keys = ("images", "least", "most", "pairs_least", "pairs_most", "left_share")
    return {f"{row['study']}.{row['block']}.{key}": row[key] for row in balance for key in keys}
