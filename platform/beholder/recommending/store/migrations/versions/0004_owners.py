"""The fourth version: whose a person is, event ids within a person, keys of some people alone, and that somebody was erased.

The keys that there are go on speaking for everybody, as they did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, and make the table of answers anew: the older one wanted an event id to be nobody else's."""
    op.add_column("people", sa.Column("owner", sa.Text))
    op.add_column("keys", sa.Column("people", sa.Text))
    op.add_column("keys", sa.Column("public_key", sa.Text))
    op.execute("UPDATE keys SET people = '*'")
    op.create_table(
        "erasures",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("erased_at", sa.Text, nullable=False),
    )
    op.create_table("removals", sa.Column("uri", sa.Text, primary_key=True))
    op.rename_table("answers", "answers_before")
    op.create_table(
        "answers",
        sa.Column("question_id", sa.Text, sa.ForeignKey("questions.question_id"), primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("choice", sa.Text, nullable=False),
        sa.Column("response_seconds", sa.Float(53)),
        sa.Column("answered_at", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.UniqueConstraint("user_id", "event_id", name="answers_of_one_event"),
    )
    op.execute(
        "INSERT INTO answers (question_id, user_id, event_id, choice, response_seconds, answered_at, number) "
        "SELECT a.question_id, q.user_id, a.event_id, a.choice, a.response_seconds, a.answered_at, a.number "
        "FROM answers_before AS a JOIN questions AS q ON q.question_id = a.question_id"
    )
    op.drop_table("answers_before")


def downgrade() -> None:
    """Remove them. Raises where two people's answers have one event id."""
    op.rename_table("answers", "answers_after")
    op.create_table(
        "answers",
        sa.Column("question_id", sa.Text, sa.ForeignKey("questions.question_id"), primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("choice", sa.Text, nullable=False),
        sa.Column("response_seconds", sa.Float(53)),
        sa.Column("answered_at", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO answers (question_id, event_id, choice, response_seconds, answered_at, number) "
        "SELECT question_id, event_id, choice, response_seconds, answered_at, number FROM answers_after"
    )
    op.drop_table("answers_after")
    for table in ("removals", "erasures"):
        op.drop_table(table)
    op.drop_column("keys", "public_key")
    op.drop_column("keys", "people")
    op.drop_column("people", "owner")
