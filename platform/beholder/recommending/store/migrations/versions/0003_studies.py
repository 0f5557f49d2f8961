"""The third version: studies, their participants and trials."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "studies",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
    )
    op.create_table(
        "study_images",
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("image_id", sa.Text, nullable=False),
        sa.Column("picture", sa.Text, nullable=False),
    )
    op.create_table(
        "study_image_counts",
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), primary_key=True),
        sa.Column("block", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("on_left", sa.Integer, nullable=False),
    )
    op.create_table(
        "study_pair_counts",
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), primary_key=True),
        sa.Column("low", sa.Integer, primary_key=True),
        sa.Column("high", sa.Integer, primary_key=True),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("low_on_left", sa.Integer, nullable=False),
    )
    op.create_table(
        "study_participants",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("event_id", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("lang", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("joined_at", sa.Text),
        sa.Column("consented_at", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.Column("seen_at", sa.Text),
        sa.UniqueConstraint("study", "event_id", name="study_participants_join_once"),
    )
    op.create_table(
        "study_forms",
        sa.Column("user_id", sa.Text, sa.ForeignKey("study_participants.user_id"), primary_key=True),
        sa.Column("part", sa.Text, primary_key=True),
        sa.Column("answers", sa.Text, nullable=False),
        sa.Column("sent_at", sa.Text, nullable=False),
    )
    op.create_table(
        "study_trials",
        sa.Column("trial_id", sa.Text, primary_key=True),
        sa.Column("study", sa.Text, sa.ForeignKey("studies.name"), nullable=False),
        sa.Column("user_id", sa.Text, sa.ForeignKey("study_participants.user_id"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("block", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("left_number", sa.Integer, nullable=False),
        sa.Column("right_number", sa.Integer),
        sa.Column("repeat_of", sa.Text),
        sa.Column("expected", sa.Text),
        sa.Column("counted", sa.Integer, nullable=False),
        sa.Column("asked_at", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, unique=True),
        sa.Column("answers", sa.Text),
        sa.Column("answered_at", sa.Text),
        sa.Column("imported", sa.Integer, nullable=False),
        sa.UniqueConstraint("user_id", "place", name="study_trials_one_a_place"),
    )
    op.create_index("study_trials_of_studies", "study_trials", ["study", "counted", "answered_at"])
    op.create_index("study_trials_to_import", "study_trials", ["imported", "answered_at"])


def downgrade() -> None:
    """Remove them."""
    for table in (
        "study_trials",
        "study_forms",
        "study_participants",
        "study_pair_counts",
        "study_image_counts",
        "study_images",
        "studies",
    ):
        op.drop_table(table)
