"""process: ports that are taken, signal handlers that are kept, and rows mapped over threads."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from beholder import process
from beholder.editing.stylegan import EditedLatent, StyleGAN, StyleGANConfig
from beholder.errors import ConfigError
from beholder.process import ThreadShare


def test_a_port_that_is_taken_is_refused_even_where_it_could_be_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Ray Serve's proxy does
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            process.check_port("127.0.0.1", port)
    process.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.9", "2001:db8::9"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        process.check_port(host, 8000)


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


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8])
def test_rows_are_divided_and_come_back_in_order(count: int, rows: int) -> None:
    torch.set_num_threads(count)
    parts: list[int] = []

    def double(some: np.ndarray) -> np.ndarray:
        parts.append(len(some))
        return 2 * some

    np.testing.assert_array_equal(ThreadShare().share(double, np.arange(rows)), 2 * np.arange(rows))
    assert len(parts) <= count
    assert max(parts) <= -(-rows // count)


def test_each_computes_by_itself_and_all_at_the_same_time() -> None:
    torch.set_num_threads(3)
    together = threading.Barrier(3)

    def work(_: object) -> np.ndarray:
        together.wait(10)
        return np.array([[torch.get_num_threads(), threading.get_ident()]])

    found = ThreadShare().share(work, range(3))
    assert found[:, 0].tolist() == [1, 1, 1]
    assert len(set(found[:, 1].tolist())) == 3
    assert torch.get_num_threads() == 3
    other: list[int] = []
    thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert other == [3]


def wait_for_all(at_once: threading.Barrier, some: object) -> np.ndarray:
    return np.full(1, at_once.wait(10))


def test_more_are_hired_when_torch_may_use_more() -> None:
    threads = ThreadShare()
    for count in (2, 4, 2):
        torch.set_num_threads(count)
        threads.share(partial(wait_for_all, threading.Barrier(count)), range(count))


def test_what_goes_wrong_is_told() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        ThreadShare().share(lambda some: np.array([1 // row for row in some]), range(4))


def test_pictures_have_the_same_bits_however_many_draw_them() -> None:
    edits = [{"smile": 0.5 * at, "glasses": 1.0} for at in (-3, -1, 2)]
    editor = StyleGAN.load(config=StyleGANConfig(device="cpu"))
    latent = editor.generate([7])
    pixels, rgb = [], []
    for count in (1, 2, 16):
        torch.set_num_threads(count)
        sliders = editor.sliders(latent)
        pixels += [editor.edit(latent, edits), np.concatenate([editor.edit(latent, [each]) for each in edits])]
        pixels.append(np.stack([sliders.draw(each) for each in edits]))
        rgb.append(editor.on_threads(partial(drawn, editor), [(latent, each) for each in edits]))
    assert all(np.array_equal(each, pixels[0]) for each in pixels)
    assert all(np.array_equal(each, rgb[0]) for each in rgb)


def drawn(editor: StyleGAN, wanted: Sequence[EditedLatent]) -> np.ndarray:
    """Before it is rounded: float32 RGB [N, 3, R, R]."""
    return np.concatenate([editor.layer_cache().draw(editor.styles(*each)).numpy() for each in wanted])


def test_freed_memory_is_kept_for_the_next_block_of_its_size():
    """Minor page faults of 20 blocks of 16 MiB, one after the other: each has its own where the kernel gets them back."""
    code = """
import resource, sys
import numpy as np
from beholder import process
if "keep" in sys.argv:
    assert process.keep_freed_memory()
np.ones(2**21)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**21)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        word: int(subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True).stdout)
        for word in ("default", "keep")
    }
    assert faults["keep"] * 5 < faults["default"]


STOPPING = """
import sys, time
from beholder import process
try:
    raise {raised}
finally:
    with process.stop_within({seconds}, "the service"):
        print("stopping", flush=True)
        time.sleep({takes})
"""


def stopping(raised: str, *, seconds: float, takes: float) -> subprocess.Popen[str]:
    """A process that is about to stop something, which takes a while."""
    code = STOPPING.format(raised=raised, seconds=seconds, takes=takes)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    return process


@pytest.mark.parametrize(("raised", "code"), [("SystemExit(143)", 143), ("KeyboardInterrupt", 130), ("ValueError", 1)])
def test_what_does_not_stop_in_time_is_ended_with_the_code_that_was_on_its_way(raised: str, code: int) -> None:
    process = stopping(raised, seconds=0.2, takes=60)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (code, "beholder: the service did not stop within 0.2 s, and is ended\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(number: signal.Signals) -> None:
    process = stopping("SystemExit(143)", seconds=60, takes=60)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (128 + number, "beholder: the service is ended before it has stopped\n")


def test_what_stops_in_time_is_let_be() -> None:
    process = stopping("SystemExit(143)", seconds=60, takes=0)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (143, "")


def test_linear_algebra_has_one_thread_within_and_what_it_had_after() -> None:
    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(limits=2, user_api="blas"):
        assert process.one_blas_thread(threads)() == {1}
        assert threads() == {2}
