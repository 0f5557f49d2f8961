"""Processes that hold a model take items one at a time, several at once, and each item once."""

import os
import time
from pathlib import Path

import pytest

from beholder.errors import ConfigError, ImageError
from beholder.jobs import _placement
from beholder.jobs._placement import Placement
from beholder.ray_connection import RayConfig, connect


class Squares:
    def __init__(self, threads: int, power: int) -> None:
        if power < 1:
            raise ConfigError("no power")
        self.threads, self.power = threads, power

    def __call__(self, item):
        if item["number"] < 0:
            raise ImageError("no root")
        time.sleep(0.2)
        return [{"number": item["number"], "square": item["number"] ** self.power, "process": os.getpid(), "threads": self.threads}]


def test_every_item_is_worked_on_once_by_as_many_processes_as_there_are_cores(small_ray):
    items = [{"number": number} for number in range(12)]
    rows = list(_placement.process(Squares, items, arguments=(2,), device="cpu"))
    assert sorted(row["square"] for row in rows) == [number**2 for number in range(12)]
    assert len({row["process"] for row in rows}) == 2
    assert {row["threads"] for row in rows} == {1}


def test_an_error_of_ours_comes_out_as_itself(small_ray):
    with pytest.raises(ImageError, match="no root"), connect(RayConfig()):
        list(_placement.process(Squares, [{"number": -1}], arguments=(2,), device="cpu"))
    with pytest.raises(ConfigError, match="no power"), connect(RayConfig()):
        list(_placement.process(Squares, [{"number": 1}], arguments=(0,), device="cpu"))


class DiesOnce:
    """A process that dies over item 3 unless it has died before."""

    def __init__(self, mark: str) -> None:
        self.mark = Path(mark)

    def __call__(self, item: int) -> int:
        if item == 3 and not self.mark.exists():
            self.mark.touch()
            os._exit(1)
        return item


def test_what_a_lost_process_had_in_hand_is_done_again(small_ray, tmp_path):
    two = Placement(2, 0.9, 0.0, 1, 0.2)
    assert sorted(_placement.map_unordered(DiesOnce, (str(tmp_path / "died"),), range(8), two)) == list(range(8))
    assert (tmp_path / "died").exists()


def test_a_process_that_finds_no_room_keeps_nothing_back(small_ray, tmp_path):
    (tmp_path / "died").touch()
    three_on_two_cores = Placement(3, 0.9, 0.0, 1, 0.2)
    assert sorted(_placement.map_unordered(DiesOnce, (str(tmp_path / "died"),), range(8), three_on_two_cores)) == list(range(8))


def test_results_come_as_tasks_are_done(small_ray, tmp_path):
    @small_ray.remote(num_cpus=1)
    def wait_for(path):
        while path is not None and not path.exists():
            time.sleep(0.02)
        return path

    door = tmp_path / "open"
    results = iter(_placement.as_completed([wait_for.remote(door), wait_for.remote(None)]))
    assert next(results) is None  # while the first still waits
    door.touch()
    assert list(results) == [door]
