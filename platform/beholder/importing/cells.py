"""The text of a cell as an id, a number, a time or a choice. Each reader returns (value, None), or (None, the reason why not)."""

import datetime
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from beholder import identifiers
from beholder.identifiers import SPACES
from beholder.tables import LEFT, RIGHT, TIE

Read = tuple[Any, str | None]

LONGEST = 8192  # characters of an id
LONG_NUMBER = "a number of more than 15 digits, which spreadsheets round: store the column as text"
NO_RESULT = "a formula without its result: open the file in a spreadsheet program and save it"
TIES = ("tie", "equal", "draw", "both", "neither", "same", "none", "=", "no preference")
_LEFTS = ("left", "l", "a", "first", "image1", "image_1", "option1")
_RIGHTS = ("right", "r", "b", "second", "image2", "image_2", "option2")
_ERRORS = frozenset(("#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!"))
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d{2,}")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+")
_LABELLED = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:[-–—:=.)(]|\s)\s*[^\W\d_].*", re.DOTALL)
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[ T,]+(.+))?")
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([AaPp])?\.?(?:[Mm]\.?)?(?:\s*(Z|UTC|GMT)?\s*([+-]\d{2}:?\d{2})?)?"
)
_SAID = re.compile(r"[A-Za-z]{3},? ([A-Za-z]{3}) (\d{1,2}),? (\d{4}) (.+?)(?: \(.*\))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def text_of(value: Any) -> str | None:
    """Return a cell as text: whole floats without .0, times in ISO form, None for an empty cell."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value).strip() or None


def read_id(text: str | None) -> Read:
    """Return an id or a name as `identifiers` has it, in form NFC, of at most LONGEST characters; without the spaces around it."""
    if text is None or not (text := text.strip(SPACES)):
        return None, "missing"
    if text in _ERRORS:
        return None, "an error value of a spreadsheet"
    if _SCIENTIFIC.fullmatch(text):
        return None, LONG_NUMBER
    if len(text) > 1 and text[0] == "'" and text[1] in "=+-@":
        text = text[1:]  # as a file of ours has it, so that no spreadsheet takes it for a formula
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return None, "bytes that are not of the file's encoding; give format.encoding="
    text = identifiers.normalized(text)
    if (reason := identifiers.fault(text)) is not None:
        return None, reason
    if len(text) > LONGEST:
        return None, f"a name of {len(text):,} characters; at most {LONGEST:,} are allowed"
    return text, None


def read_number(text: str | None, decimal: str | None = None) -> Read:
    """Return a finite float, of 3, 3.5, 3,5, "3 - good" and digits of any script.

    decimal: "." or "," where the file has it so; None: both, and 1,000 is refused, for it may be one or a thousand.
    """
    if text is None or not (text := text.strip()):
        return None, "missing"
    if text in _ERRORS:
        return None, "an error value of a spreadsheet"
    plain = unicodedata.normalize("NFKC", text) if not text.isascii() else text
    plain = plain.strip().replace("\u2212", "-")
    if not plain.isascii():
        plain = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in plain)
    if labelled := _LABELLED.fullmatch(plain):
        plain = labelled[1]
    if decimal == ",":
        plain = plain.replace(".", "").replace(",", ".")
    elif decimal == ".":
        plain = plain.replace(",", "")
    elif _COMMA.fullmatch(plain):
        if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", plain):
            return None, "1,234 may be a thousand or a fraction; give format.decimal=, or format.decimal=."
        plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        return None, "no number"
    value = float(plain)
    return (value, None) if np.isfinite(value) else (None, "no finite number")


def read_choice(text: str | None, coded: Sequence[str] = ()) -> Read:
    """Return left, right or tie. coded: what the file writes for left, right and perhaps a tie; else 1, 2, 0 and usual words."""
    if text is None or not (text := text.strip()):
        return None, "missing"
    lower = text.lower()
    if coded:
        number = read_number(lower)[0]
        for meaning, code in zip((LEFT, RIGHT, TIE), coded, strict=False):
            if lower == code.lower() or (number is not None and number == read_number(code)[0]):
                return meaning, None
        return None, f"outside the choices: expected {', '.join(coded)}"
    if lower in _LEFTS or lower in ("1", "1.0"):
        return LEFT, None
    if lower in _RIGHTS or lower in ("2", "2.0"):
        return RIGHT, None
    if lower in TIES or lower in ("0", "0.0"):
        return TIE, None
    return None, "outside the choices: expected left, right, tie, an image of the pair, or choices=LEFT,RIGHT,TIE"


def read_time(text: str | None, *, days_first: bool | None = None) -> Read:
    """Return a time as UTC: ISO 8601, 14.03.2024 17:06, 3/14/2024 5:06 PM, 2024/03/14, "Thu Mar 14 2024 17:06:00 GMT+0100", seconds
    or milliseconds since 1970 of ten or thirteen digits. Without a zone it is UTC.

    days_first: whether 3/4/2024 is in April (True) or in March (False); None: it is refused, unless one of both is above 12.
    """
    if text is None or not (text := text.strip()):
        return None, "missing"
    unreadable = None, "not a readable time"
    try:
        value = datetime.datetime.fromisoformat(text)
    except ValueError:
        if re.fullmatch(r"1\d{9}(?:\d{3})?(?:\.\d+)?", text):
            seconds = float(text) if len(text.partition(".")[0]) == 10 else float(text) / 1000
            return datetime.datetime.fromtimestamp(seconds, datetime.UTC), None
        parts = _DATE.fullmatch(text)
        said = None if parts else _SAID.fullmatch(text)
        if parts is not None:
            date, reason = _date(parts[1], parts[2], parts[3], parts[4], days_first)
        elif said is not None and said[1].lower() in _MONTHS:
            date, reason = (int(said[3]), _MONTHS.index(said[1].lower()) + 1, int(said[2])), None
        else:
            return unreadable
        if date is None:
            return None, reason
        time = _time_of_day((parts[5] if parts else said[4] if said else None) or "00:00")
        if time is None:
            return unreadable
        try:
            value = datetime.datetime(*date, *time[0], tzinfo=time[1])
        except ValueError:
            return unreadable
    try:
        return (value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)), None
    except OverflowError:  # before year 1 or after 9999
        return unreadable


def _date(
    one: str, separator: str, two: str, three: str, days_first: bool | None
) -> tuple[tuple[int, int, int] | None, str | None]:
    first, second, third = int(one), int(two), int(three)
    if len(one) == 4:
        return (first, second, third), None
    if len(three) != 4:
        return None, "not a readable time: expected a year of four digits"
    if separator == "." or first > 12 or days_first:
        return (third, second, first), None
    if second > 12 or days_first is False:
        return (third, first, second), None
    if first == second:
        return (third, first, second), None
    return None, "not a readable time: day or month may come first; give format.days_first=true or false"


def _time_of_day(text: str) -> tuple[tuple[int, int, int], datetime.tzinfo | None] | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    zone: datetime.tzinfo | None = datetime.UTC if found[5] else None
    if found[6]:
        sign, digits = found[6][0], found[6][1:].replace(":", "")
        offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if offset >= datetime.timedelta(days=1):
            return None
        zone = datetime.timezone(-offset if sign == "-" else offset)
    return (hour, minute, second), zone


def read_column(column: pa.Array, read: Callable[[str | None], Read]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column of text and the reasons for those that can't be read (None where they can), object [N] each.

    Each different text is read once.
    """
    encoded = column.dictionary_encode()
    texts = [*encoded.dictionary.to_pylist(), None]
    values, reasons = np.empty(len(texts), object), np.empty(len(texts), object)
    for at, text in enumerate(texts):
        values[at], reasons[at] = read(text)
    codes = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    return values[codes], reasons[codes]
