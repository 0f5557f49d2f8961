"""File formats as the code has them: the templates that it writes, and the columns of its tables."""

import pyarrow as pa

from beholder import tables as schemas
from beholder.commands import study_new
from beholder.editing.looks import look_files
from beholder.importing import templates
from beholder.recommending.store import interactions as interaction_file

TABLES = {
    "images": schemas.IMAGES,
    "ratings": schemas.RATINGS,
    "comparisons": schemas.COMPARISONS,
    "scales": schemas.SCALES,
    "responses": schemas.RESPONSES,
    "rejected": schemas.REJECTED,
    "quality": schemas.QUALITY,
}


def template(name: str) -> str:
    """Return a template as `beholder import template=NAME` writes it."""
    return f"```\n{templates.write(name).decode().strip()}\n```"


def study_template() -> str:
    """Return a study's file as `beholder study new template=FILE` writes it."""
    return f"```yaml\n{study_new.TEMPLATE.strip()}\n```"


def preset() -> str:
    """Return a preset of a look as `beholder ask editor=looks` writes it."""
    return f"```json\n{look_files.preset({'warmth': 1.5, 'contrast': -0.5}, name='ana').strip()}\n```"


def tables() -> str:
    """Return the columns of each table of a workspace."""
    return "\n\n".join(f"### {name}\n\n{_columns(schema)}" for name, schema in TABLES.items())


def interactions() -> str:
    """Return the columns of interactions.csv, the plain ones first."""
    return ", ".join(f"`{name}`" for name in (*interaction_file.PLAIN, *interaction_file.PAIR))


def _columns(schema: pa.Schema) -> str:
    rows = [f"| `{field.name}` | {field.type} | {'' if field.nullable else 'always there'} |" for field in schema]
    return "\n".join(["| column | type | |", "|---|---|---|", *rows])
