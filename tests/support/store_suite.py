"""What every store of choices has to do, whatever database is behind it: `class TestX(StoreContract)` with a fixture `url`."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from beholder import api_keys
from beholder.errors import AccessError, ChoiceError, ConflictingAnswer, PersonErased, StoreError
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.store.person_owners import Caller, PersonOwners
from beholder.recommending.store.question import Answer, Question

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


def question(number: int = 1, user_id: str = "ana", **more: Any) -> Question:
    edits: dict[str, Any] = {"left": {"smile": 1.4 + number / 7, "glasses": -2.0}, "right": {}}
    named = {"strategy": "random", "probability": 1 / 3, "model": "bayes-1", "asked_at": NOON + timedelta(seconds=number)}
    return Question(f"q{number}", user_id, "face-1", **(edits | named | more))


def answer(number: int = 1, choice: str = "left", event_id: str | None = None) -> Answer:
    return Answer(event_id or f"e{number}", f"q{number}", choice, NOON + timedelta(minutes=number), 0.1 + number / 3)


class StoreContract:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url):
        store = Store(url)
        yield store
        store.close()

    def test_what_was_asked_and_answered_comes_back_as_it_was(self, store, url):
        asked = [question(number) for number in range(1, 6)]
        for each in asked:
            store.ask(each)
        for number in (3, 1, 2):
            assert store.answer(answer(number, "neither" if number == 3 else "right"))
        again = Store(url)
        found = again.choices("ana")
        assert [choice.question for choice in found] == [asked[2], asked[0], asked[1]]
        assert [choice.answer for choice in found] == [answer(3, "neither"), answer(1, "right"), answer(2, "right")]
        assert [choice.outcome for choice in found] == [0.5, 0.0, 0.0]
        assert again.open_questions("ana") == asked[3:]
        assert again.question("q4") == asked[3]
        again.close()

    def test_a_retry_is_counted_once(self, store):
        for _ in range(3):
            store.ask(question())
        assert [store.answer(answer()) for _ in range(3)] == [True, False, False]
        assert not store.answer(answer(event_id="another event, the same choice"))
        assert len(store.choices("ana")) == 1
        assert store.changes("ana") == 1

    def test_a_mark_tells_whether_anything_changed(self, store):
        marks = [store.mark("ana")]
        store.ask(question(1))
        store.answer(answer(1))
        marks.append(store.mark("ana"))
        assert store.mark("ana") == marks[-1] != store.mark("bo")
        store.retract("q1")
        marks.append(store.mark("ana"))
        store.erase("ana")
        assert store.mark("ana") == marks[0] == ""
        store.ask(question(2))
        store.answer(answer(2))
        marks.append(store.mark("ana"))
        assert len(set(marks)) == 4

    def test_a_contradiction_is_refused_and_changes_nothing(self, store):
        store.ask(question(1))
        store.ask(question(2))
        store.answer(answer(1, "left"))
        with pytest.raises(ConflictingAnswer, match="answered with left, not right; undo that first"):
            store.answer(answer(1, "right", event_id="e9"))
        with pytest.raises(ConflictingAnswer, match="event e1 was sent before, for another question"):
            store.answer(answer(2, "left", event_id="e1"))
        with pytest.raises(ConflictingAnswer, match="asked before, with other content"):
            store.ask(question(1, right={"hat": 1.0}))
        with pytest.raises(ConflictingAnswer, match="asked before"):
            store.ask(question(1, user_id="bo"))
        assert [(choice.question, choice.answer) for choice in store.choices()] == [(question(1), answer(1))]
        assert store.changes("ana") == 1

    def test_an_answer_to_nothing_is_refused(self, store):
        with pytest.raises(ChoiceError, match="no question 'q1' was asked"):
            store.answer(answer(1))
        with pytest.raises(ChoiceError, match="no question 'q1' was asked"):
            store.retract("q1")
        with pytest.raises(ChoiceError, match="no question 'q1' was asked"):
            store.question("q1")

    def test_an_answer_can_be_taken_back_and_given_otherwise(self, store):
        store.ask(question())
        store.answer(answer(1, "left"))
        assert store.retract("q1")
        assert not store.retract("q1")
        assert store.choices("ana") == []
        assert store.changes("ana") == 2
        assert store.answer(answer(1, "right", event_id="e2"))
        assert store.choices("ana")[0].answer.choice == "right"
        assert store.changes("ana") == 3

    def test_changes_of_one_are_not_those_of_another(self, store):
        store.ask(question(1, "ana"))
        store.ask(question(2, "bo"))
        store.answer(answer(2))
        assert (store.changes("ana"), store.changes("bo"), store.changes("nobody")) == (0, 1, 0)
        assert store.people() == ["ana", "bo"]
        assert [choice.question.user_id for choice in store.choices()] == ["bo"]

    def test_many_are_kept_together_or_not_at_all(self, store):
        rows = [(question(1), answer(1)), (question(2), None), (question(3), answer(3))]
        assert store.add(rows) == 2
        assert store.add(rows) == 0
        with pytest.raises(ConflictingAnswer):
            store.add([(question(4), answer(4)), (question(3), answer(3, "right"))])
        assert len(store.choices()) == 2
        with pytest.raises(ChoiceError):
            store.question("q4")

    def test_somebody_forgotten_leaves_nothing_and_takes_nobody_along(self, store):
        for number, user_id in enumerate(["ana", "ana", "bo"], 1):
            store.ask(question(number, user_id))
        store.answer(answer(1))
        store.answer(answer(3))
        store.uploaded("ana", "photo-1", "s3://b/photo-1", at=NOON)
        store.uploaded("ana", "photo-1", "s3://b/photo-1", at=NOON)
        store.uploaded("ana", "photo-2", "s3://b/photo-2", at=NOON)
        store.uploaded("bo", "photo-2", "s3://b/photo-2", at=NOON)
        assert store.uploads("ana") == ("s3://b/photo-1",)
        gone = store.erase("ana")
        assert (gone.questions, gone.answers) == (2, 1)
        assert store.uploads("ana") == ()
        assert [store.is_uploaded(image_id) for image_id in ("photo-1", "photo-2")] == [False, True]  # bo has one of them still
        assert store.uploads("bo") == ("s3://b/photo-2",)
        assert store.people() == ["bo"]
        assert (store.choices("ana"), store.open_questions("ana"), store.changes("ana")) == ([], [], 0)
        assert len(store.choices("bo")) == 1
        again = store.erase("ana")
        assert (again.questions, again.answers) == (0, 0)

    def test_event_ids_are_a_persons_own(self, store):
        """Two clients that both count e1, e2, ... are not in each other's way, and learn nothing of each other."""
        for number, user_id in ((1, "ana"), (2, "bo")):
            store.ask(question(number, user_id))
        assert [store.answer(answer(number, choice, event_id="e1")) for number, choice in ((1, "left"), (2, "right"))] == [
            True,
            True,
        ]
        store.ask(question(3, "bo"))
        with pytest.raises(ConflictingAnswer) as conflict:
            store.answer(answer(3, "left", event_id="e1"))
        assert "q1" not in str(conflict.value)
        assert "q2" not in str(conflict.value)

    def test_what_began_before_an_erasure_brings_nobody_back(self, store):
        before = store.erasures("ana")
        store.erase("ana", now=NOON)
        with pytest.raises(PersonErased, match="erased meanwhile"):
            store.ask(question(1), erasures=before)
        with pytest.raises(PersonErased, match="erased meanwhile"):
            store.uploaded("ana", "photo-1", "s3://b/photo-1", at=NOON, erasures=before)
        assert store.people() == []
        store.ask(question(1), erasures=store.erasures("ana"))  # they are welcome again
        store.erase("bo", now=NOON + timedelta(days=2))
        assert (store.erasures("ana"), store.erasures("bo")) == (0, 1)

    def test_two_with_one_photo_who_go_together_leave_nothing(self, store, url):
        for round_ in range(4):
            for user_id in ("ana", "bo"):
                store.uploaded(user_id, f"photo-{round_}", f"s3://b/photo-{round_}", at=NOON)
            barrier = threading.Barrier(2)
            uris: list[str] = []

            def erase(user_id: str, barrier: threading.Barrier = barrier, uris: list[str] = uris) -> None:
                own = Store(url)
                barrier.wait()
                uris.extend(own.erase(user_id).uris)
                own.close()

            threads = [threading.Thread(target=erase, args=(user_id,)) for user_id in ("ana", "bo")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert uris == [f"s3://b/photo-{round_}"]  # one of them has it alone at the end, and only one
        assert len(store.removals()) == 4
        store.removed(store.removals())
        assert store.removals() == ()

    def test_what_nobody_answered_is_swept(self, store):
        for number, user_id in enumerate(["ana", "ana", "bo"], 1):
            store.ask(question(number, user_id))
        store.answer(answer(1))
        store.uploaded("cy", "photo-1", "s3://b/photo-1", at=NOON)
        assert store.sweep(NOON + timedelta(seconds=2.5)) == 1  # q2
        assert store.people() == ["ana", "bo", "cy"]
        assert store.sweep(NOON + timedelta(days=1)) == 1  # q3, and bo of whom nothing is left
        assert store.people() == ["ana", "cy"]
        assert [each.question.question_id for each in store.choices()] == ["q1"]

    def test_it_can_be_written(self, store):
        store.check_writing()
        assert store.removals() == ()

    def test_a_person_is_whose_key_named_them(self, store):
        owners, keys = PersonOwners(store), KeyStore(store)
        callers = {name: Caller(name) for name in ("a", "b")}
        assert owners.claim(callers["a"], "ana")
        assert owners.claim(callers["a"], "ana")
        assert not owners.claim(callers["b"], "ana")
        assert [owners.speaks_for(each, "ana") for each in callers.values()] == [True, False]
        store.ask(question(1, "bo"))  # where no key was asked for
        assert not any(owners.speaks_for(each, "bo") for each in callers.values())
        keys.add(api_keys.make("shop", ["ask"], now=NOON, people="shop-*")[0])
        shop = Caller("c", "shop-*")
        assert not owners.speaks_for(callers["a"], "shop-1")  # reserved before it is used
        assert owners.claim(shop, "shop-1")
        assert not owners.speaks_for(shop, "ana")
        token = Caller("c", "shop-*", person="shop-1")
        assert [owners.speaks_for(token, each) for each in ("shop-1", "shop-2", "ana")] == [True, False, False]
        assert [owners.speaks_for(Caller("d", None, admin=True), each) for each in ("ana", "bo", "new")] == [True] * 3
        assert (owners.people("key a"), owners.people("people shop-*")) == (1, 1)
        store.uploaded("ana", "photo-1", "s3://b/photo-1", at=NOON)
        assert (owners.people_of_image("photo-1"), owners.photos("ana")) == (["ana"], 1)
        assert (owners.person_of_question("q1"), owners.person_of_question("none"), owners.open_questions("bo")) == ("bo", None, 1)

    def test_any_text_is_text(self, store):
        name = "Robert'); DROP TABLE answers;-- ąß漢🙂"
        store.ask(question(1, user_id=name))
        store.answer(answer(1, event_id=name))
        assert store.choices(name)[0].answer.event_id == name
        assert store.people() == [name]

    def test_many_at_once_are_all_kept_and_numbered(self, url):
        Store(url).close()
        failed = []

        def answer_ten(worker: int) -> None:
            store = Store(url)
            try:
                for number in range(worker * 10, worker * 10 + 10):
                    store.ask(question(number))
                    store.answer(answer(number))
            except Exception as error:
                failed.append(error)
            finally:
                store.close()

        workers = [threading.Thread(target=answer_ten, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        store = Store(url)
        assert failed == []
        assert [choice.number for choice in store.choices("ana")] == list(range(1, 41))
        assert store.changes("ana") == 40
        store.close()

    def test_a_retry_in_the_same_moment_is_counted_once(self, store, url):
        store.ask(question())
        new, failed = [], []
        together = threading.Barrier(6)

        def send() -> None:
            mine = Store(url)
            together.wait()
            try:
                new.append(mine.answer(answer()))
            except Exception as error:
                failed.append(error)
            finally:
                mine.close()

        senders = [threading.Thread(target=send) for _ in range(6)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert failed == []
        assert sorted(new) == [False] * 5 + [True]
        assert len(store.choices()) == 1

    def test_a_schema_of_the_future_is_refused(self, store, url):
        from sqlalchemy import event, text
        from sqlalchemy.pool import Pool

        with store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        opened, closed = [], []
        event.listen(Pool, "connect", note := lambda *_: opened.append(1))
        event.listen(Pool, "close", noted := lambda *_: closed.append(1))
        try:
            with pytest.raises(StoreError, match="schema 9999, newer than this Beholder's"):
                Store(url)
        finally:
            event.remove(Pool, "connect", note)
            event.remove(Pool, "close", noted)
        assert opened == closed == [1]  # no connection is left to a pool that nobody has

    def test_keys_lie_beside_the_choices(self, store, url):
        ring = KeyStore(store)
        made = [
            api_keys.make("shop", ["ask", "recommend"], now=NOON)[0],
            api_keys.make("Ana's phone", ["admin"], now=NOON + timedelta(1), expires_at=NOON + timedelta(2))[0],
        ]
        for key in made:
            ring.add(key)
        other = KeyStore(Store(url))
        assert other.all() == made
        assert other.find(made[0].key_id) == made[0]
        assert other.find("0" * 12) is None
        assert [other.revoke(made[0].key_id, at=NOON) for _ in range(2)] == [True, False]
        assert [key.state(NOON) for key in ring.all()] == ["revoked", "valid"]
        assert not ring.revoke(made[1].key_id, at=NOON + timedelta(3))  # it had expired
        with pytest.raises(AccessError, match="is no key's id"):
            ring.revoke("0" * 12, at=NOON)
        other.store.close()
