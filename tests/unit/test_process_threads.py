"""Threads: what is shared comes back whole and in order, each part by one core, and nobody else's threads become fewer."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import torch

from beholder.editing.stylegan import EditedLatent, StyleGAN, StyleGANConfig
from beholder.process import ThreadShare


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


def test_more_are_hired_when_torch_may_use_more() -> None:
    threads = ThreadShare()
    for count in (2, 4, 2):
        torch.set_num_threads(count)
        at_once = threading.Barrier(count)
        threads.share(lambda some, wait=at_once.wait: np.full(1, wait(10)), range(count))


def test_what_goes_wrong_is_told() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        ThreadShare().share(lambda some: np.array([1 // row for row in some]), range(4))


def test_pictures_have_the_same_bits_however_many_draw_them() -> None:
    edits = [{"smile": 0.5 * at, "glasses": 1.0} for at in range(-3, 3)]
    editor = StyleGAN.load(config=StyleGANConfig(device="cpu"))
    latent = editor.generate([7])
    pixels, rgb = [], []
    for count in (1, 2, 3, 16):
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
