"""`beholder serve editor=looks` on a real Ray Serve: photos are brought, asked about in turn, recommended a look, and erased."""

import io

import pytest
from support.served_process import ServedProcess

from beholder import images
from beholder.client import Client, InvalidRequest, NotFound
from beholder.editing.looks import landscape


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    service = ServedProcess(tmp_path_factory.mktemp("looks"), "editor=looks", "components.candidates.count=60", local=False)
    service.start()
    with Client(service.url) as client:
        yield client
    service.stop()


def test_photos_are_asked_about_in_turn_and_recommended_a_look(client: Client):
    known = client.directions()
    assert known.generator == "looks"
    assert {"warmth", "exposure"} <= {each.name for each in known.directions}
    files = [images.encode(landscape.draw(seed, 120, 180)) for seed in (1, 2, 3)]
    photos = [client.add_photo("ana", io.BytesIO(file)).image_id for file in files]
    assert len(set(photos)) == 3
    for turn in range(6):
        question = client.ask("ana", photos[turn % 3])
        assert question.image_id == photos[turn % 3]
        pictures = [
            images.decode(client.edited_picture(question.image_id, side.edit).data) for side in (question.left, question.right)
        ]
        assert [each.shape for each in pictures] == [(120, 180, 3)] * 2
        warmth = {side: getattr(question, side).edit.get("warmth", 0) for side in ("left", "right")}
        answered = client.answer(question.question_id, "left" if warmth["left"] >= warmth["right"] else "right")
    assert answered.rounds == 6
    best = client.recommend("ana", photos[0], count=3)
    assert best.known
    assert images.decode(client.picture(photos[0], size=90).data).shape == (60, 90, 3)
    assert client.score("ana", photos[1], [{"warmth": 1.5}]).scores[0].words == "warmer colours"
    assert set(client.person("ana").images) == set(photos)
    assert client.erase("ana").images == 3
    with pytest.raises(NotFound):
        client.picture(photos[0])


def test_what_is_no_photo_is_refused(client: Client):
    with pytest.raises(InvalidRequest) as caught:
        client.add_photo("ana", b"no photo")
    assert caught.value.kind == "image-format"
