"""docs/reference/formats.md: what it shows as an example is read by the code that reads such files."""

import datetime
from pathlib import Path

from support import document

from beholder import image_lists
from beholder.importing import templates
from beholder.recommending.store import interactions

PAGE = "docs/reference/formats.md"


def example(beginning: str) -> str:
    (block,) = [block for block in document.blocks(PAGE) if block.text.startswith(beginning)]
    return block.text


def test_every_template_is_shown():
    text = (document.ROOT / PAGE).read_text()
    assert [name for name in templates.TEMPLATES if f"<!-- generated: template {name}.csv -->" not in text] == []
    assert "<!-- generated: study-template -->" in text


def test_the_example_of_interactions_is_read():
    asked = interactions.read(example("user_id,image_id,direction"), at=datetime.datetime.now(datetime.UTC))
    assert [(question.right or question.left, answer is not None) for question, answer in asked] == [
        ({"smile": 1.5}, True),
        ({"hat": 2.0}, True),
    ] or len(asked) == 2


def test_the_example_of_a_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(example("image_id,uri"))
    (part,) = image_lists.iterate(str(tmp_path / "list.csv"))
    assert part["image_id"].to_pylist() == ["ana-1", "ana-2"]
    assert part["uri"].to_pylist()[1] == "https://example.org/ana-2.jpg"
