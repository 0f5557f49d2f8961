"""Labels: ids as they were given, numbers among them, and the text that they are known by inside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from beholder import identifiers
from beholder.errors import InputError, nearest


def text_of(label: Any, *, what: str) -> str:
    """Return the text that an id is known by: `3`, `3.0`, `np.int64(3)` and `"3"` are one id.

    what: the column or argument, for the message. Raises InputError for what is no id: missing, a bool, a broken number.
    """
    if isinstance(label, str):
        text = identifiers.normalized(label)
    elif isinstance(label, (bool, np.bool_)) or label is None or label is pd.NA or label is pd.NaT:
        raise InputError(f"{what}: expected an id (text or a whole number), got {label!r}")
    elif isinstance(label, (int, np.integer)):
        text = str(int(label))
    elif isinstance(label, (float, np.floating)):
        if not float(label).is_integer():  # NaN and infinities are none either
            raise InputError(f"{what}: expected an id (text or a whole number), got {float(label)!r}")
        text = str(int(label))
    else:
        text = str(label)  # paths, UUIDs
    reason = identifiers.fault(text)
    if reason is not None:
        raise InputError(f"{what}: expected an id of visible characters, got {reason} ({identifiers.shown(text)!r})")
    return text


def texts_of(labels: Sequence[Any] | pd.Series | np.ndarray, *, what: str) -> list[str]:
    """Return the text of each id of a column. Raises InputError as `text_of` does, naming the row."""
    known: dict[Any, str] = {}
    texts = []
    for row, label in enumerate(labels):
        kept = label.__hash__ is not None and not isinstance(label, (bool, np.bool_))  # True == 1, and is no id
        text = known.get(label) if kept else None
        if text is None:
            try:
                text = text_of(label, what=what)
            except InputError as error:
                raise InputError(f"{error}, in row {row}; drop such rows or fill them in") from None
            if kept:
                known[label] = text
        texts.append(text)
    return texts


@dataclass
class Labels:
    """Ids as they were given, by their text. numbers: whether new ones that look like whole numbers are such."""

    given: dict[str, Any] = field(default_factory=dict)
    numbers: bool = False

    @classmethod
    def of(cls, labels: Iterable[Any], texts: Iterable[str]) -> "Labels":
        """Return the labels of a column whose texts are known."""
        given: dict[str, Any] = {}
        for label, text in zip(labels, texts, strict=True):
            given.setdefault(text, _plain(label))
        return cls(given, bool(given) and all(isinstance(label, int) for label in given.values()))

    def join(self, other: "Labels") -> "Labels":
        """Return the labels of both; one that both have is as the first has it."""
        both = {**other.given, **self.given}
        return Labels(both, bool(both) and all(isinstance(label, int) for label in both.values()))

    def __getitem__(self, text: str) -> Any:
        """Return an id as it was given."""
        if text in self.given:
            return self.given[text]
        return int(text) if self.numbers and text.removeprefix("-").isdecimal() else text

    def all(self, texts: Iterable[str]) -> list[Any]:
        """Return ids as they were given."""
        return [self[text] for text in texts]


def unknown(text: str, known: Sequence[str], *, what: str, whom: str) -> str:
    """Return the message of an id that is none: what was asked for, the nearest one, and how many there are.

    what: "person" or "image"; whom: what does not know it.
    """
    hint = "" if text.isdecimal() else nearest(text, list(known[:20_000]))  # a number that is near is another image
    if not hint.startswith("; did you mean"):
        some = ", ".join(known[:3])
        hint = f"; it knows {len(known):,}, such as {some}" if known else "; it knows none"
    return f"{text!r} is no {what} of {whom}{hint}"


def _plain(label: Any) -> Any:
    """Return numpy's numbers as Python's."""
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        return int(label)
    return int(label) if isinstance(label, (float, np.floating)) else label
