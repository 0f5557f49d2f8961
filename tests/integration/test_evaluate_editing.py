"""`evaluate editing` on Ray Data: a folder's pictures, inverted and edited both ways."""

import json
from pathlib import Path

from beholder import cli, images
from beholder.editing.stylegan import StyleGAN


def test_a_folder_of_pictures_is_measured_on_ray(small_ray: object, tmp_path: Path) -> None:
    editor, folder = StyleGAN.load(), tmp_path / "pictures"
    folder.mkdir()
    for seed, pixels in enumerate(editor.edit(editor.generate([3, 4]), [{}, {}])):
        (folder / f"{seed}.png").write_bytes(images.encode(pixels))
    words = ["evaluate", "editing", f"images={folder}", "directions=[smile]", "strengths=[1]", "actors=1", f"workspace={tmp_path}"]
    words.append("refinement.feature_steps=4")
    assert cli.main(words) == 0
    run = next((tmp_path / "runs").glob("evaluate-editing-*"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 2
    assert metrics["features/inversion/l2"] < metrics["w+/inversion/l2"] < metrics["w+/smile@1/l2"]
    assert images.decode((run / "sheet.jpg").read_bytes()).shape == (4 * 256, 3 * 256, 3)
