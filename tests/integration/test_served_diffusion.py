"""`beholder serve editor=diffusion` with a tiny pipeline: in one process, and on a Ray Serve with a pretended GPU."""

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import tiny_diffusion
from support.served_process import ServedProcess

from beholder import images
from beholder.client import Client, InvalidRequest, NotFound
from beholder.editing.looks import landscape

pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
FEW = "components.candidates.drawn=4"
PHOTOS = [images.encode(landscape.draw(seed, 60, 90)) for seed in (1, 2)]


@pytest.fixture
def model(tmp_path):
    return [*tiny_diffusion.saved(tmp_path), "diffusion.keep=false", FEW]


def asked_and_recommended(client: Client) -> None:
    """A visit: a photo is brought, asked about, recommended an edit, and erased."""
    known = client.directions()
    assert known.generator == "diffusion"
    assert {"winter", "watercolour"} <= {each.name for each in known.directions}
    photo, other = (client.add_photo("ana", io.BytesIO(file)).image_id for file in PHOTOS)
    for _ in range(3):
        question = client.ask("ana", photo)
        sides = [client.edited_picture(photo, side.edit).data for side in (question.left, question.right)]
        assert [images.decode(each).shape for each in sides] == [(60, 90, 3)] * 2
        answered = client.answer(question.question_id, "left")
    assert answered.rounds == 3
    best = client.recommend("ana", photo, count=3)
    assert best.known
    assert client.recommend("ana", other).known  # what was learned on one holds for the other
    assert images.decode(client.picture(photo, size=45).data).shape == (30, 45, 3)
    assert len(client.score("ana", photo, [{"winter": 1.5}]).scores) == 1
    assert set(client.person("ana").images) == {photo, other}
    assert client.erase("ana").images == 2
    with pytest.raises(NotFound):
        client.edited_picture(photo, {"winter": 1.0})
    with pytest.raises(NotFound):
        client.ask("ana", photo)


def test_a_photo_is_asked_about_and_recommended_an_edit_that_was_drawn(tmp_path: Path, model: list[str]):
    service = ServedProcess(tmp_path, *model)
    service.start()
    try:
        with Client(service.url) as client:
            asked_and_recommended(client)
            with pytest.raises(InvalidRequest) as caught:
                client.add_photo("ana", b"no photo")
            assert caught.value.kind == "image-format"
            for edit in ({"winter": 9.0}, {"smile": 1.0}):
                with pytest.raises(InvalidRequest):
                    client.edited_picture("seed-1", edit)
    finally:
        service.stop()
    assert {each.name for each in (tmp_path / "workspace" / "diffusion").iterdir()} == {"seed-0.zip"}


@pytest.mark.soak
def test_on_ray_the_pipeline_has_its_share_of_a_gpu(tmp_path: Path, model: list[str]):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    few = ["serve.ranker.min_replicas=1", "serve.ranker.max_replicas=1"]
    words = ["serve=gpu", *few, f"port={port}", f"workspace={tmp_path / 'workspace'}", *model]
    command = [sys.executable, "-m", "support.pretended_gpu_service", json.dumps(words)]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"PYTHONPATH": paths}
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = iter(process.stdout)
        line = next((each for each in lines if each.startswith('{"CPU"')), None)
        assert line is not None, (tmp_path / "log").read_text()
        assert json.loads(line) == {"CPU": 8 - 4, "GPU": 0.0}  # 0.6 for the pipeline, 0.4 for the encoder
        with Client(f"http://127.0.0.1:{port}/") as client:
            asked_and_recommended(client)
    finally:
        process.stdin.close()
        assert process.wait(timeout=120) == 0
    assert {each.name for each in (tmp_path / "workspace" / "diffusion").iterdir()} == {"seed-0.zip"}
