"""What every editor has to do. One inherits all of it: `class TestStyleGAN(EditorContract)` with an `editor`."""

import inspect
from typing import Any

import numpy as np
import pytest

from beholder.editing.editor import Editor
from beholder.errors import EditError, ImageError


class EditorContract:
    """Inherit, and write the fixture `editor`, scope="class".

    returns: how far a picture may be from what is drawn of its inversion, in mean absolute levels of 255; None for no promise.
    """

    returns: float | None = None

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls) -> Any:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def names(cls, editor: Editor) -> list[str]:
        return list(editor.directions)

    def test_it_has_all_that_the_contract_names(self, editor):
        for name, promised in inspect.getmembers(Editor, inspect.isfunction):
            if not name.startswith("_"):
                taken = inspect.signature(getattr(editor, name)).parameters
                assert list(taken) == list(inspect.signature(promised).parameters)[1:]
        assert isinstance(editor.resolution, int)

    def test_directions_say_their_names_ranges_and_ends(self, editor):
        assert editor.directions
        for name, direction in editor.directions.items():
            low, high = direction.range
            assert direction.name == name
            assert low <= 0 <= high
            assert low < high
            assert len(direction.labels) == 2

    def test_a_seed_is_a_picture(self, editor):
        drawn = editor.edit(editor.generate([3, 4, 2**32 - 1]), [{}] * 3)
        assert drawn.shape == (3, editor.resolution, editor.resolution, 3)
        assert drawn.dtype == np.uint8
        assert not np.array_equal(drawn[0], drawn[1])
        np.testing.assert_array_equal(editor.edit(editor.generate([4]), [{}])[0], drawn[1])

    @pytest.mark.parametrize("seed", [-1, 2**32])
    def test_other_seeds_are_refused(self, editor, seed):
        with pytest.raises(EditError, match=str(seed)):
            editor.generate([1, seed])

    def test_nothing_is_empty(self, editor):
        none = editor.generate([])
        assert len(none) == 0
        assert editor.edit(none, []).shape == (0, editor.resolution, editor.resolution, 3)
        assert len(editor.invert(np.empty((0, 8, 8, 3), np.uint8))) == 0

    def test_alpha_zero_is_the_identity(self, editor, names):
        latent = editor.generate([5])
        drawn = editor.edit(latent, [{}, dict.fromkeys(names, 0.0), {names[0]: -0.0}])
        np.testing.assert_array_equal(drawn[1], drawn[0])
        np.testing.assert_array_equal(drawn[2], drawn[0])

    def test_every_direction_moves_the_picture_and_further_with_alpha(self, editor, names):
        latent = editor.generate([6])
        for name in names:
            for end in editor.directions[name].range:
                if end == 0:
                    continue
                drawn = editor.edit(latent, [{}, {name: end / 3}, {name: end}]).astype(int)
                near, far = (np.abs(drawn[at] - drawn[0]).mean() for at in (1, 2))
                assert 0 < near < far, name

    def test_an_edit_leaves_its_latent_as_it_was(self, editor, names):
        latent = editor.generate([6])
        before = editor.edit(latent, [{}])
        editor.edit(latent, [{names[0]: 2.0, names[1]: 1.0}])
        np.testing.assert_array_equal(editor.edit(latent, [{}]), before)

    def test_the_order_of_an_edit_means_nothing(self, editor, names):
        one = {names[0]: 1.4, names[1]: -2.0, names[-1]: 0.7}
        drawn = editor.edit(editor.generate([7]), [one, dict(reversed(one.items()))])
        np.testing.assert_array_equal(drawn[0], drawn[1])

    def test_directions_add_up(self, editor, names):
        drawn = editor.edit(editor.generate([7]), [{}, {names[0]: 2.0}, {names[1]: 2.0}, {names[0]: 2.0, names[1]: 2.0}])
        for alone in (0, 1, 2):
            assert not np.array_equal(drawn[3], drawn[alone])

    def test_a_picture_depends_on_its_own_row_alone(self, editor, names):
        latent = editor.generate([1, 2, 3])
        edits = [{names[0]: 1.0}, {}, {names[1]: -1.0}]
        together = editor.edit(latent, edits)
        for row, edit in enumerate(edits):
            np.testing.assert_array_equal(editor.edit(latent[row : row + 1], [edit])[0], together[row])
        np.testing.assert_array_equal(editor.edit(latent[[2, 0]], [edits[2], edits[0]]), together[[2, 0]])

    def test_one_latent_takes_many_edits(self, editor, names):
        edits = [{names[0]: alpha} for alpha in (-1.0, 0.0, 2.0)]
        drawn = editor.edit(editor.generate([9]), edits)
        np.testing.assert_array_equal(drawn, editor.edit(editor.generate([9, 9, 9]), edits))

    def test_where_a_small_picture_is_enough_it_is_large_enough(self, editor, names):
        latent, edits = editor.generate([9, 4]), [{names[0]: 1.0}, {}]
        whole = editor.edit(latent, edits)
        np.testing.assert_array_equal(editor.edit(latent, edits, size=editor.resolution), whole)
        np.testing.assert_array_equal(editor.edit(latent, edits, size=8 * editor.resolution), whole)
        small = editor.edit(latent, edits, size=editor.resolution // 2 - 1)
        assert editor.resolution // 2 - 1 <= small.shape[1] == small.shape[2] <= editor.resolution
        assert len(small) == 2
        assert len(editor.edit(editor.generate([]), [], size=8)) == 0

    def test_counts_that_do_not_match_are_refused(self, editor):
        with pytest.raises(EditError, match="an edit for each of 2 latents, got 3"):
            editor.edit(editor.generate([1, 2]), [{}] * 3)

    def test_an_unknown_direction_is_refused_with_the_nearest(self, editor, names):
        with pytest.raises(EditError, match=f"{names[0]}x is not a direction; did you mean {names[0]}"):
            editor.edit(editor.generate([1]), [{names[0] + "x": 1.0}])

    @pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
    def test_an_alpha_that_is_not_finite_is_refused(self, editor, names, alpha):
        with pytest.raises(EditError, match=names[0]):
            editor.edit(editor.generate([1]), [{names[0]: alpha}])

    def test_pictures_of_any_size_become_latents_that_can_be_edited(self, editor, names):
        rng = np.random.default_rng(1)
        for height, width in ((editor.resolution, editor.resolution), (70, 50), (1, 3)):
            latent = editor.invert(rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8))
            assert len(latent) == 2
            drawn = editor.edit(latent, [{}, {names[0]: 1.0}])
            assert drawn.shape == (2, editor.resolution, editor.resolution, 3)

    def test_its_own_picture_comes_back(self, editor):
        pictures = editor.edit(editor.generate([11, 12]), [{}, {}])
        back = editor.edit(editor.invert(pictures), [{}, {}])
        if self.returns is not None:
            assert np.abs(back.astype(int) - pictures).mean() < self.returns
        others = editor.edit(editor.invert(pictures[::-1]), [{}, {}])
        np.testing.assert_array_equal(others[::-1], back)

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((8, 8, 3), np.uint8),
            np.zeros((1, 8, 8, 4), np.uint8),
            np.zeros((1, 8, 8, 3), np.float32),
            np.zeros((1, 0, 8, 3), np.uint8),
        ],
        ids=["one picture", "four channels", "floats", "no pixels"],
    )
    def test_what_is_no_picture_is_refused(self, editor, wrong):
        with pytest.raises(ImageError, match="uint8"):
            editor.invert(wrong)
