"""The service in one process keeps the contract."""

import asyncio
import threading

from support.service_suite import ServiceContract
from support.service_suite import call as call

from beholder import images


class TestLocalService(ServiceContract):
    """With the service of conftest."""


def test_a_picture_waits_for_no_database(service, call):
    """All threads of the requests that need one wait for it."""
    away = threading.Event()
    for _ in range(2):
        service._pool.submit(away.wait, 60)
    picture = call(asyncio.wait_for(service.picture("seed-21", "", "image/png"), 30))
    away.set()
    assert images.decode(picture).shape == (128, 128, 3)


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
