"""The page for people: whole, escaped, and needing nothing else."""

import numpy as np
import pandas as pd

from beholder import plots, report
from beholder.report import Section


def test_a_page_needs_nothing_else():
    figure = plots.importances({"dropout": 0.7, "widths": 0.3}, title="What matters")
    body = report.picture(figure, "shares") + report.text("words") + report.command("beholder train")
    page = report.page("Search", "what it found", {"people": "3"}, [Section("Knobs", body)])
    assert page.startswith("<!doctype html>")
    assert page.count('src="data:image/png;base64,iVBOR') == 1
    assert not any(word in page for word in ("<script", "http://", "https://", "@import", "url("))
    assert "<dt>people</dt><dd>3</dd>" in page


def test_every_text_is_escaped():
    evil = "<b onclick=x>&"
    frame = pd.DataFrame({evil: [evil]})
    body = report.table(frame) + report.text(evil) + report.command(evil)
    page = report.page(evil, evil, {evil: evil}, [Section(evil, body)])
    assert "<b onclick" not in page
    assert page.count("&lt;b onclick=x&gt;&amp;") == 10


def test_a_table_shows_numbers_with_their_digits_and_dashes_for_what_is_missing():
    frame = pd.DataFrame({"who": ["ana", "bo"], "accuracy": [0.61234, np.nan], "pairs": [12, 7]})
    table = report.table(frame)
    assert "<td>ana</td>" in table
    assert '<td class="number">0.612</td>' in table
    assert '<td class="number">–</td>' in table
    assert '<td class="number">12</td>' in table


def test_a_markdown_table_has_a_rule_for_each_side():
    rows = [("bayes", 0.5, ""), ("mlp", 0.25, "best")]
    assert report.markdown_table(["taste", "gain", ""], rows, align="lr") == [
        "| taste | gain | |",
        "|---|---:|---|",
        "| bayes | 0.5 | |",
        "| mlp | 0.25 | best |",
    ]


def test_markdown_values_have_a_format_for_reals_and_one_for_the_rest():
    assert report.markdown_values({"people": 1234, "gain": 0.5}, real=".3f", whole=",")[2:] == [
        "| people | 1,234 |",
        "| gain | 0.500 |",
    ]
    assert report.markdown_values({"setting": "lr=1", "seconds": 1234.5}, real=",.1f")[2:] == [
        "| setting | lr=1 |",
        "| seconds | 1,234.5 |",
    ]
