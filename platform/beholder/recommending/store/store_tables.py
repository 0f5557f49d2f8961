"""Tables of the store of choices, as the newest version of the schema has them. Times are UTC, as ISO 8601 text."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA = MetaData()

# changes: how many answers, retracted answers and imports there have been; a copy of a person's choices is fresh while it stands.
# owner: the key, or the keys of a prefix, whose the person is (see person_owners); null where no key was asked for.
PEOPLE = Table(
    "people",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("changes", Integer, nullable=False),
    Column("owner", Text),
)

# That somebody was erased, and how often: a request that began before must not bring them back. digest: of the name alone.
ERASURES = Table(
    "erasures",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("erased_at", Text, nullable=False),
)

# Files of people who were erased, until they are deleted: where that was cut off, whoever comes next goes on.
REMOVALS = Table("removals", METADATA, Column("uri", Text, primary_key=True))

QUESTIONS = Table(
    "questions",
    METADATA,
    Column("question_id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("people.user_id"), nullable=False),
    Column("image_id", Text, nullable=False),
    Column("left_edit", Text, nullable=False),
    Column("right_edit", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("probability", Float(53)),
    Column("model", Text, nullable=False),
    Column("asked_at", Text, nullable=False),
    Index("questions_of_people", "user_id"),
)

# One answer a question: an answer that is retracted is gone. Event ids are the person's own: others may have the same.
ANSWERS = Table(
    "answers",
    METADATA,
    Column("question_id", Text, ForeignKey("questions.question_id"), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("choice", Text, nullable=False),
    Column("response_seconds", Float(53)),
    Column("answered_at", Text, nullable=False),
    Column("number", Integer, nullable=False),
    UniqueConstraint("user_id", "event_id", name="answers_of_one_event"),
)

# Images that people uploaded, and where their latents lie, to be removed with the last person who uploaded them.
UPLOADS = Table(
    "uploads",
    METADATA,
    Column("image_id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("people.user_id"), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("uploaded_at", Text, nullable=False),
    Index("uploads_of_people", "user_id"),
)

# Keys of the service: of a secret only its SHA-256. scopes: with spaces between. people: whom it speaks for, see api_keys.
# public_key: by which tokens that its holder signed are known.
KEYS = Table(
    "keys",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("people", Text),
    Column("public_key", Text),
)
