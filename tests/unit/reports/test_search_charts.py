"""search_charts: labels of axes that can be read."""

import itertools

import numpy as np
import pandas as pd
import pytest

from beholder.reports import search_charts


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-1), (1e-3, 8e-3), (2e-4, 2.1e-4), (1e-2, 1e-2)])
@pytest.mark.parametrize("log", [True, False])
def test_labels_of_ticks_do_not_print_over_each_other(low, high, log):
    rng = np.random.default_rng(0)
    settings = pd.DataFrame({name: np.geomspace(low, high, 12) for name in ("weight_decay", "dropout", "learning_rate")})
    figure = search_charts.slices(settings, rng.uniform(0.5, 0.7, 12), logs={"weight_decay"} if log else ())
    figure.canvas.draw()
    axes = figure.axes[0]
    seen = axes.get_window_extent()
    labels = [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]
    boxes = sorted((each.get_window_extent() for each in labels if each.get_text()), key=lambda box: box.x0)
    boxes = [box for box in boxes if box.x1 > seen.x0 and box.x0 < seen.x1]
    assert boxes
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
