"""Interactions: questions and answers as `interactions.csv`, one row a side, for other tools and back again without loss.

user_id, image_id, direction, alpha and label (1 chosen, 0 not, 0.5 neither) are the columns of older recommenders; the rest says
which rows were a pair. An edit of several directions is written a+b with alphas 1.4+2.0, and whole, as JSON, in `edit`.
"""

import csv
import hashlib
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from beholder.errors import ChoiceError
from beholder.recommending.store.question import Answer, Choice, Question, edit_of, edit_text

PLAIN = ("user_id", "image_id", "direction", "alpha", "label")
PAIR = (
    "side", "edit", "question_id", "strategy", "probability", "model", "asked_at",
    "event_id", "choice", "response_seconds", "answered_at",
)  # fmt: skip
_LABELS = {("left", "left"): 1, ("right", "right"): 1, ("left", "right"): 0, ("right", "left"): 0}
Asked = tuple[Question, Answer | None]


def write(choices: Iterable[Choice], unanswered: Iterable[Question] = ()) -> str:
    """Return the text of interactions.csv: two rows a question, left and right; without an answer, label and answer are empty."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*PLAIN, *PAIR])
    writer.writeheader()
    asked: list[Asked] = [(choice.question, choice.answer) for choice in choices]
    for question, answer in [*asked, *((question, None) for question in unanswered)]:
        for side in ("left", "right"):
            edit = getattr(question, side)
            label = "" if answer is None else _LABELS.get((side, answer.choice), 0.5)
            row = {
                "user_id": question.user_id,
                "image_id": question.image_id,
                "direction": "+".join(sorted(edit)),
                "alpha": "+".join(repr(float(edit[name])) for name in sorted(edit)) or "0.0",
                "label": label,
                "side": side,
                "edit": edit_text(edit),
                "question_id": question.question_id,
                "strategy": question.strategy,
                "probability": "" if question.probability is None else repr(question.probability),
                "model": question.model,
                "asked_at": question.asked_at.astimezone(UTC).isoformat(timespec="microseconds"),
            }
            if answer is not None:
                row |= {
                    "event_id": answer.event_id,
                    "choice": answer.choice,
                    "response_seconds": "" if answer.response_seconds is None else repr(answer.response_seconds),
                    "answered_at": answer.answered_at.astimezone(UTC).isoformat(timespec="microseconds"),
                }
            writer.writerow(row)
    return out.getvalue()


def read(text: str, *, at: datetime) -> list[Asked]:
    """Return the questions and answers of interactions.csv.

    A file of the plain columns alone comes in too: each row is then a question, the edit against the original, answered by its
    label at the time `at`; reading it again gives the same ids. Raises ChoiceError, with the line, for what can't be read.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    missing = [name for name in PLAIN if name not in (reader.fieldnames or [])]
    if missing:
        raise ChoiceError(f"interactions.csv needs the columns {', '.join(PLAIN)}; {', '.join(missing)} not found")
    paired = [name for name in PAIR if name in (reader.fieldnames or [])]
    if paired and len(paired) < len(PAIR):
        raise ChoiceError(f"interactions.csv has {', '.join(paired)} but not {', '.join(n for n in PAIR if n not in paired)}")
    rows = [(reader.line_num, row) for row in reader]
    if not paired:
        return [_alone(line, row, at) for line, row in rows]
    if len(rows) % 2:
        raise ChoiceError(f"interactions.csv has {len(rows)} rows; each question is two, left and right")
    return [_pair(*rows[first], *rows[first + 1]) for first in range(0, len(rows), 2)]


def _pair(line: int, left: dict[str, str], next_line: int, right: dict[str, str]) -> Asked:
    """Return the question of two rows, and its answer."""
    same = [name for name in PAIR if name not in ("side", "edit")] + ["user_id", "image_id"]
    if (left["side"], right["side"]) != ("left", "right") or any(left[name] != right[name] for name in same):
        raise ChoiceError(f"interactions.csv, lines {line} and {next_line}: expected the left and the right side of one question")
    try:
        question = Question(
            question_id=left["question_id"],
            user_id=left["user_id"],
            image_id=left["image_id"],
            left=edit_of(left["edit"]),
            right=edit_of(right["edit"]),
            strategy=left["strategy"],
            asked_at=datetime.fromisoformat(left["asked_at"]),
            probability=float(left["probability"]) if left["probability"] else None,
            model=left["model"],
        )
        if not left["choice"]:
            return question, None
        seconds = float(left["response_seconds"]) if left["response_seconds"] else None
        answered_at = datetime.fromisoformat(left["answered_at"])
        return question, Answer(left["event_id"], left["question_id"], left["choice"], answered_at, seconds)
    except (ValueError, TypeError, AttributeError, ChoiceError) as error:
        raise ChoiceError(f"interactions.csv, line {line}: {error}") from None


def _alone(line: int, row: dict[str, str], at: datetime) -> Asked:
    """Return a plain row as a question: its edit beside the unedited image."""
    try:
        names, alphas = row["direction"].split("+"), [float(alpha) for alpha in row["alpha"].split("+")]
        edit = {name: alpha for name, alpha in zip(names, alphas, strict=True) if alpha != 0}
        choice = {1.0: "left", 0.0: "right", 0.5: "neither"}[float(row["label"])]
        key = hashlib.sha256("\0".join([str(line), *(row[name] for name in PLAIN)]).encode()).hexdigest()[:24]
        question = Question(key, row["user_id"], row["image_id"], edit, {}, "imported", at)
        return question, Answer(key, key, choice, at)
    except KeyError:
        raise ChoiceError(f"interactions.csv, line {line}: label is {row['label']!r}, expected 1, 0 or 0.5") from None
    except (ValueError, TypeError, AttributeError, ChoiceError) as error:
        raise ChoiceError(f"interactions.csv, line {line}: {error}") from None
