"""Two texts as a way in CLIP space: the templates are averaged and everything has length 1, as StyleCLIP does it."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from beholder.editing.directions.text_difference import check_templates, text_difference
from beholder.encoder import imagenet_templates
from beholder.errors import ConfigError, EditError


class Angles:
    """An encoder of a few texts: each is a point on a circle, in degrees."""

    size = 1
    table: ClassVar = {"a cat": 0, "the cat": 60, "a dog": 90, "the dog": 90, "a {}": 30, "the {}": 30}

    def images(self, pixels: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        angles = np.radians([self.table[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_mean_over_the_templates_has_length_one_before_the_difference_is_taken() -> None:
    """cat is at 30 degrees, the middle of 0 and 60, at length 1 and not cos 30; dog is at 90: the way between them is at 150."""
    found = text_difference(Angles(), ("cat", "dog"), ["a {}", "the {}"])
    assert np.linalg.norm(found) == pytest.approx(1)
    assert np.degrees(np.arctan2(found[1], found[0])) == pytest.approx(150, abs=1e-3)
    assert np.allclose(text_difference(Angles(), ("dog", "cat"), ["a {}", "the {}"]), -found)


def test_one_template_and_texts_with_braces() -> None:
    assert np.degrees(np.arctan2(*text_difference(Angles(), ("cat", "dog"), ["a {}"])[::-1])) == pytest.approx(135, abs=1e-3)
    with pytest.raises(EditError, match=r"'\{\}' and '\{\}' are the same"):
        text_difference(Angles(), ("{}", "{}"), ["a {}"])


def test_the_templates_are_styleclips() -> None:
    templates = imagenet_templates()
    assert len(set(templates)) == 79
    check_templates(templates)
    assert "a photo of a {}." in templates
    assert "a photo of many {}." not in templates


@pytest.mark.parametrize("wrong", [[], ["a photo"], ["{} and {}"]])
def test_templates_that_are_none(wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match="texts with one"):
        check_templates(wrong)
