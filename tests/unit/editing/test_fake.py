"""The double signs the contract; what it draws is what its numbers say."""

import numpy as np
import pytest
from support.editor_suite import EditorContract

from beholder.editing.fake import FakeEditor, FakeLatents


class TestDouble(EditorContract):
    returns = 4.0

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls) -> FakeEditor:
        return FakeEditor()


def test_a_disc_of_known_colour_and_size() -> None:
    drawn = FakeEditor(64).edit(FakeLatents(np.array([[20.0, -20.0, -20.0, 0.0, -20.0]])), [{}])[0]
    np.testing.assert_allclose(drawn[32, 32], [229.5, 25.5, 25.5], atol=0.6)
    np.testing.assert_allclose(drawn[0, 0], [229.5] * 3, atol=0.6)
    inside = (drawn[..., 1] < 128).mean()
    assert inside == pytest.approx(np.pi * 0.325**2, rel=0.03)
