"""Placement of processes that hold a model on the machines of a cluster, and items worked on by them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
from ray.util import ActorPool

from beholder import errors

Result = TypeVar("Result")
_IN_FLIGHT = 2  # items that an actor has at once: the next one is there when it is done with one
_LOOK_S = 0.2  # how often it is seen whether actors have come up
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
    worker raises for an item is raised here.
    """
    placement = Placement.of(nodes(), device=device, items=len(items), actors=actors)
    for rows in map_unordered(_Worker, (worker, placement.threads, *arguments), items, placement):
        for row in rows:
            if _ERROR in row:
                raise getattr(errors, row[_ERROR], errors.BeholderError)(row["reason"])
            yield row


def map_unordered(worker: type, arguments: tuple[Any, ...], items: Sequence[Any], placement: Placement) -> Iterator[Any]:
    """Yield what actors of a worker, a class with `__call__`, return for each item, in whatever order they are done.

    An actor gets its first items as soon as it has come up, and the next one while it works on another. An actor that is lost is
    started again, and what it had in hand is done again. The actors end with the iterator.
    """
    options = {**placement.resources, "max_restarts": -1, "max_task_retries": -1}
    actors = [start(worker, *arguments, **options) for _ in range(placement.actors)]
    coming = {actor.__ray_ready__.remote(): actor for actor in actors}
    pool: Any = ActorPool([])  # Ray's types want an actor alone
    for item in items:
        pool.submit(_call, item)
    for _ in items:
        while True:
            # no longer than there are results to wait for beside them
            up, _rest = ray.wait(list(coming), timeout=0 if pool.has_next() else None) if coming else ([], [])
            for ready in up:
                ray.get(ready)
                actor = coming.pop(ready)
                for place in range(_IN_FLIGHT):
                    pool.push((actor, place))
            try:
                result = pool.get_next_unordered(timeout=_LOOK_S if coming else None)
                break
            except TimeoutError:
                continue
        yield result
    for actor in actors:  # at once, so that what they reserve is free; elsewhere they end with the last reference
        ray.kill(actor)


def _call(actor_and_place: tuple[Any, int], item: Any) -> Any:
    return actor_and_place[0].__call__.remote(item)


class _Worker:
    """A worker whose own errors come back as rows: Ray reports what a constructor raises by its text alone."""

    def __init__(self, worker: type, threads: int, *arguments: Any) -> None:
        self.work: Any = None
        try:
            self.work = worker(threads, *arguments)
        except errors.BeholderError as error:
            self.failed = error

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            if self.work is None:
                raise self.failed
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
