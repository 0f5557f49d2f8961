"""What studies have to do in whatever database: `class TestX(StudyStoreContract)` with a fixture `url`."""

import itertools
import threading
from collections import Counter
from datetime import timedelta

import pytest

from beholder.errors import StudyConflict, StudyError, UnknownParticipant, UnknownStudy
from beholder.studies.design import CHECK, MAIN, REPEAT, SPREAD
from beholder.studies.study_records import TrialAnswer
from beholder.studies.study_store import StudyStore
from support.study_double import NOON, StudyDouble, study_config


class StudyStoreContract:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def study(self, url):
        study = StudyDouble(url)
        yield study
        study.close()

    def test_a_participant_sees_everything_once_and_is_done(self, study):
        session = study.finish(study.join())
        assert (session.step, session.done, session.total) == ("done", 15, 15)
        trials = study.store.trials("faces")
        assert Counter(trial.role for trial in trials) == {MAIN: 11, REPEAT: 2, CHECK: 2}
        rated = [trial.left_id for trial in trials if trial.block == "ratings" and trial.role == MAIN]
        assert len(set(rated)) == len(rated) == 6
        pairs = [frozenset((trial.left_id, trial.right_id)) for trial in trials if trial.block == "pairs" and trial.role == MAIN]
        assert len(set(pairs)) == len(pairs) == 5
        assert [trial.place for trial in trials] == list(range(15))
        assert [trial.block for trial in trials] == ["ratings"] * 8 + ["pairs"] * 7

    def test_repeats_have_the_sides_exchanged_and_come_late_enough(self, study):
        for number in range(6):
            study.finish(study.join(f"p{number}"))
        trials = study.store.trials("faces")
        by_id = {trial.trial_id: trial for trial in trials}
        for trial in (trial for trial in trials if trial.role == REPEAT):
            first = by_id[str(trial.repeat_of)]
            assert first.user_id == trial.user_id
            between = [each for each in trials if each.user_id == trial.user_id and first.place < each.place < trial.place]
            assert sum(each.role == MAIN for each in between) >= study.config.gap
            if trial.block == "pairs":
                assert (trial.left_id, trial.right_id) == (first.right_id, first.left_id)
            else:
                assert trial.left_id == first.left_id

    def test_all_images_are_shown_equally_often(self, study):
        for number in range(12):
            study.finish(study.join(f"p{number}"))
        for block in study.store.status("faces", now=study.now).balance:
            assert block.most - block.least <= SPREAD
            assert 0.3 <= block.left_share <= 0.7

    def test_a_retry_is_counted_once(self, study):
        token = study.join()
        assert study.join() == token
        trial = study.session(token).trials[0]
        counted = [study.answer(token, trial, event_id="e1").counted for _ in range(3)]
        assert counted == [True, False, False]
        assert not study.answer(token, trial, event_id="e2").counted  # the same answer by another event
        assert study.session(token).done == 1
        assert study.store.status("faces", now=study.now).joined == 1

    def test_another_answer_is_a_conflict(self, study):
        token = study.join()
        first, second = study.session(token).trials
        study.answer(token, first, event_id="e1")
        with pytest.raises(StudyConflict, match="has another answer"):
            study.answer(token, first, "3", event_id="e1")
        with pytest.raises(StudyConflict, match="this event was sent before"):
            study.answer(token, second, event_id="e1")
        assert study.session(token).done == 1

    def test_what_is_on_show_stays_there(self, study, url):
        token = study.join()
        shown = [trial.trial_id for trial in study.session(token).trials]
        again = StudyStore(study.store.store.__class__(url))  # as another process, or this one started again
        assert [trial.trial_id for trial in again.session("faces", token, now=study.now).trials] == shown
        again.store.close()

    def test_what_nobody_offered_is_refused(self, study):
        token = study.join()
        trial = next(trial for trial in study.session(token).trials if trial.role == MAIN)
        for answers in (
            [],
            [TrialAnswer("attractive", "2", 1)],
            [TrialAnswer("attractive", "5", 1), TrialAnswer("smart", "2", 1)],
            [TrialAnswer("attractive", "left", 1), TrialAnswer("smart", "2", 1)],
            [TrialAnswer("attractive", "2", -1), TrialAnswer("smart", "2", 1)],
            [TrialAnswer("attractive", "2", 1), TrialAnswer("attractive", "2", 1)],
        ):
            with pytest.raises(StudyError):
                study.store.answer(
                    "faces", token, event_id="e", trial_id=trial.trial_id, answers=answers, answered_at=NOON, now=NOON
                )
        assert study.session(token).done == 0

    def test_nobody_answers_for_somebody_else(self, study):
        ana, bob = study.join("ana"), study.join("bob")
        trial = study.session(ana).trials[0]
        with pytest.raises(StudyConflict, match="gone"):
            study.answer(bob, trial)
        with pytest.raises(UnknownParticipant):
            study.session("x" * 22)
        with pytest.raises(UnknownStudy, match="did you mean faces"):
            study.store.session("face", ana, now=NOON)

    def test_whoever_leaves_is_made_up_for(self, study):
        """Ten people look at their first two pictures and leave; after the time for it, others are shown these instead."""
        for number in range(10):
            study.session(study.join(f"gone-{number}"))
        study.now += timedelta(minutes=31)
        for number in range(10):
            study.finish(study.join(f"p{number}"))
        answered = Counter(t.left_id for t in study.store.trials("faces") if t.block == "ratings" and t.role == MAIN)
        assert len(answered) == 10
        assert max(answered.values()) - min(answered.values()) <= SPREAD

    def test_an_answer_that_comes_late_counts(self, study):
        token = study.join()
        trial = study.session(token).trials[0]
        study.now += timedelta(hours=2)
        study.session(study.join("bob"))  # by now, it was released
        assert study.answer(token, trial).counted
        assert sum(block.most for block in study.store.status("faces", now=study.now).balance) >= 1

    def test_withdrawing_leaves_nothing(self, study):
        ana, bob = study.join("ana"), study.join("bob")
        study.finish(bob)
        before = study.store.status("faces", now=study.now)
        study.finish(ana)
        who, trials = study.store.withdraw("faces", ana, now=study.now)
        assert len(trials) == 15
        after = study.store.status("faces", now=study.now)
        assert (after.joined, after.answers, after.balance) == (1, before.answers, before.balance)
        assert who not in {person.user_id for person in study.store.participants("faces")}
        with pytest.raises(UnknownParticipant):
            study.session(ana)
        assert study.join("ana") == ana  # somebody who comes back begins anew
        assert study.session(ana).done == 0

    def test_steps_and_forms(self, url):
        sex = "{id: sex, kind: choice, text: Sex, options: [f, m], required: false}"
        before = f"[{{id: age, kind: number, text: Age, low: 18, high: 99}}, {sex}]"
        after = "[{id: words, text: Words, required: false}]"
        completion = "{code: XY, redirect: 'https://panel.example/?c={code}&p={external_id}'}"
        study = StudyDouble(url, study_config(consent="Yes?", before=before, after=after, completion=completion))
        token = study.store.join("faces", event_id="a", lang="en", external_id="P1", now=NOON)
        assert study.session(token).step == "consent"
        with pytest.raises(StudyConflict, match="has not agreed"):
            study.store.form("faces", token, part="before", answers={"age": "20"}, now=NOON)
        with pytest.raises(StudyError, match="lang must be one of en"):
            study.store.consent("faces", token, lang="de", now=NOON)
        assert study.store.consent("faces", token, lang="en", now=NOON).step == "before"
        refused = {
            "age has to be answered": {},
            "between 18 and 99": {"age": "17"},
            "a number": {"age": "old"},
            "number of an option": {"age": "20", "sex": "2"},
            "no field 'size'": {"age": "20", "size": "1"},
        }
        for said, answers in refused.items():
            with pytest.raises(StudyError, match=said):
                study.store.form("faces", token, part="before", answers=answers, now=NOON)
        assert study.store.form("faces", token, part="before", answers={"age": "20", "sex": "1"}, now=NOON).step == "trials"
        study.store.form("faces", token, part="before", answers={"age": "21"}, now=NOON)  # the first stays
        assert study.finish(token).step == "after"
        session = study.store.form("faces", token, part="after", answers={}, now=NOON)
        assert (session.step, session.code) == ("done", "XY")
        assert session.redirect == "https://panel.example/?c=XY&p=P1"
        (person,) = study.store.participants("faces")
        assert person.forms == {"before": {"age": "20", "sex": "m"}, "after": {}}
        assert (person.external_id, person.trials, person.checks_passed) == ("P1", 15, 2)
        study.close()

    def test_who_may_join(self, url):
        study = StudyDouble(url, study_config(participants=1))
        study.join("ana")
        with pytest.raises(StudyConflict, match="full"):
            study.join("bob")
        assert study.join("ana")  # a retry is no second participant
        assert study.store.set_state("faces", "closed")
        assert not study.store.set_state("faces", "closed")
        with pytest.raises(StudyConflict, match="not open"):
            study.join("cid")
        with pytest.raises(StudyConflict, match="already"):
            study.store.add(study.config, [("a", "0" * 24)], at=NOON)
        study.close()

    def test_invited(self, url):
        study = StudyDouble(url, study_config(join="invited"))
        with pytest.raises(StudyConflict, match="a link of their own"):
            study.join()
        tokens = study.store.invite("faces", 3)
        assert len(set(tokens)) == 3
        assert study.finish(tokens[0]).step == "done"
        status = study.store.status("faces", now=study.now)
        assert (status.invited, status.joined, status.finished) == (2, 1, 1)
        study.close()

    def test_a_closed_study_takes_what_is_on_show_and_shows_nothing_new(self, study):
        token = study.join()
        first, second = study.session(token).trials
        study.store.set_state("faces", "closed")
        assert study.answer(token, first).counted
        assert study.answer(token, second).session.step == "done"

    def test_pairs_where_the_answers_leave_most_open(self, url):
        text = "name: faces\npairs: {per_person: 6, choose: active}"
        study = StudyDouble(url, study_config(text), images=8)
        token = study.join()
        best = lambda first, second: ((first == 2) & (second == 5)) | ((first == 5) & (second == 2))  # noqa: E731
        session = study.store.session("faces", token, now=NOON, information={"attractive": lambda a, b: best(a, b).astype(float)})
        assert {session.trials[0].left_id, session.trials[0].right_id} == {"2.png", "5.png"}
        study.answer(token, session.trials[0])
        left, right = (int(each.partition(".")[0]) for each in (session.trials[0].left_id, str(session.trials[0].right_id)))
        assert study.store.pair_answers("faces") == {"attractive": [(left, right, 1.0)]}
        study.close()

    def test_questions_in_blocks_of_their_own(self, url):
        study = StudyDouble(url, study_config(ask="in_blocks"))
        orders: Counter[str] = Counter()
        for number in range(8):
            token = study.join(f"p{number}")
            session = study.finish(token)
            assert (session.done, session.total) == (30, 30)
            trials = [trial for trial in study.store.trials("faces") if trial.user_id == session.user_id]
            parts = [(trial.part, trial.block) for trial in trials]
            assert [part for part, _ in itertools.groupby(parts)] == [
                (part, block) for part in dict.fromkeys(part for part, _ in parts) for block in ("ratings", "pairs")
            ]
            assert {a.attribute for t in trials for a in t.answers if t.part == "smart"} == {"smart", "check"}
            orders[parts[0][0]] += 1
        assert orders == {"attractive": 4, "smart": 4}  # who comes next has the order that the fewest have
        balance = study.store.status("faces", now=study.now).balance
        assert [each.block for each in balance] == ["ratings:attractive", "pairs:attractive", "ratings:smart", "pairs:smart"]
        assert all(each.most - each.least <= SPREAD for each in balance)
        assert sum(each.most * each.images >= 8 * 6 for each in balance) == 4
        study.close()

    def test_an_order_of_blocks_that_somebody_left_with_is_given_again(self, url):
        study = StudyDouble(url, study_config(ask="in_blocks", join="invited"))
        first = {}
        tokens = study.store.invite("faces", 6)
        for token in tokens[:2]:
            first[token] = study.session(token).trials[0].part
        assert set(first.values()) == {"attractive", "smart"}
        study.finish(tokens[0])
        study.now += timedelta(minutes=31)  # by now, the second one has left
        assert study.session(tokens[2]).trials[0].part == first[tokens[1]]
        study.close()

    def test_many_at_once(self, study):
        """Threads that answer at the same time: everything is kept, and the design stays balanced."""
        failed: list[Exception] = []

        def take_part(number: int) -> None:
            try:
                token = study.join(f"p{number}")
                session = study.session(token)
                while session.step == "trials":
                    session = study.answer(token, session.trials[0]).session
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=take_part, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert len(study.store.trials("faces")) == 6 * 15
        for block in study.store.status("faces", now=study.now).balance:
            assert block.most - block.least <= SPREAD
