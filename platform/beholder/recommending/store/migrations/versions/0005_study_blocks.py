"""The fifth version: how often each pair was shown, block by block."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table anew with a column for the block: studies had one block of pairs."""
    op.create_table(
        "study_pairs_shown",
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), primary_key=True),
        sa.Column("block", sa.Text, primary_key=True),
        sa.Column("low", sa.Integer, primary_key=True),
        sa.Column("high", sa.Integer, primary_key=True),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("low_on_left", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO study_pairs_shown (study, block, low, high, shown, low_on_left) "
        "SELECT study, 'pairs', low, high, shown, low_on_left FROM study_pair_counts"
    )
    op.drop_table("study_pair_counts")


def downgrade() -> None:
    """Make the table as it was; of questions in blocks of their own, the showings of a pair are added up."""
    op.create_table(
        "study_pair_counts",
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), primary_key=True),
        sa.Column("low", sa.Integer, primary_key=True),
        sa.Column("high", sa.Integer, primary_key=True),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("low_on_left", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO study_pair_counts (study, low, high, shown, low_on_left) "
        "SELECT study, low, high, SUM(shown), SUM(low_on_left) FROM study_pairs_shown GROUP BY study, low, high"
    )
    op.drop_table("study_pairs_shown")
