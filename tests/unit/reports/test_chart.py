"""Charts in a page: the page's colours, words that are words, ids of their own, told apart without colour."""

import re

import numpy as np
import pandas as pd
import pytest

from beholder import plots
from beholder.reports import gain_charts, quality_charts, search_charts, trajectory_charts
from beholder.reports.parts import Chart, Panels
from beholder.statistics import Interval


def chart(name: str = "one") -> Chart:
    figure = gain_charts.forest([("a <b> & $c$", Interval(0.1, 0.05, 0.15)), ("none", Interval(0.0, -0.1, 0.1))])
    return Chart(name, figure, "Gains", "Two.", 'one "a" is better')


def test_a_chart_has_the_colours_of_the_page_and_its_own_ids():
    html = Panels([chart("one"), chart("two")]).html()
    assert not re.search(r"#[0-9a-f]{6}", html)
    assert 'fill="var(--ink)"' in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 4
    assert {each.partition("-")[0] for each in ids} == {"one", "two"}
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', html))
    assert used == set(ids)


def test_a_chart_says_in_words_what_is_in_it():
    html = chart().html()
    assert 'role="img"' in html
    assert 'aria-label="one &quot;a&quot; is better"' in html
    assert ">a &lt;b&gt; &amp; $c$</text>" in html
    assert "+0.100 [+0.050, +0.150]" in html
    assert "style=" not in html


def test_lines_differ_in_more_than_colour():
    seen = [style for style, _ in zip(plots.styles(), range(6), strict=False)]
    assert len({str(style.dashes) for style in seen}) == 6
    assert len({style.marker for style in seen}) == 6
    assert len({style.colour for style in seen}) == 6


@pytest.mark.parametrize("colour", [plots.INK, plots.QUIET, *plots.CYCLE])
def test_words_may_have_every_colour_on_white(colour):
    levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_lines_are_labelled_where_they_end():
    points = pd.DataFrame({"rounds": range(11), "mean": np.linspace(0.5, 0.8, 11), "low": 0.4, "high": 0.9})
    figure = trajectory_charts.trajectory({"bayes": points, "logistic": points, "$\\frac": points})
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["bayes 0.80", "logistic 0.80", r"\$\frac 0.80"]
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert min(np.diff(heights)) > 0.05  # though they end at the same place
    plots.svg(figure)


def test_places_are_spread_in_order_and_no_farther_than_needed():
    assert plots.spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert plots.spread([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])
    assert plots.spread([0.0, 0.05, 0.5, 0.5], 0.1) == pytest.approx([-0.025, 0.075, 0.45, 0.55])
    assert plots.spread([], 0.1) == []


def test_labels_are_short_and_no_formulas():
    assert plots.label("a\nb\x00\u202e$x$") == r"a b\$x\$"
    assert plots.label("x" * 50) == "x" * 27 + "…"


def test_people_are_marked_by_shape_and_very_many_are_a_band():
    rng = np.random.default_rng(0)
    few = pd.DataFrame({"user_id": ["a", "b", "c"], "gain": [0.2, 0.0, -0.2]})
    few = few.assign(**{"gain.low": few["gain"] - 0.1, "gain.high": few["gain"] + 0.1})
    legend = gain_charts.by_person(few).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["better (1)", "no difference seen (1)", "worse (1)"]
    many = pd.DataFrame({"user_id": [f"p{at}" for at in range(20_000)], "gain": rng.normal(0, 0.1, 20_000)})
    many = many.assign(**{"gain.low": many["gain"] - 0.1, "gain.high": many["gain"] + 0.1})
    assert len(plots.svg(gain_charts.by_person(many))) < 100_000


SETTINGS = pd.DataFrame({"widths": ["[]", "[8]", "[8]"], "rate": [1e-4, 1e-3, 1e-2]})
LOSS = np.array([0.7, 0.6, 0.5])


def test_parallel_coordinates_mark_ends_and_choices():
    figure = search_charts.parallel(SETTINGS, LOSS, logs=["rate"])
    found = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"widths", "rate", "loss", "[]", "[8]", "0.0001", "0.001", "0.01", "0.500"} <= found
    (axes,) = figure.axes
    assert len(axes.patches) == len(LOSS)  # a line for each setting
    strength = [(patch.get_linewidth(), patch.get_alpha()) for patch in axes.patches]
    assert strength == sorted(strength)  # the best is drawn last and strongest
    ends = [np.asarray(patch.get_path().vertices)[-1] for patch in axes.patches]
    np.testing.assert_allclose([x for x, _ in ends], SETTINGS.shape[1])
    assert ends[-1][1] == pytest.approx(1)  # the best ends on top


def test_slices_have_a_panel_for_each_setting():
    figure = search_charts.slices(SETTINGS, LOSS, logs=["rate"])
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["widths", "rate"]
    assert figure.axes[1].get_xscale() == "log"
    ring = np.asarray(figure.axes[1].collections[-1].get_offsets())
    np.testing.assert_allclose(ring, [[1e-2, 0.5]])


def test_luck_counts_who_keeps_what():
    people = pd.DataFrame({"chosen_lead": [0.02, 0.2, 0.0], "reported_lead": [-0.01, 0.1, np.nan], "own": [False, True, False]})
    (axes,) = search_charts.selection_bias(people).axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["keeps the pooled setting (1)", "keeps their own (1)", "mean"]


def test_one_setting_is_enough_for_every_picture():
    one = SETTINGS.iloc[:1]
    search_charts.parallel(one, LOSS[:1], logs=["rate"])
    search_charts.slices(one, LOSS[:1], logs=["rate"])


def test_quality_is_marked_by_shape_and_very_many_people_are_counted():
    rng = np.random.default_rng(0)
    verdicts = np.array(["believed", "doubtful", "random", "biased", "too few"])
    every = ["believed (4)", "doubtful (4)", "random (4)", "biased (4)", "too few (4)"]
    for count, texts in ((20, every), (5000, ["believed (1,000)"])):
        right = rng.uniform(0.4, 0.9, count)
        table = pd.DataFrame({"verdict": verdicts[np.arange(count) % 5], "predictability": right})
        table = table.assign(**{"predictability.low": right - 0.1, "predictability.high": right + 0.1})
        figure = quality_charts.predictability(table, usual=0.8)
        legend = figure.axes[0].get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()][: len(texts)] == texts
        assert len(plots.svg(figure)) < 300_000
    measures = {"predictability": "predicted", "none": "of nobody"}
    (axes,) = quality_charts.distributions(table.assign(none=np.nan), measures).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["predicted"]


def test_a_matrix_of_many_people_has_no_names():
    few, many = (quality_charts.agreement(np.eye(count), [f"p{at}" for at in range(count)]) for count in (5, 200))
    assert [text.get_text() for text in few.axes[0].get_yticklabels()] == ["p0", "p1", "p2", "p3", "p4"]
    assert list(many.axes[0].get_yticklabels()) == []
