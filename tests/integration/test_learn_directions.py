"""`beholder directions learn` on Ray: pictures are drawn, embedded and inverted by its processes, and come out as they do here."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from beholder import cli, images
from beholder.config import load
from beholder.editing.directions import learning
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import Encoder
from beholder.jobs import learn_directions
from beholder.jobs.learn_directions import LearnDirectionsSettings
from beholder.ray_connection import RayConfig, connect


def test_pictures_are_embedded_in_batches_as_they_are_here(small_ray: object, tmp_path: Path) -> None:
    words = ["name=smiling", "texts=[a face, a smiling face]", "drawn.pictures=40", "actors=2", f"workspace={tmp_path}"]
    settings = load(LearnDirectionsSettings, command="directions learn", overrides=words)
    assert [len(seeds) for seeds in learning.picture_seeds(settings.drawn)] == [16, 16, 8]
    pictures = learn_directions.embed(settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = learning.embed_pictures(StyleGAN.load().generator, Encoder.load(settings.encoder), settings.drawn)
    torch.set_num_threads(threads)
    np.testing.assert_allclose(pictures.w, expected.w, atol=1e-5)
    np.testing.assert_allclose(pictures.vectors, expected.vectors, atol=1e-4)


def test_labelled_files_are_inverted(small_ray: object, tmp_path: Path) -> None:
    editor = StyleGAN.load()
    edits = [{"smile": (-1) ** number * 2.0} for number in range(30)]
    pictures = editor.edit(editor.generate(list(range(30))), edits)
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(images.encode(picture, format="PNG"))
    table = {"image": [str(tmp_path / f"{number}.png") for number in range(30)], "grin": [edit["smile"] for edit in edits]}
    pd.DataFrame(table).to_csv(tmp_path / "labels.csv", index=False)
    words = ["name=grin", f"labels={tmp_path / 'labels.csv'}", f"workspace={tmp_path / 'ws'}"]
    with connect(RayConfig()):
        assert cli.main(["directions", "learn", *words]) == 0
    (run,) = (tmp_path / "ws" / "runs").glob("directions-learn-*")
    assert json.loads((run / "metrics.json").read_text())["explained"] > 0.3
