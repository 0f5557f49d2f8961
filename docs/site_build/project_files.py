"""Files of the project outside docs/ as pages of the site: some are adopted, those that pages link to are shown as they are."""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# File at the top -> its page.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "report-a-vulnerability.md",
}
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json", ".md": "markdown", ".toml": "toml", ".ipynb": "json"}


def adopted(name: str) -> str:
    """Return a file of the top level as Markdown whose links are those of a page in docs/."""
    text = (ROOT / name).read_text()
    return _LINK.sub(lambda match: match[1] + _from_docs(match[2]) + match[3], text)


def linked(file: Any) -> set[str]:
    """Return the files outside docs/ that a page links to, below the project's folder."""
    return {path for target in _targets(file.content_string) if (path := _outside(target, file.src_uri)) and path not in PAGES}


def page_of(path: str) -> str:
    """Return the name of the page that shows a file."""
    return f"files/{path.lstrip('.')}.md"  # MkDocs leaves out what begins with a dot


def shown(path: str) -> str:
    """Return the page that shows a file or lists a folder. Raises FileNotFoundError, which stops the build, for none."""
    found = ROOT / path
    head = f"---\ntitle: {path}\nsearch:\n  exclude: true\nhide: [toc]\n---\n# {path}\n\n"
    if found.is_dir():
        listed = [each for each in found.iterdir() if not each.name.startswith(("__pycache__", "."))]
        names = sorted(each.name + "/" * each.is_dir() for each in listed)
        return head + "A folder of the project:\n\n" + "".join(f"- `{name}`\n" for name in names)
    fence = "`````"
    return f"{head}{fence}{_LANGUAGES.get(found.suffix, 'text')}\n{found.read_text()}\n{fence}\n"


def relink(markdown: str, page: str) -> str:
    """Return a page's Markdown in which links to files outside docs/ lead to their pages."""

    def there(match: re.Match[str]) -> str:
        path = _outside(match[2], page)
        if path is None:
            return match[0]
        target = PAGES.get(path, "index.md" if path == "README.md" else page_of(path))
        return match[1] + posixpath.relpath(target, posixpath.dirname(page) or ".") + match[3]

    return _LINK.sub(there, markdown)


def _targets(markdown: str) -> list[str]:
    return [match[2] for match in _LINK.finditer(markdown)]


def _outside(target: str, page: str) -> str | None:
    """Return the file that a link of a page leads to, below the project's folder; None for a link within docs/ or to a host."""
    if "://" in target or target.startswith(("mailto:", "/")):
        return None
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def _from_docs(target: str) -> str:
    """Return a link of a file at the top as a page in docs/ has it."""
    if "://" in target or target.startswith(("mailto:", "#")):
        return target
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
