"""Draw docs/architecture.svg from the imports in the code: rooms as boxes, an arrow with the number of imports between two of them.

A room is a folder of platform/beholder (jobs and serve among them). The files at its top that import no room are one box at the
bottom, which everything uses: arrows to it are not drawn. `python docs/draw_architecture.py` writes the picture, `--check` says
whether the committed one is up to date. The same code gives the same bytes.
"""

import ast
import itertools
import math
import re
import sys
from collections import Counter, defaultdict
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "platform/beholder"
PICTURE = ROOT / "docs/architecture.svg"
BASE = "files at the top"

WIDTH, HEIGHT, GAP, LAYER, MARGIN = 222, 84, 30, 164, 30  # of a box, between boxes, between layers, around everything
COLOURS = ("#2f6fde", "#d9781a", "#2f9e67", "#9b5bc4", "#c8553d", "#2f97a8", "#a8842c", "#c2568f", "#6f7685")
STYLE = """
svg { --paper: #ffffff; --box: #f5f7fb; --line: #c9d0dc; --ink: #1f2430; --quiet: #5d6778; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --box: #1b212b; --line: #3a4353; --ink: #e6e9ef; --quiet: #a3adbd; }
}
.paper { fill: var(--paper); } .box { fill: var(--box); stroke: var(--line); }
.name { fill: var(--ink); font-size: 15px; font-weight: 600; } .about { fill: var(--quiet); font-size: 11px; }
.count { fill: var(--ink); font-size: 11px; text-anchor: middle; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.arrow { fill: none; opacity: 0.85; }
""".strip()

Edges = dict[tuple[str, str], int]
Layers = list[list[str]]


def modules() -> dict[str, Path]:
    """Return dotted name -> file of every module below platform/beholder; jobs and serve are found through their links."""
    paths = sorted(p for p in PACKAGE.rglob("*.py")) + sorted(
        PACKAGE / folder / p.relative_to(ROOT / folder) for folder in ("jobs", "serve") for p in (ROOT / folder).rglob("*.py")
    )
    names = {}
    for path in dict.fromkeys(paths):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(part for part in parts if part != "__init__")] = path
    return names


def imported(path: Path, known: set[str]) -> list[str]:
    """Return every module of ours that a file imports, once for each name that an import statement brings in."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name for name in whole if name in known] or [node.module]
    return [name for name in names if name in known]


def rooms() -> tuple[dict[str, list[str]], Edges]:
    """Return room -> its files, and (room, room) -> number of imports, without those to the base."""
    paths = modules()
    folder_of = {name: name.split(".")[1] if "." in name and (PACKAGE / name.split(".")[1]).is_dir() else "" for name in paths}
    graph = {name: imported(path, set(paths)) for name, path in paths.items() if path.name != "__main__.py"}
    graph["beholder"] = []  # its imports are for type checkers alone
    # a file at the top that imports a room, itself or through another one, stands above that room
    apart: set[str] = set()
    while True:
        more = {m for m in graph if not folder_of[m] and m != "beholder" and any(folder_of[t] or t in apart for t in graph[m])}
        if more <= apart:
            break
        apart |= more
    room_of = {name: folder_of[name] or (name.split(".")[1] if name in apart else BASE) for name in graph}
    files: dict[str, list[str]] = defaultdict(list)
    edges: Counter[tuple[str, str]] = Counter()
    for name, targets in graph.items():
        if paths[name].name != "__init__.py":
            files[room_of[name]].append(name)
        for target in targets:
            if target in room_of and room_of[target] not in (room_of[name], BASE):
                edges[room_of[name], room_of[target]] += 1
    return {room: sorted(names) for room, names in sorted(files.items())}, dict(sorted(edges.items()))


def layers(names: list[str], edges: Edges) -> Layers:
    """Return the rooms in layers so that every arrow leads down; what nobody imports is at the top.

    Raises ValueError for a circle of imports.
    """
    height: dict[str, int] = {}

    def climb(room: str, path: tuple[str, ...]) -> int:
        if room in path:
            raise ValueError(f"a circle of imports: {' -> '.join((*path, room))}")
        if room not in height:
            height[room] = 1 + max((climb(b, (*path, room)) for a, b in edges if a == room), default=-1)
        return height[room]

    top = max(climb(room, ()) for room in names)
    for room in names:
        if not any(b == room for _, b in edges) and any(a == room for a, _ in edges):
            height[room] = top
    return [[room for room in names if height[room] == level] for level in range(top, -1, -1)]


def ordered(levels: Layers, edges: Edges) -> tuple[Layers, list[list[str]]]:
    """Order each layer so that few arrows cross; return the layers and, for each arrow, the points it passes.

    An arrow over several layers passes a point "a>b@level" in each layer between.
    """
    level_of = {room: level for level, line in enumerate(levels) for room in line}
    lines = [list(line) for line in levels]
    chains = []
    for a, b in edges:
        between = [f"{a}>{b}@{level}" for level in range(level_of[a] + 1, level_of[b])]
        for level, point in enumerate(between, start=level_of[a] + 1):
            lines[level].append(point)
        chains.append([a, *between, b])
    links = [pair for chain in chains for pair in itertools.pairwise(chain)]
    best, fewest = [list(line) for line in lines], crossings(lines, links)
    for sweep in range(60):
        down = sweep % 2 == 0
        for level in range(1, len(lines)) if down else range(len(lines) - 2, -1, -1):
            near = {point: at for at, point in enumerate(lines[level - 1 if down else level + 1])}
            pull = {}
            for at, point in enumerate(lines[level]):
                others = [near[a if down else b] for a, b in links if (b if down else a) == point and (a if down else b) in near]
                pull[point] = sum(others) / len(others) if others else at
            lines[level].sort(key=lambda point, pull=pull: (pull[point], point))  # type: ignore[misc]
        lines = swapped(lines, links)
        if (count := crossings(lines, links)) < fewest:
            best, fewest = [list(line) for line in lines], count
    return best, chains


def crossings(lines: Layers, links: list[tuple[str, str]]) -> int:
    """Count the pairs of links that cross."""
    place = {point: (level, at) for level, line in enumerate(lines) for at, point in enumerate(line)}
    spans = sorted((place[a][0], place[a][1], place[b][1]) for a, b in links)
    return sum(1 for one, two in itertools.combinations(spans, 2) if one[0] == two[0] and (one[1] - two[1]) * (one[2] - two[2]) < 0)


def swapped(lines: Layers, links: list[tuple[str, str]]) -> Layers:
    """Exchange neighbours wherever that saves a crossing: of their own links alone, since no other link's order changes."""
    above, below = defaultdict(list), defaultdict(list)
    for a, b in links:
        below[a].append(b)
        above[b].append(a)
    place = {point: at for line in lines for at, point in enumerate(line)}
    for line in lines:
        for at in range(len(line) - 1):
            one, two = line[at], line[at + 1]
            ends = [(place[x], place[y]) for side in (above, below) for x in side[one] for y in side[two]]
            if sum(x > y for x, y in ends) > sum(x < y for x, y in ends):
                line[at], line[at + 1] = two, one
                place[one], place[two] = at + 1, at
    return lines


