"""Edits as text: what is read, and what each mistake gets."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beholder.editing.directions import edit_text
from beholder.errors import EditError

KNOWN = ("smile", "glasses", "older")


def test_edits_are_read() -> None:
    assert edit_text.parse("smile=1.4,glasses=2", KNOWN) == {"smile": 1.4, "glasses": 2.0}
    assert edit_text.parse(" smile = -1e-1 , older=+0 ", KNOWN) == {"smile": -0.1, "older": 0.0}
    assert edit_text.parse("  ", KNOWN) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smlie=1", "smlie is not a direction; did you mean smile?"),
        ("x=1", "x is not a direction; known: glasses, older, smile"),
        ("smile=much", "smile=much: expected a number"),
        ("smile=nan", "smile=nan: expected a finite number"),
        ("smile=inf", "smile=inf: expected a finite number"),
        ("smile=1e999", "expected a finite number"),
        ("smile=1,older=2,smile=1", "smile comes twice"),
        ("smile", "'smile' is not of the form direction=alpha"),
        ("smile=", "'smile=' is not of the form"),
        ("=1", "'=1' is not of the form"),
        ("smile=1,,older=2", "'' is not of the form"),
        ("smile=1=2", "expected a number"),
    ],
)
def test_mistakes_are_told(text: str, says: str) -> None:
    with pytest.raises(EditError) as told:
        edit_text.parse(text, KNOWN)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_no_directions_at_all() -> None:
    with pytest.raises(EditError, match="smile is not a direction; this generator has none yet"):
        edit_text.parse("smile=1", ())


@given(st.dictionaries(st.sampled_from(KNOWN), st.integers(-300, 300).map(lambda n: n / 100)))
def test_what_is_written_is_read(wanted: dict[str, float]) -> None:
    assert edit_text.parse(edit_text.write(wanted), KNOWN) == wanted


@given(st.text(max_size=30))
def test_any_text_is_an_edit_or_one_line(text: str) -> None:
    with contextlib.suppress(EditError):
        assert set(edit_text.parse(text, KNOWN)) <= set(KNOWN)
