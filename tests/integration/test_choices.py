"""The store of choices on a real PostgreSQL, and its writer killed in the middle of a stream of choices, on both databases."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.store_suite import StoreContract

from beholder.recommending.store.choice_store import Store

# Answers without end; every one that the store has confirmed is printed.
_STREAM = """
import sys
from datetime import UTC, datetime
from beholder.recommending.store.question import Answer, Question
from beholder.recommending.store.choice_store import Store

store, now, number = Store(sys.argv[1]), datetime.now(UTC), int(sys.argv[2])
while True:
    store.ask(Question(f"q{number}", "ana", "face", {"smile": 1 + number / 7}, {}, "random", now))
    store.answer(Answer(f"e{number}", f"q{number}", "left", now, 0.5))
    print(number, flush=True)
    number += 1
"""


class TestPostgres(StoreContract):
    @pytest.fixture
    def url(self, empty: str) -> str:
        return empty

    def test_it_is_a_postgresql(self, store: Store) -> None:
        with store.engine.connect() as connection:
            assert str(connection.exec_driver_sql("SELECT version()").scalar()).startswith("PostgreSQL")

    def test_many_that_open_a_new_one_at_once_all_find_it_ready(self, url: str) -> None:
        failed: list[Exception] = []
        together = threading.Barrier(5)

        def open_it() -> None:
            together.wait()
            try:
                Store(url).close()
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_confirmed_choice_is_lost_when_the_writer_is_killed(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/choices.db" if kind == "sqlite" else request.getfixturevalue("empty")
    confirmed: list[int] = []
    for _ in range(3):
        begin = str(len(confirmed))
        with subprocess.Popen([sys.executable, "-c", _STREAM, url, begin], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                confirmed.append(int(line))
                if len(confirmed) % 40 == 0:
                    os.kill(writer.pid, signal.SIGKILL)
                    break
            confirmed += [int(line) for line in writer.stdout.read().split()]  # what it had printed before it died
            assert writer.wait() == -signal.SIGKILL
    store = Store(url)
    kept = [int(choice.question.question_id[1:]) for choice in store.choices("ana")]
    store.close()
    assert confirmed == list(range(len(confirmed)))
    assert set(kept) >= set(confirmed)
    assert len(kept) - len(confirmed) <= 1  # the last one may have been written and not yet told
