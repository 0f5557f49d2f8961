"""Reservations: what a task asks Ray for by its taste's kind, its device and the cluster's nodes."""

import pytest

from beholder.errors import ConfigError
from beholder.jobs._reservation import SHARES, ClusterRoom, Reservation, device_of, on_device, warnings_kept
from beholder.jobs._search import GpuMemory, TuneConfig
from beholder.jobs.train import TrainConfig, scaling
from beholder.runs import log
from beholder.taste import taste_factory
from beholder.taste.taste_factory import TasteConfig

GIB = 2**30
ONE = [{"CPU": 16.0, "GPU": 1.0, "memory": 100.0 * GIB}]
CPUS = [{"CPU": 8.0, "memory": 16.0 * GIB}, {"CPU": 4.0, "memory": 8.0 * GIB}]


def taste(kind: str, device: str = "auto") -> TasteConfig:
    return on_device(TasteConfig(kind=kind), device)


@pytest.mark.parametrize(("kind", "share"), [("population", 0), ("bayes", 0), ("mlp", 0.25), ("ensemble", 0.25), ("lora", 1)])
def test_a_gpu_is_reserved_by_kind_and_is_the_device(kind, share):
    reservation = Reservation.of(taste(kind), ONE)
    assert (reservation.num_gpus, reservation.num_cpus) == (share, 1 if share or kind != "lora" else 16)
    if share:
        assert device_of(reservation.place(taste(kind, "cuda:3")))[1] == "cuda"  # which of a node's it is Ray decides
        assert device_of(reservation.place(taste(kind)))[1] == "auto"


@pytest.mark.parametrize("kind", ["population", "bayes", "mlp", "ensemble", "lora"])
@pytest.mark.parametrize(("device", "nodes"), [("auto", CPUS), ("cpu", ONE)])
def test_without_a_gpu_the_device_is_the_cpu(kind, device, nodes):
    reservation = Reservation.of(taste(kind, device), nodes)
    placed = reservation.place(taste(kind, device))
    assert reservation.num_gpus == 0
    assert (placed.mlp.fit.device, placed.lora.fit.device) == ("cpu", "cpu")


def test_every_network_has_its_share():
    assert SHARES.keys() == taste_factory.NETWORKS.keys()


def test_the_setting_that_decides_the_device():
    assert device_of(taste("ensemble")) == ("taste.mlp.fit.device", "auto")
    assert device_of(taste("bayes", "cuda")) == ("", "cpu")


def test_an_image_tower_on_cpus_takes_the_free_cores_of_a_node_shared_with_those_beside_it():
    asked = [(1, 1.0), (3, 1.0), (1, 0.5), (99, 1.0)]
    cores = [Reservation.of(taste("lora"), CPUS, beside=beside, free=free).num_cpus for beside, free in asked]
    assert cores == [8, 4, 4, 1]
    assert Reservation.of(taste("mlp"), CPUS).num_cpus == 1


def test_memory_grows_with_the_items_and_never_beyond_a_node():
    sizes = [Reservation.of(taste("mlp"), CPUS, items=size * GIB).memory / GIB for size in (0, 1, 100)]
    assert sizes == [0.5, 4.5, 16]
    assert Reservation.of(taste("lora"), CPUS, items=100 * GIB).memory == 3 * GIB  # what is kept of the images has its bound
    assert "memory" not in Reservation.of(taste("mlp"), [{"CPU": 2.0}]).options  # a node that says nothing of its memory


def test_the_share_can_be_set():
    assert Reservation.of(taste("mlp"), ONE, num_gpus=0.5).num_gpus == 0.5
    assert Reservation.of(taste("lora"), ONE, num_gpus=0).num_gpus == 0
    assert Reservation.of(taste("bayes"), ONE, num_gpus=0.5).num_gpus == 0


@pytest.mark.parametrize(
    ("nodes", "num_gpus", "says"),
    [
        (CPUS, None, r"taste.lora.fit.device=cuda needs a node with 1 GPU, but the nodes of this Ray have 0 at most; set"),
        (ONE, 2.0, r"needs a node with 2 GPU, but the nodes of this Ray have 1 at most"),
        (ONE, 0.0, r"have 1 at most, and none is to be reserved; set taste.lora.fit.device=cpu"),
    ],
)
def test_a_gpu_that_was_asked_for_and_is_not_there(nodes, num_gpus, says):
    with pytest.raises(ConfigError, match=says):
        Reservation.of(taste("lora", "cuda"), nodes, num_gpus=num_gpus)


def test_that_a_gpu_has_to_be_waited_for_is_said(caplog):
    assert ClusterRoom(ONE, 1.0, 1.0).reserve(taste("lora"), items=0).num_gpus == 1
    assert not caplog.records
    assert ClusterRoom(ONE, 1.0, 0.1).reserve(taste("lora"), items=0).num_gpus == 1
    (record,) = caplog.records
    assert "taste=lora reserves 1 GPU, and 0.1 are free: it waits until" in record.getMessage()
    assert "with taste.lora.fit.device=cpu it would not" in record.getMessage()


def test_workers_get_a_gpu_each_or_a_core_each():
    two = [{"CPU": 4.0, "GPU": 2.0}]
    for kind, device, nodes, workers, use_gpu in (
        ("lora", "auto", two, 2, True),
        ("mlp", "cuda", two, 2, True),
        ("mlp", "auto", two, 3, False),
        ("mlp", "cpu", two, 2, False),
        ("mlp", "auto", CPUS, 2, False),
    ):
        chosen = scaling(taste(kind, device), nodes, TrainConfig(workers=workers))
        assert (chosen.num_workers, chosen.use_gpu) == (workers, use_gpu)
        assert chosen.resources_per_worker == ({"CPU": 1.0, "GPU": 1.0} if use_gpu else {"CPU": 1.0})
    with pytest.raises(ConfigError, match=r"workers=3 with taste.mlp.fit.device=cuda needs a GPU for each .* this Ray has 2"):
        scaling(taste("mlp", "cuda"), two, TrainConfig(workers=3))


@pytest.mark.parametrize(("used", "share"), [(1, 0.05), (4 * GIB, 0.1), (33 * GIB, 0.5), (79 * GIB, 1.0)])
def test_a_trial_reserves_the_memory_it_was_measured_to_take_and_a_fifth_more(used, share):
    assert GpuMemory(used, 80 * GIB).share == pytest.approx(share)


def test_a_share_below_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"tune\.num_gpus must be 0 or more, got -1"):
        TuneConfig(num_gpus=-1)


def test_a_tasks_warnings_are_kept_once_each():
    with warnings_kept() as messages:
        for count in (20, 20, 10):
            log.warning("%d are too many", count)
        log.info("not one")
    log.warning("later")
    assert messages == ["20 are too many", "10 are too many"]
