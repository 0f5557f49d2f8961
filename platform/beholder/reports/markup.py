"""Markup: text -> HTML in which it is text and nothing else; matplotlib's SVG -> SVG that can stand in a page; Markdown tables."""

import base64
import html
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MASKED = "�"


def escape(value: object) -> str:
    """Return `str(value)` for use between tags or inside a quoted attribute.

    Control characters, lone surrogates and marks that change the direction of what follows are shown as a replacement character.
    """
    return html.escape("".join(map(_plain, str(value))), quote=True)


def data_uri(data: bytes, kind: str) -> str:
    """Return bytes as a data: URI. kind: the media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _plain(character: str) -> str:
    if character in "\n\t":
        return " "
    category = unicodedata.category(character)
    turns = unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return _MASKED if category in ("Cc", "Cs") or turns else character


_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_DROPPED = {"metadata", "style"}
_IN_THE_PAGE = {"font-family"}  # is the page's


def inline_svg(source: str, *, prefix: str, description: str, colours: Mapping[str, str]) -> str:
    """Return the `<svg>` element of a figure, which scales to the width that it is given.

    prefix: what makes its ids unique in the page. description: the picture in words, for who can't see it. colours: `#rrggbb` ->
    what stands there instead, so that a page may be dark. Properties become attributes, which a Content-Security-Policy allows.
    """
    root = ET.fromstring(source)
    for parent in list(root.iter()):
        for child in [each for each in parent if _name(each) in _DROPPED]:
            parent.remove(child)
    used = {match for each in root.iter() for value in each.attrib.values() for match in re.findall(r"#([\w.-]+)", value)}
    for element in root.iter():
        element.tag = _name(element)
        element.attrib.update(_properties(element.attrib.pop("style", "")))
        if _XLINK + "href" in element.attrib:
            element.attrib["href"] = element.attrib.pop(_XLINK + "href")
        if "id" in element.attrib and element.attrib["id"] not in used:
            del element.attrib["id"]
        for key, value in element.attrib.items():
            element.attrib[key] = _value(key, value, prefix, colours)
        if element.tag == "path":
            element.attrib["d"] = " ".join(element.attrib.get("d", "").split())
        element.tail = (element.tail or "").strip() or None
        if element.tag not in ("text", "tspan"):
            element.text = (element.text or "").strip() or None
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib.pop("version", None)
    root.attrib.update({"role": "img", "aria-label": "LABEL", "width": f"{width:.0f}", "height": f"{height:.0f}"})
    return ET.tostring(root, encoding="unicode").replace('aria-label="LABEL"', f'aria-label="{escape(description)}"', 1)


def _name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def _properties(style: str) -> dict[str, str]:
    pairs = (one.split(":", 1) for one in style.split(";") if ":" in one)
    return {name.strip(): value.strip() for name, value in pairs if name.strip() not in _IN_THE_PAGE}


def _value(key: str, value: str, prefix: str, colours: Mapping[str, str]) -> str:
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href" and value.startswith("#"):
        return f"#{prefix}-{value[1:]}"
    if key in ("fill", "stroke"):
        value = colours.get(value.lower(), value)
    return re.sub(r"url\(#", f"url(#{prefix}-", value)


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
