"""The graph on deployments: where a replica dies another one is asked, once, and it is remembered for a while."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from beholder.errors import UnknownImage
from beholder.serve.protocols import Overloaded
from beholder.serve.ray_service import RayService


class Part:
    """A handle whose calls find these, one after the other."""

    def __init__(self, *found):
        self.found, self.asked = iter(found), 0

    def options(self, **_):
        return self

    def __getattr__(self, name):
        return self

    def remote(self, *words):
        self.asked += 1
        return self._get()

    async def _get(self):
        found = next(self.found)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def ask() -> Callable[..., tuple[object, Part, bool]]:
    def run(*found) -> tuple[object, Part, bool]:
        part: Any = Part(*found)
        service = RayService(part, part, part)
        said: object
        try:
            said = asyncio.run(service.person("ana"))
        except Exception as error:
            said = error
        return said, part, service.recovering()

    return run


def test_where_a_replica_died_another_is_asked_once(ask):
    said, part, recovering = ask(ActorDiedError(), 7)
    assert (said, part.asked, recovering) == (7, 2, True)
    said, part, recovering = ask(ActorDiedError(), ActorDiedError(), 7)
    assert isinstance(said, Overloaded)
    assert (part.asked, recovering) == (2, True)


@pytest.mark.parametrize(("found", "kind"), [(7, int), (Overloaded("photos"), Overloaded), (UnknownImage("'x'"), UnknownImage)])
def test_everything_else_is_asked_once_and_nothing_is_mended(ask, found, kind):
    said, part, recovering = ask(found, 8)
    assert isinstance(said, kind)
    assert (part.asked, recovering) == (1, False)
