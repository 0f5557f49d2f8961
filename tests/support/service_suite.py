"""The contract of every service: what LocalService and RayService both do, on the portraits that ship."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from beholder import images
from beholder.errors import ConflictingAnswer, EditError, TasteError, UnknownImage, UnknownQuestion
from beholder.recommending.ranking import ScoredEdit
from beholder.recommending.steering import Steering
from beholder.serve.metrics import Counts
from beholder.serve.protocols import Service

Call = Callable[[Awaitable[Any]], Any]


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    """Runs coroutines, one after the other, in one event loop; import it beside the contract."""
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


class ServiceContract:
    """Inherit it beside fixtures `service` and `call`. No test needs another: each has people of its own."""

    def asked(self, service: Service, call: Call, user_id: str):
        return call(service.question(user_id, "seed-7", None))

    def answered(self, service: Service, call: Call, user_id: str) -> set[frozenset[str]]:
        """Have somebody of the test's own answer six questions; returns the pairs that they were asked."""
        pairs = set()
        for turn in range(6):
            question = self.asked(service, call, user_id).question
            pairs.add(frozenset({str(question.left), str(question.right)}))
            call(service.answer(f"{user_id}-{turn}", question.question_id, "left", None))
        return pairs

    def test_it_lists_the_directions_with_ranges_and_labels(self, service, call):
        listed = call(service.directions())
        assert listed.generator == "portraits"
        assert listed.sliders["smile"].range == (-3.0, 3.0)
        assert listed.sliders["smile"].labels == ("frowning", "smiling")

    def test_an_image_of_a_seed_is_there_and_an_unknown_one_is_not(self, service, call):
        image = call(service.image("seed-7"))
        assert (image.image_id, image.source, image.loss) == ("seed-7", "seed", None)
        with pytest.raises(UnknownImage, match="photo-000000000000000000000000"):
            call(service.image("photo-000000000000000000000000"))

    def test_a_picture_is_the_same_file_each_time(self, service, call):
        first, again = (call(service.picture("seed-7", "smile=1.5", "image/png")) for _ in range(2))
        assert first == again
        assert images.decode(first).shape == (512, 512, 3)
        assert call(service.picture("seed-7", "", "image/png")) != first
        small = call(service.picture("seed-7", "smile=1.5", "image/png", 100))
        assert images.decode(small).shape == (128, 128, 3)  # the smallest that is drawn and has as many
        with pytest.raises(EditError, match="smil is not a direction"):
            call(service.picture("seed-7", "smil=1.5", "image/png"))

    def test_a_photo_is_kept_for_who_uploaded_it(self, service, call):
        file = call(service.picture("seed-11", "", "image/png"))
        image = call(service.add_photo(file, "photographer", aligned=True))
        assert image.source == "photo"
        assert call(service.add_photo(file, "photographer", aligned=True)).image_id == image.image_id
        assert call(service.person("photographer")).images == (image.image_id,)
        assert call(service.erase("photographer")).images == 1
        with pytest.raises(UnknownImage):
            call(service.image(image.image_id))

    def test_an_answer_counts_once_and_can_be_taken_back(self, service, call):
        question = self.asked(service, call, "answerer").question
        assert (question.user_id, question.image_id) == ("answerer", "seed-7")
        recorded = call(service.answer("event-1", question.question_id, "left", 1.5))
        assert (recorded.counted, recorded.rounds) == (True, 1)
        assert not call(service.answer("event-1", question.question_id, "left", 1.5)).counted
        with pytest.raises(ConflictingAnswer):
            call(service.answer("event-2", question.question_id, "right", None))
        assert self.asked(service, call, "answerer").rounds == 1
        retracted = call(service.retract(question.question_id))
        assert (retracted.undone, retracted.rounds) == (True, 0)
        assert not call(service.retract(question.question_id)).undone
        with pytest.raises(UnknownQuestion):
            call(service.answer("event-3", "none", "left", None))

    def test_no_pair_is_asked_twice(self, service, call):
        assert len(self.answered(service, call, "again")) == 6

    def test_a_recommendation_is_scored_edits_best_first(self, service, call):
        self.answered(service, call, "recommended")
        recommendation = call(service.recommend("recommended", "seed-7", 3))
        assert (recommendation.user_id, recommendation.image_id, recommendation.rounds) == ("recommended", "seed-7", 6)
        assert 1 <= len(recommendation.ranked) <= 3
        assert all(isinstance(each, ScoredEdit) for each in recommendation.ranked)
        utilities = [each.utility for each in recommendation.ranked]
        assert utilities == sorted(utilities, reverse=True)
        assert all(0 <= each.probability <= 1 for each in recommendation.ranked)
        assert call(service.recommend("recommended", "seed-7", 3)) == recommendation

    def test_a_person_is_known_by_their_choices_until_they_are_erased(self, service, call):
        self.answered(service, call, "erased")
        assert call(service.person("erased")).rounds == 6
        report = call(service.erase("erased"))
        assert (report.user_id, report.answers) == ("erased", 6)
        assert call(service.person("erased")).rounds == 0
        assert call(service.erase("erased")).answers == 0

    def test_images_are_scored_by_a_question_in_words(self, service, call):
        scored = call(service.predict("anybody", ["seed-7", "seed-8"], attribute="", question="smiling"))
        assert scored.taste == "clip"
        assert [0 <= each.probability <= 1 for each in scored.scores] == [True, True]
        file = call(service.picture("seed-7", "", "image/png"))
        alone = call(service.predict("anybody", [file], attribute="", question="smiling"))
        # a file of 512 px averaged to what the encoder takes, beside the picture as it is drawn at that size
        assert alone.scores[0].utility == pytest.approx(scored.scores[0].utility, abs=0.2)
        with pytest.raises(TasteError, match="there is no taste that knows 'kind'"):
            call(service.predict("anybody", ["seed-7"], attribute="kind", question=""))

    def test_it_is_ready_and_counts(self, service, call):
        assert call(service.ready()) == {"editor": True, "encoder": True, "ranker": True}
        assert not service.recovering()
        counts = call(service.counts())
        assert counts
        assert all(isinstance(each, Counts) for each in counts)

    def test_any_edit_is_scored_as_it_is_recommended(self, service, call):
        self.answered(service, call, "scorer")
        edits = [{}, {"smile": 1.4}, {"hat": -2.0, "older": 0.3}]
        scores = call(service.scores("scorer", "seed-7", edits))
        assert [dict(each.edit) for each in scores.scored] == edits
        assert scores.words == ("as it is", "more of a smile", "no hat, slightly older features")
        assert (scores.scored[0].utility, scores.scored[0].probability, scores.rounds) == (0.0, 0.5, 6)
        assert all(each.uncertainty > 0 for each in scores.scored[1:])
        with pytest.raises(EditError, match="smile=9: expected an alpha between -3 and 3"):
            call(service.scores("scorer", "seed-7", [{"smile": 9.0}]))

    def test_a_recommendation_changes_what_it_may(self, service, call):
        self.answered(service, call, "steered")
        usual = call(service.recommend("steered", "seed-7", 6))
        assert not {"darker_skin", "older", "wider_face", "bigger_eyes"} & {name for each in usual.ranked for name in each.edit}
        own = call(service.recommend("steered", "seed-7", 3, steering=Steering(allow=("hair",), forbid=("bangs",))))
        assert {name for each in own.ranked for name in each.edit} <= {
            "golden_hair", "lighter_hair", "longer_hair", "curly_hair", "receding_hairline",
        }  # fmt: skip
        like = call(service.recommend("steered", "seed-7", 3, steering=Steering(like={"hat": 2.0}, forbid=("hat",))))
        assert all(each.edit["hat"] == 2.0 for each in like.ranked if each.edit)
        assert not any("hat" in change for change in like.changes[1:])

    def test_each_attribute_has_a_taste_of_its_own(self, service, call):
        self.answered(service, call, "two")
        question = call(service.question("two", "seed-7", None, attribute="trustworthy")).question
        call(service.answer("two-trustworthy", question.question_id, "right", None))
        person = call(service.person("two", attribute="trustworthy"))
        assert (person.rounds, [(each.attribute, each.rounds) for each in person.tastes]) == (
            1,
            [("attractive", 6), ("trustworthy", 1)],
        )
        taken = call(service.export_taste("two", attribute="trustworthy"))
        assert call(service.import_taste("third", [(each.question, each.answer) for each in taken])) == (1, 1)
        assert call(service.import_taste("third", [(each.question, each.answer) for each in taken])) == (0, 1)
        assert call(service.erase("two")).answers == 7
        assert call(service.person("two", attribute="trustworthy")).rounds == 0
