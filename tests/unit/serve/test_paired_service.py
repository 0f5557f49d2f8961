"""The service in one process with editor=both: portraits by the generator, own photos under looks, told apart by their ids."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from beholder import config, images
from beholder.editing.looks import landscape
from beholder.encoder import EncoderConfig
from beholder.errors import ChoiceError, ConfigError, EditError, UnknownImage, UnknownQuestion
from beholder.recommending.components import Components, ServiceConfig, build_service, parts_of
from beholder.recommending.steering import Steering
from beholder.serve.editors.paired_service import PairedService
from beholder.serve.settings import ServeSettings

Call = Callable[[Awaitable[Any]], Any]


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, call: Call) -> Iterator[PairedService]:
    words = ["editor=both", f"workspace={tmp_path_factory.mktemp('both')}", "components.candidates.count=80"]
    settings = config.load(ServeSettings, command="serve", overrides=[*words, "components.ranking.exact=3"])
    service = PairedService.load(settings.service_config)
    yield service
    call(service.close())


def brought(service: PairedService, call: Call, user_id: str, seed: int = 2) -> str:
    uploaded = call(service.add_photo(images.encode(landscape.draw(seed, 60, 90)), user_id, aligned=False))
    return str(uploaded.image_id)


def answered(service: PairedService, call: Call, user_id: str, image_id: str, count: int) -> int:
    """Answer questions about an image; returns what the last answer says of the choices that there are."""
    rounds = 0
    for turn in range(count):
        asked = call(service.question(user_id, image_id, None)).question
        rounds = call(service.answer(f"{user_id}-{image_id}-{turn}", asked.question_id, "left", None)).rounds
    return rounds


def test_an_image_is_edited_by_the_editor_of_its_id(service, call):
    photo = brought(service, call, "ana")
    assert images.decode(call(service.picture("seed-7", "smile=1.5", "image/png", 100))).shape == (128, 128, 3)
    assert images.decode(call(service.picture(photo, "warmth=2", "image/png"))).shape == (60, 90, 3)
    for image_id, edit in (("seed-7", "warmth=2"), (photo, "smile=1.5")):
        with pytest.raises(EditError, match="is not a direction"):
            call(service.picture(image_id, edit, "image/png"))
    assert call(service.scores("ana", photo, [{"warmth": 1.5}])).words == ("warmer colours",)
    with pytest.raises(UnknownImage):
        call(service.image("photo-000000000000000000000000"))


def test_directions_say_which_images_they_move(service, call):
    known = call(service.directions())
    assert known.generator == "portraits and looks"
    assert (known.sliders["smile"].source, known.sliders["warmth"].source) == ("seed", "photo")
    assert len(known.sliders) == len(known.directions)


def test_what_somebody_chose_of_portraits_says_nothing_of_their_photos(service, call):
    photo = brought(service, call, "ben")
    assert answered(service, call, "ben", "seed-7", 6) == 6
    of_ben, of_nobody = (call(service.scores(user_id, photo, [{"warmth": 1.5}, {"exposure": 1}])) for user_id in ("ben", "nobody"))
    assert (of_ben.rounds, of_ben.scored) == (0, of_nobody.scored)
    assert answered(service, call, "ben", photo, 2) == 2
    assert call(service.recommend("ben", "seed-7", 3)).rounds == 6
    assert call(service.recommend("ben", photo, 3)).rounds == 2
    person = call(service.person("ben"))
    assert (person.rounds, person.tastes[0].rounds, person.images) == (8, 8, (photo,))
    assert {"smile", "warmth"} <= {each.direction for each in person.preferences}


def test_an_answer_is_taken_back_where_it_was_given(service, call):
    photo = brought(service, call, "cleo")
    answered(service, call, "cleo", "seed-7", 2)
    asked = call(service.question("cleo", photo, None)).question
    assert call(service.answer("cleo-last", asked.question_id, "right", None)).rounds == 1
    taken_back = call(service.retract(asked.question_id))
    assert (taken_back.rounds, taken_back.undone) == (0, True)
    with pytest.raises(UnknownQuestion):
        call(service.answer("cleo-other", "no question", "left", None))


def test_a_taste_is_taken_along_with_the_choices_of_both(service, call):
    photo = brought(service, call, "dora")
    answered(service, call, "dora", "seed-7", 2)
    answered(service, call, "dora", photo, 1)
    exported = call(service.export_taste("dora"))
    assert [each.question.image_id for each in exported] == ["seed-7", "seed-7", photo]
    given = [(each.question, each.answer) for each in exported]
    assert call(service.import_taste("emil", given)) == (3, 3)
    assert call(service.import_taste("emil", given)) == (0, 3)
    assert call(service.scores("emil", photo, [{}])).rounds == 1


def test_who_is_erased_is_gone_from_both(service, call):
    photo = brought(service, call, "finn")
    answered(service, call, "finn", "seed-7", 3)
    answered(service, call, "finn", photo, 2)
    report = call(service.erase("finn"))
    assert (report.questions, report.answers, report.images, report.image_ids) == (5, 5, 1, (photo,))
    assert [place for place in report.places if "the store" in place] == ["5 questions and 5 answers: the store of choices"]
    with pytest.raises(UnknownImage):
        call(service.picture(photo, "", "image/png"))
    assert call(service.person("finn")).rounds == 0
    assert not call(service.recommend("finn", "seed-7", 1)).known


def test_one_look_is_not_for_portraits_too(service, call):
    photo = brought(service, call, "gus")
    with pytest.raises(ChoiceError, match="shared_with names images of the other editor"):
        call(service.recommend("gus", photo, 1, steering=Steering(shared_with=("seed-7",))))


def test_photos_and_portraits_are_scored_by_one_encoder(service, call):
    photo = brought(service, call, "hugo")
    scored = call(service.predict("hugo", [photo, "seed-7"], attribute="", question="a smiling face"))
    assert len(scored.scores) == 2
    assert all(call(service.ready()).values())


def test_the_parts_have_encoders_of_their_own_and_only_portraits_a_taste():
    components = Components(taste="mine")
    portraits, photos = parts_of(ServiceConfig(editor="both", components=components, tastes=["other"]))
    assert (portraits.editor, portraits.taste_names, portraits.encoder) == ("stylegan", ["mine", "other"], EncoderConfig())
    assert (photos.editor, photos.taste_names, photos.encoder.name) == ("looks", [], "looks")
    assert (portraits.owns("seed-7"), portraits.owns("photo-1"), photos.owns("seed-7"), photos.owns("photo-1")) == (
        True, False, False, True,
    )  # fmt: skip


def test_commands_that_edit_one_image_are_told_to_name_its_editor(tmp_path):
    with pytest.raises(ConfigError, match="editor=both is for `beholder serve`"):
        build_service(ServiceConfig(editor="both", workspace=str(tmp_path)))
