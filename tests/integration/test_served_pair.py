"""`beholder serve editor=both`: a portrait and own photos in one service, in one process and on a real Ray Serve."""

import pytest
from support.served_process import ServedProcess

from beholder import images
from beholder.client import Client, NotFound
from beholder.editing.looks import landscape


@pytest.fixture(scope="module", params=[True, pytest.param(False, marks=pytest.mark.soak)], ids=["local", "ray"])
def client(request, tmp_path_factory):
    words = ("editor=both", "components.candidates.count=60")
    service = ServedProcess(tmp_path_factory.mktemp("both"), *words, local=request.param)
    service.start()
    with Client(service.url) as client:
        yield client
    service.stop()


def test_a_portrait_and_a_photo_are_asked_about_and_recommended_edits_of_their_own(client: Client):
    sources = {each.name: each.source for each in client.directions().directions}
    assert (sources["smile"], sources["warmth"]) == ("seed", "photo")
    photo = client.add_photo("ana", images.encode(landscape.draw(1, 120, 180))).image_id
    for image_id in ("seed-7", photo):
        for turn in range(3):
            question = client.ask("ana", image_id)
            moved = {*question.left.edit, *question.right.edit}
            assert {sources[each] for each in moved} == {"seed" if image_id == "seed-7" else "photo"}
            assert client.answer(question.question_id, "left").rounds == turn + 1
    assert images.decode(client.edited_picture(photo, {"warmth": 1.5}).data).shape == (120, 180, 3)
    assert images.decode(client.edited_picture("seed-7", {"smile": 1.5}).data).shape == (512, 512, 3)
    assert client.recommend("ana", photo, count=3).rounds == 3
    assert client.recommend("ana", "seed-7", count=3).rounds == 3
    person = client.person("ana")
    assert (person.rounds, person.images) == (6, [photo])
    erased = client.erase("ana")
    assert (erased.answers, erased.images) == (6, 1)
    with pytest.raises(NotFound):
        client.picture(photo)
    assert client.person("ana").rounds == 0
