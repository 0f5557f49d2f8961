"""The service in one process keeps the contract, and one person's photo leaves the others alone."""

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from support.held_library import HeldLibrary
from support.service_suite import ServiceContract
from support.service_suite import call as call

from beholder import images
from beholder.serve.local_service import PHOTOS, LocalService
from beholder.serve.protocols import Overloaded


class TestLocalService(ServiceContract):
    """With the service of conftest."""


@pytest.fixture
def held(service: LocalService):
    """A library of photos that wait, and the service on top of it."""
    library = HeldLibrary()
    return library, LocalService(replace(service.built, library=cast(Any, library)), threads=1, queue=1)


def test_more_photos_than_wait_are_refused_and_nobody_else_is(held):
    library, service = held

    async def act() -> None:
        uploads = [asyncio.ensure_future(service.add_photo(b"", f"p{at}", aligned=True)) for at in range(PHOTOS)]
        await asyncio.sleep(0.05)
        for _ in range(20):
            with pytest.raises(Overloaded, match="photos"):
                await service.add_photo(b"", "late", aligned=True)
        assert (await service.image("seed-1")).image_id == "seed-1"
        library.release.set()
        assert [each.image_id for each in await asyncio.gather(*uploads)] == [f"photo-p{at}" for at in range(PHOTOS)]

    asyncio.run(act())


def test_photos_that_nobody_waits_for_stop(held):
    library, service = held

    async def act() -> None:
        uploads = [asyncio.ensure_future(service.add_photo(b"", f"p{at}", aligned=True)) for at in range(PHOTOS)]
        while not library.begun:
            await asyncio.sleep(0.01)
        for upload in uploads:
            upload.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)
        while not library.abandoned:
            await asyncio.sleep(0.01)
        library.release.set()
        assert (await service.add_photo(b"", "next", aligned=True)).image_id == "photo-next"
        assert (library.abandoned, library.begun) == (["p0"], ["p0", "next"])

    asyncio.run(asyncio.wait_for(act(), 20))


@pytest.mark.soak
def test_questions_are_answered_at_once_while_photos_are_inverted(service: LocalService):
    """Four phone photos at a time for as long as a hundred questions take."""
    drawn = service.built.library.editor.edit(service.built.library.editor.generate(range(40)), [{}] * 40)

    async def act() -> list[float]:
        await service.question("quick", "seed-7", None)
        done = asyncio.Event()

        async def bring(at: int) -> None:
            while not done.is_set():
                picture = np.kron(drawn[at % 40], np.ones((16, 16, 1), np.uint8))
                await service.add_photo(images.encode(picture, format="JPEG"), f"photographer-{at}", aligned=True)
                at += PHOTOS

        uploads = [asyncio.ensure_future(bring(at)) for at in range(PHOTOS)]
        waits = []
        for _ in range(100):
            began = time.perf_counter()
            await service.question("quick", "seed-7", None)
            waits.append(time.perf_counter() - began)
        done.set()
        await asyncio.gather(*uploads)
        return waits

    waits = asyncio.run(act())
    print(f"a question waits {np.median(waits):.3f} s, p99 {np.quantile(waits, 0.99):.3f} s")
    assert np.quantile(waits, 0.99) < 1


def test_a_picture_waits_for_no_database(service, call):
    """All threads of the requests that need one wait for it."""
    away = threading.Event()
    for _ in range(2):
        service._pool.submit(away.wait, 60)
    picture = call(asyncio.wait_for(service.picture("seed-21", "", "image/png"), 30))
    away.set()
    assert images.decode(picture).shape == (512, 512, 3)


def test_work_that_nobody_waits_for_keeps_its_place_until_it_is_done(service, call):
    away = threading.Event()

    async def give_up() -> int:
        task = asyncio.ensure_future(service._run(away.wait, 60))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return int(service._inside)

    async def settle() -> int:
        away.set()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not service._inside:
                break
        return int(service._inside)

    assert call(give_up()) == 1
    assert call(settle()) == 0
