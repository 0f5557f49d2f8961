"""Answers of studies as rows of the workspace's tables, so that everything that reads judgements reads them.

Ratings and comparisons hold judgements alone, repetitions among them; `responses` holds every answer, attention checks and "not
sure" as well, with response times. Rows have the trial's id as judgement_id: written twice, they are there once.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from beholder import tables
from beholder.studies.design import CHECK
from beholder.studies.study_config import NOT_SURE
from beholder.studies.study_records import StudyTrial
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_SCHEMAS = {"ratings": tables.RATINGS, "comparisons": tables.COMPARISONS, "responses": tables.RESPONSES}
_MANY = 8  # parts of a table from which on they are merged


def judgement_tables(trials: Sequence[StudyTrial]) -> dict[str, pa.Table]:
    """Return the rows of `ratings`, `comparisons` and `responses` that answered trials are."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
    for trial in trials:
        for answer in trial.answers:
            who = {"judgement_id": trial.trial_id, "user_id": trial.user_id, "attribute": answer.attribute}
            when = {"at": trial.answered_at, "lang": trial.lang}
            rows["responses"].append(
                who
                | when
                | {
                    "study": trial.study,
                    "role": trial.role,
                    "left_id": trial.left_id,
                    "right_id": trial.right_id,
                    "answer": answer.value,
                    "expected": trial.expected,
                    "repeat_of": trial.repeat_of,
                    "place": trial.place,
                    "response_ms": answer.response_ms,
                }
            )
            if trial.role == CHECK or answer.value == NOT_SURE:
                continue
            if trial.right_id is None:
                rows["ratings"].append(who | when | {"image_id": trial.left_id, "score": float(answer.value)})
            else:
                pair = {"left_id": trial.left_id, "right_id": trial.right_id, "choice": answer.value}
                rows["comparisons"].append(who | when | pair)
    return {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in _SCHEMAS.items()}


def import_answers(store: StudyStore, workspace: Workspace) -> int:
    """Write answers that are not in the workspace's tables yet; returns how many trials. Cut off, it can be done again."""
    written = 0
    while trials := store.to_import():
        for name, rows in judgement_tables(trials).items():
            table = workspace.table(name)
            table.append(rows)
            if len(table.parts()) > _MANY:
                table.compact()
        if gone := store.imported(trials):
            remove_answers(workspace, gone)
        written += len(trials)
    return written


def remove_answers(workspace: Workspace, trials: Sequence[StudyTrial]) -> None:
    """Take the answers of somebody who withdrew out of the workspace's tables, and out of the files that these are made of."""
    for name, rows in judgement_tables(trials).items():
        table = workspace.table(name)
        if rows.num_rows and table.parts():
            table.remove(rows)
            table.compact()
