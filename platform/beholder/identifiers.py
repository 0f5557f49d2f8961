"""Identifiers: what the names of people, images and attributes may consist of, the same for tables, commands and the API.

Two names that look alike are one name or none: they are brought to Unicode's form NFC, and nothing is in them that can't be seen or
speaks to a terminal (Unicode Standard Annex 15; Unicode Technical Report 36 on what goes wrong otherwise). Letters are not folded:
`Ana` and `ana` are two people, and so are those that are written alike in two scripts.
"""

import unicodedata

from beholder.errors import BeholderError

LONGEST_PERSON = 200  # characters of a person's name where it is given to the service
_UNSEEN = frozenset(("Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Cs"))
_LINES = frozenset("\n\t")
_LOST = "\ufffd"  # what decoders put in place of bytes that they can't read
# around a name in a file, where they are left out: white space but the control characters among it
SPACES = "\ufeff \t\r\n\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def fault(text: str) -> str | None:
    """Return why a text is no name in form NFC, as the end of "expected ..., got"; None where it is one.

    It may hold no control, format, private or unassigned character, no line or paragraph separator, no half of a surrogate pair and
    no U+FFFD, which is what bytes of another encoding become; no white space at its ends; and it is neither `.` nor `..`.
    """
    if not text:
        return "an empty name"
    if text in (".", ".."):
        return f"{text!r}, which is a folder's name"
    if text.isascii() and text.isprintable():
        return "a space at an end of a name" if text[0] == " " or text[-1] == " " else None
    for character in text:
        if unicodedata.category(character) in _UNSEEN:
            return f"a control or format character (U+{ord(character):04X}) in a name"
    if _LOST in text:
        return "U+FFFD in a name, which stands for bytes that are no text in UTF-8"
    if text != text.strip():
        return "a space at an end of a name"
    return None


def normalized(text: str) -> str:
    """Return a text in Unicode's form NFC, in which two texts that are written the same are the same."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def person_name(text: str, *, what: str, error: type[BeholderError]) -> str:
    """Return a person's name in form NFC. Raises `error` for what is none; what: the setting that gives it, for the message."""
    name = normalized(text)
    reason = fault(name)
    if reason is None and len(name) > LONGEST_PERSON:
        reason = f"{len(name):,} characters"
    if reason is not None:
        raise error(f"{what} names a person in 1 to {LONGEST_PERSON} visible characters, got {reason}")
    return name


def shown(text: str) -> str:
    """Return a text for a terminal: what can't be seen, and what would speak to the terminal, as its code, `\\u202e`.

    Line ends and tabs stay.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        character if character in _LINES or unicodedata.category(character) not in _UNSEEN else _code(character)
        for character in text
    )


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
