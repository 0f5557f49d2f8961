"""Answers of a study as files that `beholder import` reads: the .xlsx schema, CSV and Parquet."""

import io
from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

from beholder import tables
from beholder.errors import StudyError
from beholder.storage import Place
from beholder.studies.design import CHECK
from beholder.studies.judgement_log import judgement_tables
from beholder.studies.stored_study import StoredStudy
from beholder.studies.study_config import RATINGS
from beholder.studies.study_records import StudyTrial

FORMATS = ("csv", "parquet", "xlsx")
_CHOICES = {"left": 1, "right": 2, "tie": 0}


def write_export(
    folder: Place,
    study: StoredStudy,
    trials: Sequence[StudyTrial],
    uris: Mapping[str, str],
    *,
    format: str,
) -> list[str]:
    """Write a study's answers into a folder; returns the names of the files.

    uris: of the images, by image_id. csv and parquet: ratings, comparisons, images, responses; xlsx: big_data, big_label,
    big_compares, big_compare_label.

    Raises StudyError for a scale that the .xlsx schema does not have.
    """
    if format == "xlsx":
        files = {name: _workbook(frame) for name, frame in _sheets(study, trials, uris).items()}
    else:
        rows = {**judgement_tables(trials), "images": _images(study, uris)}
        files = {f"{name}.{format}": _file(table, format) for name, table in rows.items() if table.num_rows}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return list(files)


def _images(study: StoredStudy, uris: Mapping[str, str]) -> pa.Table:
    rows = [{"image_id": image_id, "uri": uris.get(image_id, image_id)} for image_id, _ in study.images]
    return pa.Table.from_pylist(rows, schema=tables.IMAGES)


def _file(table: pa.Table, format: str) -> bytes:
    buffer = io.BytesIO()
    if format == "parquet":
        table.to_pandas().to_parquet(buffer, index=False)
    else:
        frame = table.to_pandas()
        for name in ("at",):
            if name in frame:
                frame[name] = [at.isoformat() for at in frame[name]]
        frame.to_csv(buffer, index=False)
    return buffer.getvalue()


def _sheets(study: StoredStudy, trials: Sequence[StudyTrial], uris: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    scale = study.config.ratings
    if RATINGS in study.config.blocks and not 1 <= scale.low < scale.high <= 4:
        raise StudyError(
            f"the .xlsx schema has ratings of 1 to 4, and this study's are {scale.low} to {scale.high}: use format=csv or parquet"
        )
    data = [{"_id": image_id, "data_image_part": uris.get(image_id, image_id)} for image_id, _ in study.images]
    sheets = {"big_data.xlsx": pd.DataFrame(data)}
    judged = [trial for trial in trials if trial.role != CHECK and any(answer.value != "not_sure" for answer in trial.answers)]
    ratings = [trial for trial in judged if trial.right_id is None]
    if ratings:
        sheets["big_label.xlsx"] = pd.DataFrame([_row(trial, trial.left_id) for trial in ratings])
    pairs = [trial for trial in judged if trial.right_id is not None]
    if pairs:
        names: dict[tuple[str, str], str] = {}
        for trial in pairs:
            names.setdefault((trial.left_id, str(trial.right_id)), f"pair-{len(names) + 1}")
        shown = [{"_id1": left, "_id2": right, "name": name} for (left, right), name in names.items()]
        sheets["big_compares.xlsx"] = pd.DataFrame(shown)
        rows = [_row(trial, names[trial.left_id, str(trial.right_id)]) for trial in pairs]
        sheets["big_compare_label.xlsx"] = pd.DataFrame(rows)
    return sheets


def _row(trial: StudyTrial, item: str) -> dict[str, object]:
    """Return a row of a label sheet; what somebody was not sure of is an empty cell."""
    row: dict[str, object] = {"_id": trial.trial_id, "user_id": trial.user_id, "item_id": item}
    for answer in trial.answers:
        choice = answer.value if trial.right_id is None else _CHOICES.get(answer.value)
        row[answer.attribute] = None if answer.value == "not_sure" or choice is None else int(choice)
    row |= {"lang": trial.lang, "insert_time": str(trial.answered_at.isoformat() if trial.answered_at else "")}
    return row | {f"response_ms {answer.attribute}": answer.response_ms for answer in trial.answers} | {"role": trial.role}


def _workbook(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_excel(buffer, index=False, sheet_name="data")
    return buffer.getvalue()
