"""Which format a client gets, and whether it has a picture already."""

import pytest

from beholder.serve.routes import negotiation


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "image/png"),
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("image/webp", "image/webp"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/webp"),
        ("image/png;q=0.5, image/jpeg", "image/jpeg"),
        ("image/webp;q=0, */*", "image/png"),
        ("image/png;q=0,*/*;q=0.1", "image/webp"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("image/png;q=x", None),
        ("image/png;q=nan", None),
        (";;;,,", None),
    ],
)
def test_negotiation(accept, kind):
    assert negotiation.negotiate(accept) == kind


@pytest.mark.parametrize(
    ("sent", "known"),
    [(None, False), ('"a"', True), ('"b"', False), ('"b", "a"', True), ('W/"a"', True), ("*", True), ("a", False), ("", False)],
)
def test_a_tag_that_is_known(sent, known):
    assert negotiation.has(sent, '"a"') is known


def test_tags_tell_bytes_apart():
    assert negotiation.tag(b"a") == negotiation.tag(b"a") != negotiation.tag(b"b")
