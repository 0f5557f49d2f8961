"""Chaos: people go on using the service while its replicas are killed one after the other; what it had confirmed must be there."""

import threading
import uuid
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from beholder.jobs.bench import loadtest
from beholder.jobs.bench.loadtest import Endpoint, LoadClient, RequestStats
from beholder.recommending.store.choice_store import Store

PARTS = ("Ranker", "Editor", "Encoder", "Api")
_TITLE = "ServeReplica:beholder:"  # in the name that Ray gives the process of a replica; the part follows


@dataclass
class Chaos:
    """What became of it. killed: which replicas; confirmed: event -> (question, choice); lost: those of them that are gone."""

    tally: RequestStats = field(default_factory=RequestStats)
    killed: list[str] = field(default_factory=list)
    confirmed: dict[str, tuple[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def run(endpoint: Endpoint, pid: int, store: Path, *, people: int, seconds: float, every: float) -> Chaos:
    """Run mixed load on the server of this process id, one of its replicas killed every so many seconds.

    store: the SQLite file where it keeps choices.
    """
    result, over = Chaos(), threading.Event()
    name = uuid.uuid4().hex[:8]

    def kill() -> None:
        parts = cycle(PARTS)
        while not over.wait(every):
            part = next(parts)
            if strike(pid, part):
                result.killed.append(part)

    async def live(caller: LoadClient, number: int) -> bool:
        user_id, image_id = f"chaos-{name}-{number}", f"seed-{number % 8 + 1}"
        asked = await caller.question(user_id, image_id)
        if asked is not None:
            for side in ("left", "right"):
                await caller.call("GET", asked[side]["picture"])
            await _choose(caller, asked, ("left", "right", "neither")[number % 3], result)
        if number % 2:
            await caller.recommend(user_id, image_id)
        return True

    striking = threading.Thread(target=kill)
    striking.start()
    try:
        loadtest.people(endpoint, people, seconds, live, tally=result.tally)
    finally:
        over.set()
        striking.join()
    result.lost = missing(result.confirmed, store)
    return result


def missing(confirmed: dict[str, tuple[str, str]], store: Path) -> list[str]:
    """Return the events that were confirmed and are not in the store as they were."""
    opened = Store.at(store)
    try:
        stored = {each.answer.event_id: (each.question.question_id, each.answer.choice) for each in opened.choices()}
    finally:
        opened.close()
    return [event for event, answer in confirmed.items() if stored.get(event) != answer]


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
