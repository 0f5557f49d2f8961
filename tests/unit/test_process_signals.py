"""Signals: a library that takes SIGTERM for itself does not keep it."""

import signal
import threading

import pytest

from beholder import process


@pytest.fixture
def ours():
    before = signal.getsignal(signal.SIGTERM)
    calls = []

    def handle(*_: object) -> None:
        calls.append("ours")

    signal.signal(signal.SIGTERM, handle)
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_ours_handles_it_again(ours):
    with process.keep_handlers():
        signal.signal(signal.SIGTERM, lambda *_: ours.append("theirs"))
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert ours == ["theirs", "ours"]


def test_it_is_ours_again_after_a_failure_too(ours):
    def fail() -> None:
        with process.keep_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    signal.raise_signal(signal.SIGTERM)
    assert ours == ["ours"]


def test_another_thread_may_ask_too(ours):
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with process.keep_handlers():
                pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed
