"""Reports: one HTML file with its pictures embedded, without scripts, that fetches nothing; and Markdown tables."""

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from beholder.plots import Figure

_STYLE = """
:root { color-scheme: light dark;
  --ink: #1f2430; --quiet: #667085; --line: #e3e6ec; --paper: #ffffff; --tint: #f5f7fb; --accent: #2f6fde; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --quiet: #98a2b3; --line: #2b313c; --paper: #14171d; --tint: #1c212a; --accent: #7aa5f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; }
p { max-width: 46rem; } .lead { color: var(--quiet); margin-top: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.5rem 0; padding: 0; }
.figures div { background: var(--tint); border-radius: .6rem; padding: .8rem 1rem; }
.figures dt { color: var(--quiet); font-size: .82rem; } .figures dd { margin: 0; font-size: 1.45rem; font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; border-radius: .5rem; background: #fff; }
figcaption { color: var(--quiet); font-size: .87rem; max-width: 46rem; }
.scroll { overflow: auto; max-height: 32rem; border: 1px solid var(--line); border-radius: .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: var(--tint); font-weight: 600; } td.number, th.number { text-align: right; }
tr:last-child td { border-bottom: 0; }
code { background: var(--tint); padding: .1rem .35rem; border-radius: .3rem; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Section:
    """A heading and the HTML below it, as the functions here return it."""

    title: str
    body: str


def page(title: str, lead: str, figures: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return a whole page. figures: the headline numbers, name -> value. Every text is escaped."""
    boxes = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in figures.items())
    below = "".join(f"<section><h2>{html.escape(one.title)}</h2>{one.body}</section>" for one in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{html.escape(title)}</h1>"
        f'<p class="lead">{html.escape(lead)}</p><dl class="figures">{boxes}</dl>{below}</main></body></html>\n'
    )


def text(words: str) -> str:
    """Return a paragraph."""
    return f"<p>{html.escape(words)}</p>"


def command(line: str) -> str:
    """Return a command to type, as a paragraph."""
    return f"<p><code>{html.escape(line)}</code></p>"


def picture(figure: "Figure", caption: str) -> str:
    """Return a figure embedded as PNG, with its caption."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white")
    data = base64.b64encode(buffer.getvalue()).decode()
    shown = html.escape(caption)
    return f'<figure><img alt="{shown}" src="data:image/png;base64,{data}"><figcaption>{shown}</figcaption></figure>'


def table(frame: pd.DataFrame, *, digits: int = 3) -> str:
    """Return a table that scrolls: numbers right-aligned, with `digits` decimals; a missing value is a dash."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool for name in frame.columns]
    marks = [' class="number"' if number else "" for number in numeric]
    head = "".join(f"<th{mark}>{html.escape(str(name))}</th>" for name, mark in zip(frame.columns, marks, strict=True))
    rows = (
        "<tr>" + "".join(f"<td{mark}>{_cell(value, digits)}</td>" for value, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, align: str = "") -> list[str]:
    """Return the lines of a Markdown table. align: l or r for each column, l where it is shorter; cells are shown by `str`."""
    rules = ["---:" if side == "r" else "---" for side in align.ljust(len(header), "l")]
    return [_markdown_row(header), "|" + "|".join(rules) + "|", *(_markdown_row([str(cell) for cell in row]) for row in rows)]


def markdown_values(values: Mapping[str, Any], *, real: str, whole: str = "") -> list[str]:
    """Return the lines of a Markdown table of names and values. real: the format of a float; whole: of anything else."""
    rows = [(name, format(value, real if isinstance(value, float) else whole)) for name, value in values.items()]
    return markdown_table(["what", "value"], rows, align="lr")


def _markdown_row(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _cell(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return html.escape(str(value))
