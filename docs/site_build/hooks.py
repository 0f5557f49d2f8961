"""What MkDocs calls while `make docs` builds the site.

A comment `<!-- generated: NAME WORDS -->` in a page is replaced by what the function NAME of GENERATED makes of the code. A link
to a file of the project outside docs/ leads to a page that shows this file: the site needs neither the repository nor a network.
"""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import api_reference
import command_reference
import configuration_reference
import format_reference
import library_reference
import project_files

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {
    "api": api_reference.markdown,
    "command-list": command_reference.overview,
    "commands": command_reference.group,
    "groups": configuration_reference.groups,
    "interactions": format_reference.interactions,
    "library": library_reference.markdown,
    "preset": format_reference.preset,
    "study-template": format_reference.study_template,
    "tables": format_reference.tables,
    "template": format_reference.template,
}
# With what readers of a checkout are told in its place.
_COMMENT = re.compile(r"<!-- generated: ([\w-]+)((?: [\w.-]+)*) -->(?:\n\n\*In a checkout [^*]*\*)?")


def on_files(files: Files, config: Any) -> Files:
    """Add pages of the project's top level, pages of the files that pages link to, and the font."""
    for name, page in project_files.PAGES.items():
        files.append(File.generated(config, page, content=project_files.adopted(name)))
    linked = {path for file in files.documentation_pages() for path in project_files.linked(file)}
    for path in sorted(linked):
        files.append(File.generated(config, project_files.page_of(path), content=project_files.shown(path)))
    (font,) = (ROOT / "serve/page/fonts").glob("instrument-sans*.woff2")
    files.append(File.generated(config, "assets/instrument-sans.woff2", abs_src_path=str(font)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Fill in what is generated, and turn links that leave docs/ into links to the pages of those files."""
    markdown = _COMMENT.sub(lambda match: GENERATED[match[1]](*match[2].split()), markdown)
    return project_files.relink(markdown, page.file.src_uri)
