"""identifiers: what is a name, and what a terminal is shown of what is none."""

import pytest

from beholder import identifiers
from beholder.errors import ConfigError

GOOD = ["ana", "Zoë Ω 李", "<script>", "Robert'); DROP TABLE people;--", "null", "%s%n", "a.b", "...", "😀" * 40, "shop-17", "=1+2"]
BAD = [
    ("", "empty"),
    (" ", "space"),
    ("ana ", "space"),
    (" ana", "space"),
    ("ana\u3000", "space"),
    (".", "folder"),
    ("..", "folder"),
    ("\x9b2J", "U+009B"),
    ("a\x85b", "U+0085"),
    ("\u202eana", "U+202E"),
    ("an\u200ba", "U+200B"),
    ("\ufeffana", "U+FEFF"),
    ("a\u2028b", "U+2028"),
    ("a\x00b", "U+0000"),
    ("a\nb", "U+000A"),
    ("\x1b[2J", "U+001B"),
    ("\ue000", "U+E000"),
    ("\u0378", "U+0378"),
    ("\udcff", "U+DCFF"),
    ("a\ufffd", "U+FFFD"),
]


@pytest.mark.parametrize("name", GOOD)
def test_names(name):
    assert identifiers.fault(name) is None
    assert identifiers.shown(name) == name


@pytest.mark.parametrize(("text", "says"), BAD)
def test_what_is_no_name(text, says):
    assert says in str(identifiers.fault(text))
    with pytest.raises(ConfigError, match="user names a person in 1 to 200 visible characters, got"):
        identifiers.person_name(text, what="user", error=ConfigError)


def test_a_name_has_one_form():
    assert identifiers.normalized("Zoe\u0308") == "Zo\u00eb"
    assert identifiers.person_name("Zoe\u0308", what="user", error=ConfigError) == "Zo\u00eb"
    with pytest.raises(ConfigError, match="got 201 characters"):
        identifiers.person_name("x" * 201, what="user", error=ConfigError)


def test_a_terminal_is_told_nothing_but_text():
    assert identifiers.shown("a\x1b[2J\x9b\u202e\U000e0001\tb\nc") == "a\\x1b[2J\\x9b\\u202e\\U000e0001\tb\nc"
