"""The pictures of a search: what is on their axes."""

import numpy as np
import pandas as pd
import pytest

from beholder import plots

KNOBS = pd.DataFrame({"widths": ["[]", "[8]", "[8]"], "rate": [1e-4, 1e-3, 1e-2]})
LOSS = np.array([0.7, 0.6, 0.5])


def words(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_parallel_coordinates_mark_ends_and_choices():
    figure = plots.parallel(KNOBS, LOSS, logs=["rate"], title="3 settings")
    found = words(figure)
    assert {"widths", "rate", "loss", "[]", "[8]", "0.0001", "0.001", "0.01", "0.500"} <= set(found)
    (axes,) = figure.axes
    assert len(axes.patches) == len(LOSS)  # a line for each setting
    widths = [patch.get_linewidth() for patch in axes.patches]
    assert widths == sorted(widths)  # the best is drawn last and strongest
    ends = [np.asarray(patch.get_path().vertices)[-1] for patch in axes.patches]
    np.testing.assert_allclose([x for x, _ in ends], KNOBS.shape[1])
    assert ends[-1][1] == pytest.approx(1)  # the best ends on top


def test_slices_have_a_panel_for_each_knob():
    figure = plots.slices(KNOBS, LOSS, logs=["rate"], title="Loss")
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["widths", "rate"]
    assert figure.axes[1].get_xscale() == "log"
    ring = np.asarray(figure.axes[1].collections[-1].get_offsets())
    np.testing.assert_allclose(ring, [[1e-2, 0.5]])


def test_luck_counts_who_keeps_what():
    people = pd.DataFrame({"chosen_lead": [0.02, 0.2, 0.0], "reported_lead": [-0.01, 0.1, np.nan], "own": [False, True, False]})
    (axes,) = plots.selection_bias(people, title="Luck").axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["keeps the pooled setting (1)", "keeps their own (1)", "mean"]


def test_one_setting_is_enough_for_every_picture():
    one = KNOBS.iloc[:1]
    plots.parallel(one, LOSS[:1], logs=["rate"], title="1 setting")
    plots.slices(one, LOSS[:1], logs=["rate"], title="1 setting")
