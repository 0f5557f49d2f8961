"""Text in markup stays text."""

from beholder.reports.markup import data_uri, escape


def test_markup_and_quotes_are_escaped():
    assert escape("<b a='1' c=\"2\">&") == "&lt;b a=&#x27;1&#x27; c=&quot;2&quot;&gt;&amp;"


def test_what_can_not_be_seen_is_seen_to_be_there():
    assert escape("a\x00b\ud800\u202ec\nd\te") == "a�b��c d e"
    assert escape("a\ud800").encode() == "a�".encode()


def test_scripts_and_emoji_are_kept():
    assert escape("Zoë 佐藤 🙂 שלום") == "Zoë 佐藤 🙂 שלום"


def test_bytes_become_a_uri():
    assert data_uri(b"abc", "image/png") == "data:image/png;base64,YWJj"
