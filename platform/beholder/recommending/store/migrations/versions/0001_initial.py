"""The first version: people, questions, answers, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("changes", sa.Integer, nullable=False),
    )
    op.create_table(
        "questions",
        sa.Column("question_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("people.user_id"), nullable=False),
        sa.Column("image_id", sa.Text, nullable=False),
        sa.Column("left_edit", sa.Text, nullable=False),
        sa.Column("right_edit", sa.Text, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("probability", sa.Float(53)),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Text, nullable=False),
    )
    op.create_index("questions_of_people", "questions", ["user_id"])
    op.create_table(
        "answers",
        sa.Column("question_id", sa.Text, sa.ForeignKey("questions.question_id"), primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("choice", sa.Text, nullable=False),
        sa.Column("response_seconds", sa.Float(53)),
        sa.Column("answered_at", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.create_table(
        "uploads",
        sa.Column("image_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("people.user_id"), primary_key=True),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("uploaded_at", sa.Text, nullable=False),
    )
    op.create_index("uploads_of_people", "uploads", ["user_id"])


def downgrade() -> None:
    """Remove them."""
    for table in ("uploads", "answers", "questions", "people"):
        op.drop_table(table)
