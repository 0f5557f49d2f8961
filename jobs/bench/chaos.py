"""Chaos: people go on using the service while parts of it are killed; what it had confirmed must be there."""

import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from beholder.jobs.bench import loadtest
from beholder.jobs.bench.loadtest import Endpoint, LoadClient, RequestStats
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Choice

PARTS = ("Ranker", "Editor", "Encoder", "Api")
_TITLE = "ServeReplica:beholder:"  # in the name that Ray gives the process of a replica; the part follows


@dataclass
class Chaos:
    """What became of it.

    killed: which parts; confirmed: event -> (question, choice); lost: those of them that are gone; twice: events and questions that
    count more than once; gap: the longest seconds in which nobody got an answer.
    """

    tally: RequestStats = field(default_factory=RequestStats)
    killed: list[str] = field(default_factory=list)
    confirmed: dict[str, tuple[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    gap: float = 0.0


def run(
    endpoint: Endpoint, store: str, strike: Callable[[], str | None], *, people: int, seconds: float, at: Sequence[float]
) -> Chaos:
    """Run mixed load for some seconds, and strike at some of them; where a strike takes longer, so much longer again.

    store: the URL of the database where the service keeps choices. strike: kills something and returns its name, None where there
    was nothing to kill, in the thread of the caller; what it raises is raised when the load is over.
    """
    result = Chaos()
    name = uuid.uuid4().hex[:8]
    last, count = time.perf_counter(), 0  # when somebody last got an answer, and how many had

    def note() -> None:
        nonlocal last, count
        if len(result.tally.waits) > count:
            now, count = time.perf_counter(), len(result.tally.waits)
            result.gap, last = max(result.gap, now - last), now

    async def live(caller: LoadClient, number: int) -> bool:
        user_id, image_id = f"chaos-{name}-{number}", f"seed-{number % 8 + 1}"
        asked = await caller.question(user_id, image_id)
        note()
        if asked is not None:
            for side in ("left", "right"):
                await caller.call("GET", asked[side]["picture"])
            await _choose(caller, asked, ("left", "right", "neither")[number % 3], result)
        if number % 2:
            await caller.recommend(user_id, image_id)
        note()
        return True

    def load() -> None:
        total = 0.0
        while not total or not struck.is_set():
            total += loadtest.people(endpoint, people, seconds, live, tally=result.tally).seconds
        result.tally.seconds = total

    struck = threading.Event()
    loading, began = threading.Thread(target=load), time.perf_counter()
    loading.start()
    try:
        for moment in at:
            time.sleep(max(0.0, moment - (time.perf_counter() - began)))
            if killed := strike():
                result.killed.append(killed)
    finally:
        struck.set()
        loading.join()
    result.gap = max(result.gap, time.perf_counter() - last) if result.tally.waits else math.inf
    result.lost, result.twice = missing(result.confirmed, store), doubled(store)
    return result


def missing(confirmed: dict[str, tuple[str, str]], store: str) -> list[str]:
    """Return the events that were confirmed and are not in the store of this URL as they were."""
    stored = {each.answer.event_id: (each.question.question_id, each.answer.choice) for each in _choices(store)}
    return [event for event, answer in confirmed.items() if stored.get(event) != answer]


def doubled(store: str) -> list[str]:
    """Return the events and the questions that the store of this URL counts more than once."""
    choices = _choices(store)
    counts = (Counter(each.answer.event_id for each in choices), Counter(each.question.question_id for each in choices))
    return [name for count in counts for name, times in count.items() if times > 1]


def _choices(store: str) -> list[Choice]:
    opened = Store(store)
    try:
        return list(opened.choices())
    finally:
        opened.close()


def strike(pid: int, part: str) -> bool:
    """Kill one replica of a deployment among the descendants of a process (SIGKILL); return whether there was one."""
    import psutil

    for child in psutil.Process(pid).children(recursive=True):
        try:
            title = " ".join(child.cmdline())
            if title.startswith("ray::") and f"{_TITLE}{part}" in title:
                child.kill()
                return True
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return False


async def _choose(caller: LoadClient, asked: dict[str, Any], choice: str, result: Chaos) -> None:
    """Answer as the page does: where nothing confirms it, send the same event again, a few times."""
    event = uuid.uuid4().hex
    for _ in range(5):
        status = await caller.choose(asked, choice, event_id=event)
        if status == 200:
            result.confirmed[event] = asked["question_id"], choice
        if status not in (loadtest.LOST, 429, 500, 502, 503, 504):
            return