def placed(lines: Layers, chains: list[list[str]]) -> dict[str, float]:
    """Return the middle of each point, in pixels from the left: near its neighbours, in order, without overlap."""
    wide = {point: 26 if "@" in point else WIDTH + GAP for line in lines for point in line}
    near = defaultdict(list)
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            near[a].append(b)
            near[b].append(a)
    x = {}
    for line in lines:
        left = -sum(wide[point] for point in line) / 2
        for point in line:
            x[point] = left + wide[point] / 2
            left += wide[point]
    for _ in range(80):
        for line in lines:
            want = [sum(x[other] for other in near[point]) / len(near[point]) if near[point] else x[point] for point in line]
            x.update(zip(line, spread(want, [wide[point] for point in line]), strict=True))
    left = min(x[point] - wide[point] / 2 for point in x)
    return {point: round(at - left, 1) for point, at in x.items()}


def spread(want: list[float], wide: list[float]) -> list[float]:
    """Return the positions nearest to `want` (least squares) at which things of these widths, in this order, don't overlap."""
    offsets = [0.0, *itertools.accumulate((a + b) / 2 for a, b in itertools.pairwise(wide))]
    blocks: list[tuple[float, int]] = []  # (mean, how many) of things that touch
    for target, offset in zip(want, offsets, strict=True):
        mean, count = target - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    starts = [mean for mean, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def captions() -> dict[str, str]:
    """Return what the floor plan in platform/beholder/__init__.py says of each room."""
    plan = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text())) or ""
    lines = (line.split(maxsplit=1) for line in plan.splitlines()[2:] if line.strip())
    return {name.rstrip("/"): re.sub(r" \(a link.*\)", "", about) for name, about in lines}


