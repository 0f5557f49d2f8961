"""Placement of processes that hold a model: always something that Ray can place."""

import pytest

from beholder.jobs._placement import Placement


@pytest.mark.parametrize("nodes", [[{"CPU": 1}], [{"CPU": 2}], [{"CPU": 1}, {"CPU": 1}], [{"CPU": 64}], [{}, {"CPU": 8}]])
@pytest.mark.parametrize("actors", [0, 1, 3])
def test_on_cpus_every_actor_fits_on_a_node_beside_a_light_task(nodes, actors):
    placement = Placement.of(nodes, device="cpu", items=10_000, actors=actors, share=0.7)
    largest = max(node.get("CPU", 0) for node in nodes)
    assert placement.num_cpus + placement.cpus_beside <= largest
    assert placement.actors == (actors or sum(node.get("CPU", 0) for node in nodes))
    assert placement.num_cpus * placement.actors <= 0.71 * sum(node.get("CPU", 0) for node in nodes)
    assert 1 <= placement.threads <= largest


@pytest.mark.parametrize("nodes", [[{"CPU": 1, "GPU": 1}], [{"CPU": 16, "GPU": 1}], [{"CPU": 96, "GPU": 8}, {"CPU": 96, "GPU": 8}]])
def test_on_gpus_there_is_an_actor_on_each(nodes):
    placement = Placement.of(nodes, device="auto", items=10**6)
    assert placement.actors == sum(node["GPU"] for node in nodes)
    assert placement.num_gpus == 1
    assert placement.num_cpus + placement.cpus_beside <= nodes[0]["CPU"]


def test_no_more_actors_than_items():
    placement = Placement.of([{"CPU": 64}], device="cpu", items=2)
    assert placement.actors == 2
    assert placement.threads == 32


def test_gpus_are_left_alone_where_the_model_is_on_the_cpu():
    assert Placement.of([{"CPU": 4, "GPU": 4}], device="cpu", items=1000).num_gpus == 0


def test_what_a_task_reserves_is_what_ray_is_told():
    assert Placement.of([{"CPU": 4}], device="cpu", items=2, share=1.0).resources == {"num_cpus": 2.0, "num_gpus": 0.0}
