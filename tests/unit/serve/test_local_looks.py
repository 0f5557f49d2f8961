"""The service in one process with editor=looks: landscapes of seeds and photos of one's own, asked about and recommended."""

import asyncio
from dataclasses import replace

import pytest

from beholder import images
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.looks import landscape
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending import components
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig
from beholder.serve.local_service import LocalService
from beholder.serve.settings import ServeSettings


def test_own_photos_are_asked_about_and_recommended(tmp_path):
    parts = Components(candidates=CandidatesConfig(count=80))
    service = LocalService.load(ServiceConfig(editor="looks", components=parts, workspace=str(tmp_path)))

    async def visit():
        known = await service.directions()
        assert known.generator == "looks"
        assert known.sliders["warmth"].labels == ("cooler colours", "warmer colours")
        uploaded = await service.add_photo(images.encode(landscape.draw(2, 60, 90)), "ana", aligned=False)
        for image_id in ("seed-3", uploaded.image_id):
            asked = await service.question("ana", image_id, None)
            await service.answer(f"e-{image_id}", asked.question.question_id, "left", None)
        drawn = images.decode(await service.picture(uploaded.image_id, "warmth=2", "image/png"))
        assert drawn.shape == (60, 90, 3)
        recommended = await service.recommend("ana", uploaded.image_id, 3)
        assert recommended.rounds == 2
        assert all(await service.ready())
        await service.close()

    asyncio.run(visit())


def test_a_clip_joined_to_the_descriptor_asks_learns_and_recommends(tmp_path, small_clip):
    """A choice moves what is recommended, as embeddings of both."""
    encoder = EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu", looks=True)
    parts = Components(candidates=CandidatesConfig(count=80))
    service = LocalService.load(ServiceConfig(editor="looks", encoder=encoder, components=parts, workspace=str(tmp_path)))

    async def visit():
        photo = await service.add_photo(images.encode(landscape.draw(2, 60, 90)), "ana", aligned=False)
        for turn in range(6):  # ana likes what is warmer
            asked = (await service.question("ana", photo.image_id, None)).question
            warmer = asked.left.get("warmth", 0) >= asked.right.get("warmth", 0)
            await service.answer(f"e-{turn}", asked.question_id, "left" if warmer else "right", None)
        scored = await service.scores("ana", photo.image_id, [{"warmth": 1.0}, {"warmth": -1.0}])
        assert scored.scored[0].utility > scored.scored[1].utility
        assert (await service.recommend("ana", photo.image_id, 3)).known
        scores = await service.predict("ana", [photo.image_id], attribute="", question="a sunny landscape")
        assert 0 < scores.scores[0].probability < 1
        assert (await service.erase("ana")).images == 1
        await service.close()

    asyncio.run(visit())


def test_a_small_picture_keeps_the_shape_of_its_photo(tmp_path):
    service = LocalService.load(ServiceConfig(editor="looks", workspace=str(tmp_path)))

    async def visit():
        photo = await service.add_photo(images.encode(landscape.draw(2, 120, 180)), "ana", aligned=False)
        small = images.decode(await service.picture(photo.image_id, "crop=2", "image/png", 90))
        assert small.shape == (60, 90, 3)
        await service.close()

    asyncio.run(visit())


def test_looks_are_served_with_ray_and_without():
    assert ServeSettings(editor="looks").service_config.editor == "looks"
    assert ServeSettings(editor="looks", local=True).service_config.editor == "looks"


def test_looks_have_an_encoder_of_their_own():
    config = components.for_editor(ServiceConfig(editor="looks"))
    assert config.encoder.name == "looks"
    assert components.for_editor(ServiceConfig()) == ServiceConfig()
    with pytest.raises(ConfigError, match=r"add encoder\.looks=true"):
        components.for_editor(ServiceConfig(editor="looks", encoder=EncoderConfig(name="mine")))
    joined = EncoderConfig(name="mine", model="ViT-B-32", weights="random", looks=True)
    assert components.for_editor(ServiceConfig(editor="looks", encoder=joined)).encoder == joined
    drawn = ServiceConfig(editor="diffusion", diffusion=DiffusionConfig(model="m"), encoder=joined)
    assert components.for_editor(drawn).encoder == joined


def test_with_both_editors_a_clip_is_joined_for_photos_and_alone_for_portraits():
    """So that the surrogate of portraits, which predicts the CLIP alone, goes on fitting."""
    joined = EncoderConfig(name="mine", model="ViT-B-32", weights="random", looks=True)
    portraits, photos = components.parts_of(ServiceConfig(editor="both", encoder=joined))
    assert (portraits.encoder, photos.encoder) == (replace(joined, looks=False), joined)
    assert components.parts_of(ServiceConfig(editor="both"))[1].encoder.name == "looks"


def test_an_unknown_editor_is_refused():
    with pytest.raises(ConfigError, match="editor=look is none of stylegan, looks"):
        ServiceConfig(editor="look")
