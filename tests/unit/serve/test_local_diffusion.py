"""The service in one process with editor=diffusion: photos that a tiny pipeline draws; who goes away ends a drawing."""

import asyncio
import time

import numpy as np
import pytest
from support import tiny_diffusion

from beholder import images
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.looks import landscape
from beholder.errors import UnknownImage
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig
from beholder.serve.local_service import LocalService

pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
pytestmark = pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say of tiny networks

PHOTO = images.encode(landscape.draw(2, 40, 60))


@pytest.fixture
def service(tmp_path):
    tiny_diffusion.saved(tmp_path)
    config = ServiceConfig(
        editor="diffusion",
        diffusion=DiffusionConfig(model=str(tmp_path / "tiny"), side=32, steps=2, keep=False, device="cpu"),
        components=Components(candidates=CandidatesConfig(drawn=4)),
        workspace=str(tmp_path / "ws"),
    )
    return LocalService.load(config)


def test_own_photos_are_asked_about_and_recommended(service):
    async def visit():
        known = await service.directions()
        assert known.generator == "diffusion"
        assert known.sliders["winter"].range == (0.0, 2.0)
        uploaded = await service.add_photo(PHOTO, "ana", aligned=False)
        for turn in range(2):
            asked = await service.question("ana", uploaded.image_id, None)
            await service.answer(f"e-{turn}", asked.question.question_id, "left", None)
        for edit, size, shape in (("winter=1", None, (40, 60, 3)), ("winter=1", 30, (20, 30, 3)), ("", None, (40, 60, 3))):
            drawn = images.decode(await service.picture(uploaded.image_id, edit, "image/png", size))
            assert drawn.shape == shape
        np.testing.assert_array_equal(drawn, service.built.library.latent(uploaded.image_id).photos[0])
        recommended = await service.recommend("ana", uploaded.image_id, 3)
        assert recommended.rounds == 2
        assert all(await service.ready())
        assert (await service.erase("ana")).images == 1
        with pytest.raises(UnknownImage):
            await service.picture(uploaded.image_id, "winter=1", "image/png")
        await service.close()

    asyncio.run(visit())


def test_who_goes_away_ends_the_drawing_and_the_same_photo_goes_on_from_there(service):
    drawn: list[dict] = []
    draw = service.built.library.editor.draw

    async def visit():
        second = asyncio.Event()
        loop = asyncio.get_running_loop()

        def drawing(latent, edits, *, abandoned, **options):
            drawn.extend(edits)
            if len(drawn) == 2:
                loop.call_soon_threadsafe(second.set)
                while not abandoned():
                    time.sleep(0.01)
            return draw(latent, edits, abandoned=abandoned, **options)

        service.built.library.editor.draw = drawing
        upload = asyncio.create_task(service.add_photo(PHOTO, "ana", aligned=False))
        await second.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        await service.add_photo(PHOTO, "ana", aligned=False)
        assert len(drawn) == 2 + 3  # one of four was done
        await service.close()

    asyncio.run(visit())