def draw() -> str:
    """Return the picture as SVG."""
    files, edges = rooms()
    lines, chains = ordered(layers([room for room in files if room != BASE], edges), edges)
    x = placed(lines, chains)
    level_of = {point: level for level, line in enumerate(lines) for point in line}
    top = {point: MARGIN + LAYER * level for point, level in level_of.items()}
    drawn = [room for line in lines for room in line if "@" not in room]
    colour = dict(zip(drawn, itertools.cycle(COLOURS)))
    width = math.ceil(max(x.values()) + WIDTH / 2 + GAP / 2 + 2 * MARGIN)
    x = {point: at + MARGIN for point, at in x.items()}
    below = MARGIN + LAYER * (len(lines) - 1) + HEIGHT + 46
    listed = wrap(", ".join(name.split(".")[-1] for name in files[BASE]), width=(width - 2 * MARGIN - 30) // 6)
    height = below + 62 + 15 * len(listed) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        '<title id="title">The rooms of Beholder and the imports between them</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    out += arrows(edges, chains, x, top, colour)
    about = captions()
    for room in drawn:
        left = x[room] - WIDTH / 2
        out.append(f'<rect class="box" x="{left:.1f}" y="{top[room]}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>')
        out.append(f'<rect x="{left:.1f}" y="{top[room]}" width="5" height="{HEIGHT}" rx="2" fill="{colour[room]}"/>')
        number = f"{len(files[room])} files" if (PACKAGE / room).is_dir() else "one file"
        out.append(f'<text class="name" x="{left + 16:.1f}" y="{top[room] + 23}">{escape(room)}</text>')
        out.append(f'<text class="about" x="{left + WIDTH - 12:.1f}" y="{top[room] + 23}" text-anchor="end">{number}</text>')
        for row, words in enumerate(wrap(about.get(room, ""), 33)[:3]):
            out.append(f'<text class="about" x="{left + 16:.1f}" y="{top[room] + 42 + 14 * row}">{escape(words)}</text>')
    box = f'x="{MARGIN}" y="{below}" width="{width - 2 * MARGIN}" height="{42 + 15 * len(listed)}"'
    out.append(f'<rect class="box" {box} rx="8"/>')
    out.append(f'<text class="name" x="{MARGIN + 16}" y="{below + 23}">{BASE}</text>')
    for row, words in enumerate(listed):
        out.append(f'<text class="about" x="{MARGIN + 16}" y="{below + 43 + 15 * row}">{escape(words)}</text>')
    legend = "An arrow leads from the room that imports, with the number of imports. Every room uses the files at the top."
    out.append(f'<text class="about" x="{MARGIN}" y="{height - 22}">{legend}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def arrows(edges: Edges, chains: list[list[str]], x: dict[str, float], top: dict[str, int], colour: dict[str, str]) -> list[str]:
    """Return the arrows as SVG, each from the lower edge of its room through its points to the upper edge of the other."""
    leaving, arriving = defaultdict(list), defaultdict(list)
    for chain in chains:
        leaving[chain[0]].append(chain)
        arriving[chain[-1]].append(chain)

    def port(room: str, others: list[list[str]], mine: list[str], side: int) -> float:
        row = sorted(others, key=lambda chain: (x[chain[side]], chain))
        return x[room] + (row.index(mine) + 1) / (len(row) + 1) * (WIDTH - 30) - (WIDTH - 30) / 2

    out, counts = [], []
    for (pair, number), chain in zip(edges.items(), chains, strict=True):
        a, b = pair
        start = (port(a, leaving[a], chain, 1), top[a] + HEIGHT)
        end = (port(b, arriving[b], chain, -2), top[b] - 8)
        path, here = f"M{start[0]:.1f},{start[1]}", start
        for point in chain[1:-1]:
            path += bend(here, (x[point], top[point])) + f"L{x[point]:.1f},{top[point] + HEIGHT}"
            here = (x[point], top[point] + HEIGHT)
        path += bend(here, end)
        thick = 1 + 0.55 * math.log2(number)
        out.append(f'<path class="arrow" d="{path}" stroke="{colour[a]}" stroke-width="{thick:.1f}"/>')
        tip = f"M{end[0] - 5:.1f},{end[1] - 1}L{end[0] + 5:.1f},{end[1] - 1}L{end[0]:.1f},{end[1] + 8}Z"
        out.append(f'<path d="{tip}" fill="{colour[a]}"/>')
        counts.append(f'<text class="count" x="{end[0]:.1f}" y="{end[1] - 8}">{number}</text>')
    return out + counts


def bend(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a curve that leaves and arrives upright."""
    middle = (start[1] + end[1]) / 2
    return f"C{start[0]:.1f},{middle:.1f} {end[0]:.1f},{middle:.1f} {end[0]:.1f},{end[1]}"


def main() -> int:
    picture = draw()
    if "--check" in sys.argv[1:]:
        if PICTURE.is_file() and PICTURE.read_text() == picture:
            return 0
        print(f"{PICTURE.relative_to(ROOT)} is not up to date: run python docs/draw_architecture.py", file=sys.stderr)
        return 1
    PICTURE.write_text(picture)
    print(PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
