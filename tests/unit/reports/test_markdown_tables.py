"""Tables in Markdown."""

from beholder.reports.markup import markdown_table, markdown_values


def test_a_markdown_table_has_a_rule_for_each_side():
    rows = [("bayes", 0.5, ""), ("mlp", 0.25, "best")]
    assert markdown_table(["taste", "gain", ""], rows, align="lr") == [
        "| taste | gain | |",
        "|---|---:|---|",
        "| bayes | 0.5 | |",
        "| mlp | 0.25 | best |",
    ]


def test_markdown_values_have_a_format_for_reals_and_one_for_the_rest():
    assert markdown_values({"people": 1234, "gain": 0.5}, real=".3f", whole=",")[2:] == [
        "| people | 1,234 |",
        "| gain | 0.500 |",
    ]
    assert markdown_values({"setting": "lr=1", "seconds": 1234.5}, real=",.1f")[2:] == [
        "| setting | lr=1 |",
        "| seconds | 1,234.5 |",
    ]
