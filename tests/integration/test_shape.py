"""How `embed` lays its pipeline on machines: always something that Ray can place."""

import pytest

from beholder.encoder import EncoderConfig
from beholder.jobs.embed import Placement

CPU = EncoderConfig(device="cpu")


@pytest.mark.parametrize("nodes", [[{"CPU": 1}], [{"CPU": 2}], [{"CPU": 1}, {"CPU": 1}], [{"CPU": 64}], [{}, {"CPU": 8}]])
@pytest.mark.parametrize("actors", [0, 1, 3])
def test_on_cpus_every_actor_fits_on_a_node_beside_a_decoder(nodes, actors):
    shape = Placement.of(nodes, CPU, actors=actors, images=10_000)
    largest = max(node.get("CPU", 0) for node in nodes)
    assert shape.actor_cpus + shape.decode_cpus <= largest
    assert shape.actors == (actors or sum(node.get("CPU", 0) for node in nodes))
    assert shape.actor_cpus * shape.actors <= 0.71 * sum(node.get("CPU", 0) for node in nodes)
    assert 1 <= shape.threads <= largest


@pytest.mark.parametrize("nodes", [[{"CPU": 1, "GPU": 1}], [{"CPU": 16, "GPU": 1}], [{"CPU": 96, "GPU": 8}, {"CPU": 96, "GPU": 8}]])
def test_on_gpus_there_is_an_actor_on_each(nodes):
    shape = Placement.of(nodes, EncoderConfig(), actors=0, images=10**6)
    assert shape.actors == sum(node["GPU"] for node in nodes)
    assert shape.actor_gpus == 1
    assert shape.actor_cpus + shape.decode_cpus <= nodes[0]["CPU"]


def test_no_more_actors_than_batches():
    assert Placement.of([{"CPU": 64}], CPU, actors=0, images=40).actors == 2


def test_gpus_are_left_alone_where_the_encoder_is_on_the_cpu():
    assert Placement.of([{"CPU": 4, "GPU": 4}], CPU, actors=0, images=1000).actor_gpus == 0
