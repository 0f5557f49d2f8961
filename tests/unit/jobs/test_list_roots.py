"""A list of somebody else that leads where it may not is refused: one line, which says what to add, and exit 2."""

import numpy as np
import pytest

from beholder import images


@pytest.mark.parametrize(
    ("uri", "advice"), [("/etc/passwd", "limits.roots=[/etc/]"), ("http://127.0.0.1:9/a.png", "limits.roots=[http://127.0.0.1:9/]")]
)
def test_a_list_of_somebody_else(tmp_path, beholder, uri, advice):
    (tmp_path / "list.csv").write_text(f"uri\na.png\n{uri}\n")
    (tmp_path / "a.png").write_bytes(images.encode(np.zeros((8, 8, 3), np.uint8)))
    commands: list[tuple[str, ...]] = [
        ("embed", f"images={tmp_path}/list.csv", "encoder=looks"),
        ("apply", f"images={tmp_path}/list.csv", f"out={tmp_path}/out", 'look="warmth=1"'),
        ("learn", "user=ana", f"before={tmp_path}/list.csv", f"after={tmp_path}/list.csv"),
        ("evaluate looks", f"images={tmp_path}/list.csv"),
    ]
    for command, *words in commands:
        said = beholder(*command.split(), *words, f"workspace={tmp_path}/w", "limits.roots=[]")
        assert (said.code, len(said.err)) == (2, 1), (command, said)
        assert f"names {uri}, " in said.err[0], said
        assert advice in said.err[0], said
