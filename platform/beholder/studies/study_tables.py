"""Tables of studies in the store, as the newest version of the schema has them. Times are UTC, as ISO 8601 text."""

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA = MetaData()

# config: the study as JSON. secret: from which participants' links are made. state: new, open or closed.
STUDIES = Table(
    "studies",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("config", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("made_at", Text, nullable=False),
)

# number: of the image in the study, from 0. picture: the name of its picture, which does not give its id away.
STUDY_IMAGES = Table(
    "study_images",
    METADATA,
    Column("study", Text, ForeignKey("studies.name"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("image_id", Text, nullable=False),
    Column("picture", Text, nullable=False),
)

# How often each image of a block was shown, and on the left, in trials that are counted; the same of pairs.
STUDY_IMAGE_COUNTS = Table(
    "study_image_counts",
    METADATA,
    Column("study", Text, ForeignKey("studies.name"), primary_key=True),
    Column("block", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("shown", Integer, nullable=False),
    Column("on_left", Integer, nullable=False),
)
STUDY_PAIR_COUNTS = Table(
    "study_pairs_shown",
    METADATA,
    Column("study", Text, ForeignKey("studies.name"), primary_key=True),
    Column("block", Text, primary_key=True),
    Column("low", Integer, primary_key=True),
    Column("high", Integer, primary_key=True),
    Column("shown", Integer, nullable=False),
    Column("low_on_left", Integer, nullable=False),
)

# Of a participant's token only its SHA-256. event_id: the browser's own when it joined, so that a retry joins once.
STUDY_PARTICIPANTS = Table(
    "study_participants",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("study", Text, ForeignKey("studies.name"), nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("event_id", Text),
    Column("external_id", Text),
    Column("lang", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("joined_at", Text),  # null: invited, and not yet come
    Column("consented_at", Text),
    Column("finished_at", Text),
    Column("seen_at", Text),
    UniqueConstraint("study", "event_id", name="study_participants_join_once"),
)

# A questionnaire as it was filled in; part: before or after.
STUDY_FORMS = Table(
    "study_forms",
    METADATA,
    Column("user_id", Text, ForeignKey("study_participants.user_id"), primary_key=True),
    Column("part", Text, primary_key=True),
    Column("answers", Text, nullable=False),
    Column("sent_at", Text, nullable=False),
)

# What a participant is shown. place: in their session. counted: 1 while it counts in the balance. repeat_of: the trial that it
# repeats. expected: what an attention check asks for. imported: 1 when it is in the workspace's tables.
STUDY_TRIALS = Table(
    "study_trials",
    METADATA,
    Column("trial_id", Text, primary_key=True),
    Column("study", Text, ForeignKey("studies.name"), nullable=False),
    Column("user_id", Text, ForeignKey("study_participants.user_id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("block", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("left_number", Integer, nullable=False),
    Column("right_number", Integer),
    Column("repeat_of", Text),
    Column("expected", Text),
    Column("counted", Integer, nullable=False),
    Column("asked_at", Text, nullable=False),
    Column("event_id", Text, unique=True),
    Column("answers", Text),
    Column("answered_at", Text),
    Column("imported", Integer, nullable=False),
    UniqueConstraint("user_id", "place", name="study_trials_one_a_place"),
    Index("study_trials_of_studies", "study", "counted", "answered_at"),
    Index("study_trials_to_import", "imported", "answered_at"),
)
