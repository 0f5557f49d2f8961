"""Placement of processes that hold a model on the machines of a cluster, and items worked on by them."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import ray

from beholder import errors
from beholder.ray_connection import quiet_data

Result = TypeVar("Result")
_IN_FLIGHT = 2  # items that wait at Ray or are worked on, for each process: the next one is there when it is done with one
_RETRIES = 20  # times that an item is done again whose process or node was lost
_ERROR = "_error"  # column of a row that is an error: the name of its class


@dataclass(frozen=True)
class Placement:
    """How many processes hold the model, and what each reserves.

    With GPUs: one on each. Without: a one-thread process a core (which is faster than one process with many threads, as these
    wait for each other). cpus_beside: what a light task may reserve that has to find room beside it.
    """

    actors: int
    num_cpus: float
    num_gpus: float
    threads: int
    cpus_beside: float

    @classmethod
    def of(cls, nodes: Sequence[dict[str, float]], *, device: str, items: int, actors: int = 0, share: float = 0.9) -> "Placement":
        """Return the placement for so many items on nodes with these resources, as Ray counts them ("CPU", "GPU").

        device: the model's; on cpu GPUs are left alone. actors: how many processes; 0 is one per GPU, or one per core.
        share: of a core that a process reserves, so that others find room beside it.
        """
        cores = sum(node.get("CPU", 0) for node in nodes) or 1
        largest = max((node.get("CPU", 0) for node in nodes), default=1) or 1
        available = gpus(nodes, device)
        count = min(actors or available or int(cores), max(items, 1))
        if available:
            return cls(count, 0.5, min(available / count, 1.0), 1, 1.0 if largest > 1 else 0.5)
        each = min(cores / count, largest)
        return cls(count, share * each, 0.0, max(int(each), 1), 0.2)

    @property
    def resources(self) -> dict[str, float]:
        """What a process reserves, as options of a task or an actor."""
        return {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}


def nodes() -> list[dict[str, float]]:
    """Return the resources of every node that is alive."""
    known: list[dict[str, Any]] = ray.nodes()  # Ray's own has no types
    return [node["Resources"] for node in known if node["Alive"]]


def gpus(nodes: Sequence[dict[str, float]], device: str) -> int:
    """Return how many GPUs the nodes have for a model on a device: none where that is cpu."""
    return int(sum(node.get("GPU", 0) for node in nodes)) if device != "cpu" else 0


def one_gpu(device: str) -> dict[str, float]:
    """Return the options of a task whose model is on a device: a GPU is reserved for it where there is one that it may take."""
    return {"num_gpus": 1.0 if gpus(nodes(), device) else 0.0}


def start(actor: type, *arguments: Any, **options: Any) -> Any:
    """Start an actor with these options of Ray's, and return its handle, whose methods are called by `remote`."""
    return ray.remote(**options)(actor).remote(*arguments)


def cluster_resources() -> dict[str, float]:
    """Return the resources of all nodes together."""
    total: dict[str, float] = ray.cluster_resources()  # Ray's own has no types
    return total


def largest_node() -> float:
    """Return the cores of the node that has most."""
    return max((each.get("CPU", 0.0) for each in nodes()), default=0.0) or 1.0


def process(
    worker: type, items: Sequence[dict[str, Any]], *, arguments: tuple[Any, ...], device: str, actors: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield the rows that processes of a worker make of items, in whatever order they are done.

    worker: a class whose `__init__` takes threads and the arguments and loads the model, and whose `__call__` takes an item and
    returns a list of rows. An item is a task: one that is lost with its node is done again on another. A BeholderError that a
    worker raises is raised here, inside of `connect`.
    """
    placement = Placement.of(nodes(), device=device, items=len(items), actors=actors)
    made_of = (placement.threads, *arguments)
    if placement.num_gpus:
        yield from _rows_on_gpus(worker, made_of, items, placement)
        return
    for rows in map_unordered(worker, made_of, items, placement):
        yield from rows


def map_unordered(worker: type, arguments: tuple[Any, ...], items: Sequence[Any], placement: Placement) -> Iterator[Any]:
    """Yield what a worker, a class with `__call__`, returns for each item, in whatever order they are done.

    Each item is a task of Ray's, done again elsewhere where its process or node is lost, and each process makes one worker, which
    it keeps for the items that follow. No data passes between stages here, for which Ray Data would start processes of its own
    first. A few tasks wait at Ray, the other items here.
    """
    options: dict[str, Any] = {"max_retries": _RETRIES, **placement.resources}
    task = ray.remote(**options)(_work).options(name=worker.__name__)
    made_of, call = [ray.put((worker, arguments))], uuid.uuid4().hex
    coming = iter(items)
    pending: list[Any] = []
    try:
        while True:
            pending += [task.remote(call, made_of, item) for item in islice(coming, _IN_FLIGHT * placement.actors - len(pending))]
            if not pending:
                return
            done, pending = ray.wait(pending)
            yield from ray.get(done)
    finally:
        for each in pending:  # of who stopped asking
            ray.cancel(each)


_kept: dict[str, Any] = {}  # the worker of this process, by the call that it was made for


def _work(call: str, made_of: list[Any], item: Any) -> Any:
    if call not in _kept:
        _kept.clear()
        worker, arguments = ray.get(made_of[0])
        _kept[call] = worker(*arguments)
    return _kept[call](item)


def _rows_on_gpus(worker: type, arguments: tuple[Any, ...], items: Sequence[Any], placement: Placement) -> Iterator[dict[str, Any]]:
    """Yield the rows that actors of a worker make: they let go of their GPUs when they end, as processes of tasks would not."""
    import ray.data

    quiet_data()
    rows = ray.data.from_items(list(items), override_num_blocks=len(items)).flat_map(
        _Worker,
        compute=ray.data.ActorPoolStrategy(size=placement.actors, max_tasks_in_flight_per_actor=_IN_FLIGHT),
        fn_constructor_args=(worker, *arguments),
        num_cpus=placement.num_cpus,
        num_gpus=placement.num_gpus,
    )
    for row in rows.iter_rows():
        if _ERROR in row:
            raise getattr(errors, row[_ERROR], errors.BeholderError)(row["reason"])
        yield row


class _Worker:
    """A worker whose own errors come back as rows: Ray Data reports an exception by its text alone."""

    def __init__(self, worker: type, *arguments: Any) -> None:
        self.work = worker(*arguments)

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = self.work(item)
            return rows
        except errors.BeholderError as error:
            return [{_ERROR: type(error).__name__, "reason": str(error)}]


def as_completed(tasks: Iterable["ray.ObjectRef[Result]"]) -> Iterator[Result]:
    """Yield the results of tasks as they are done."""
    pending = list(tasks)
    while pending:
        done, pending = ray.wait(pending)
        yield from ray.get(done)
