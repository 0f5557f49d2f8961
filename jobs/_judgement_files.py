"""Judgement files: a workspace's tables of judgements as files, divided into blocks of people by Ray tasks."""

from collections.abc import Sequence
from typing import Any

import ray

from beholder.jobs import _placement
from beholder.progress import Progress
from beholder.storage import Place
from beholder.table_log import REMOVED
from beholder.taste import judgement_partitions
from beholder.taste.judgement_partitions import Kind, PartitionFile, PartitionKey, TablePart
from beholder.workspace import Workspace

ROWS = 1_000_000  # of a table of judgements that a task divides, about
Ref = Any  # a reference into Ray's store; Ray's own type stands for what it refers to


def table_parts(workspace: Workspace) -> list[TablePart]:
    """Return the files of judgements of a workspace; none where some say what was removed: then tables are read whole."""
    places: dict[Kind, list[Place]] = {"ratings": [], "comparisons": []}
    for kind in places:
        places[kind] = workspace.table(kind).parts()
    if any(place.name.endswith(REMOVED) for each in places.values() for place in each):
        return []
    return judgement_partitions.table_parts(places)


def none_there(workspace: Workspace) -> str:
    """Return what is said of a workspace without judgements."""
    return f"{workspace.place.uri} has no judgements; beholder import source=DIR reads them"


def divide(parts: Sequence[TablePart], key: Ref, scratch: Place) -> list[PartitionFile]:
    """Divide the tables of judgements by people, a few row groups in each task. key: a reference to a PartitionKey."""
    tasks = []
    for number, part in enumerate(parts):
        for groups in _together(part.rows, ROWS):
            tasks.append(_partition.remote(part, groups, scratch / f"{number:06d}-{groups[0]:06d}.parquet", key))
    with Progress("divide judgements", total=len(tasks), unit="tasks") as progress:
        files: dict[str, PartitionFile] = {}
        for each in _placement.as_completed(tasks):
            files[each.place.path] = each
            progress.advance()
    return [files[path] for path in sorted(files)]  # in the order of the tables, whichever task was done first


def _together(rows: Sequence[int], most: int) -> list[list[int]]:
    """Return the numbers of row groups in parts of about so many rows."""
    parts: list[list[int]] = []
    count = most
    for group, size in enumerate(rows):
        if count + size > most:
            parts.append([])
            count = 0
        parts[-1].append(group)
        count += size
    return parts


@ray.remote(num_cpus=1)
def _partition(part: TablePart, groups: list[int], target: Place, key: PartitionKey) -> PartitionFile:
    return judgement_partitions.partition(part, groups, target, key)
