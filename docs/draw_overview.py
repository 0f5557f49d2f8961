"""Draw docs/overview.svg: what comes in, what Ray does with it, and what people get. `python docs/draw_overview.py` writes it.

The same code gives the same bytes; `--check` says whether the committed picture is up to date.
"""

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("overview.svg")
WIDTH, HEIGHT = 1000, 470
STYLE = """
svg { --paper: #ffffff; --box: #f6f6f4; --line: #d0d0cc; --ink: #1c1d1f; --quiet: #5a5d62; --mark: #c2272d; --band: #fbf3f2; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #151617; --box: #242628; --line: #44484c; --ink: #ededea; --quiet: #b0b3b8; --mark: #ff6259; --band: #221a1a; }
}
text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
.paper { fill: var(--paper); } .band { fill: var(--band); stroke: var(--line); stroke-dasharray: 3 4; }
.box { fill: var(--box); stroke: var(--line); }
.name { font-size: 16px; font-weight: 600; } .about { fill: var(--quiet); font-size: 12.5px; }
.head { fill: var(--quiet); font-size: 13px; font-weight: 600; letter-spacing: 0.04em; }
.arrow { fill: none; stroke: var(--mark); stroke-width: 1.8; marker-end: url(#tip); } .tip { fill: var(--mark); }
.word { fill: var(--mark); font-size: 12px; text-anchor: middle; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; }
""".strip()


@dataclass(frozen=True)
class Box:
    """A box with its name and up to three lines about it. x, y: of its upper left corner, in pixels."""

    x: int
    y: int
    name: str
    about: tuple[str, ...]
    width: int = 190
    height: int = 92

    def svg(self) -> str:
        """Return the box and its text."""
        lines = "".join(
            f'<text class="about" x="{self.x + 14}" y="{self.y + 48 + 17 * at}">{escape(line)}</text>'
            for at, line in enumerate(self.about)
        )
        return (
            f'<rect class="box" x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="9"/>'
            f'<text class="name" x="{self.x + 14}" y="{self.y + 27}">{escape(self.name)}</text>{lines}'
        )


BOXES = (
    Box(24, 62, "Photos", ("a folder, a bucket,", "WebDataset, Parquet")),
    Box(24, 200, "Judgements", ("spreadsheets, or a study:", "ratings, pairs, rankings")),
    Box(286, 62, "Embed", ("Ray Data: CLIP vectors", "on all CPUs and GPUs")),
    Box(286, 200, "Tastes", ("a utility for each person:", "Bradley-Terry; Ray Train", "fits, Ray Tune searches")),
    Box(548, 62, "Editor", ("StyleGAN and looks:", "latent directions x alpha")),
    Box(548, 200, "Encoder", ("CLIP of each edit;", "a surrogate for 1,000")),
    Box(548, 338, "Ranker", ("one person's utility,", "learned at each choice;", "asks what tells most")),
    Box(786, 200, "Page and API", ("A or B? Then the edit that", "you will like most, and the", "chance that you prefer it")),
)
BANDS = ((272, 36, 218, 276, "IN BATCHES"), (534, 36, 218, 412, "RAY SERVE, LIVE"))
# Way of an arrow, and a word with its place.
ARROWS = (
    ("M214 108 H280", "", 0, 0),
    ("M214 246 H280", "", 0, 0),
    ("M381 154 V194", "", 0, 0),
    ("M476 260 C515 260 508 372 542 372", "prior", 510, 322),
    ("M643 154 V194", "", 0, 0),
    ("M643 292 V332", "", 0, 0),
    ("M738 372 C780 372 760 262 781 262", "", 0, 0),
    ("M881 292 V404 H744", "choices", 836, 400),
    ("M881 200 V108 H744", "edits", 836, 104),
)


def svg() -> str:
    """Return the picture."""
    bands = "".join(
        f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{height}" rx="12"/>'
        f'<text class="head" x="{x + 14}" y="{y - 9}">{name}</text>'
        for x, y, width, height, name in BANDS
    )
    ways = "".join(f'<path class="arrow" d="{way}"/>' for way, *_ in ARROWS)
    words = "".join(f'<text class="word" x="{x}" y="{y}">{word}</text>' for _, word, x, y in ARROWS if word)
    title = "Photos and judgements are embedded and become tastes in batches; editor, encoder and ranker serve the page and the API"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>\n"
        f"<style>\n{STYLE}\n</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker></defs>\n'
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>\n{bands}\n{ways}\n'
        + "\n".join(box.svg() for box in BOXES)
        + f"\n{words}\n</svg>\n"
    )


def main() -> None:
    """Write the picture, or with --check exit with 1 where it is out of date."""
    if "--check" in sys.argv:
        sys.exit(PICTURE.read_text() != svg())
    PICTURE.write_text(svg())


if __name__ == "__main__":
    main()
