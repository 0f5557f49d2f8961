"""The exceptions. A BeholderError is a user's mistake or a bad input: one line for a person, never a traceback.

BeholderError
├── ConfigError        a setting that is unknown, missing or out of range
├── StorageError       a place that can't be read or written
├── ArtifactError      bytes that are no safetensors file, or no card; rooms say in their own error which artifact it is
├── TableError         a table that is not of its schema
├── SpreadsheetError   a spreadsheet that can't be read at all (a bad row is not an error: it is `rejected`)
├── ImageError         bytes that are no usable image
├── EmbeddingError     vectors that don't fit: wrong shape, not finite, of another encoder
├── EncoderError       a model or its weights that can't be had
├── WeightsError       weights that are not there or can't be read
├── EditError          a direction or an edit that makes no sense
│   └── UnknownImage         an image that is none, or is not there
├── TasteError         judgements that no taste can be fitted to, or a taste that does not fit what it is asked
├── ChoiceError        a question or an answer that makes no sense
│   ├── ConflictingAnswer  an answer against one that stands
│   └── UnknownQuestion     a question that was never asked
├── StoreError         a database of choices that can't be reached, or is none
└── AccessError        a key that makes no sense, or was never made
"""


class BeholderError(Exception):
    """Base of all: its message says what was expected, what came and what to do."""


class ConfigError(BeholderError):
    pass


class StorageError(BeholderError):
    pass


class ArtifactError(BeholderError):
    pass


class TableError(BeholderError):
    pass


class SpreadsheetError(BeholderError):
    pass


class ImageError(BeholderError):
    pass


class EmbeddingError(BeholderError):
    pass


class EncoderError(BeholderError):
    pass


class WeightsError(BeholderError):
    pass


class EditError(BeholderError):
    pass


class UnknownImage(EditError):
    pass


class TasteError(BeholderError):
    pass


class ChoiceError(BeholderError):
    pass


class ConflictingAnswer(ChoiceError):
    pass


class UnknownQuestion(ChoiceError):
    pass


class StoreError(BeholderError):
    pass


class AccessError(BeholderError):
    pass


def nearest(word: str, known: list[str]) -> str:
    """'; did you mean ...?' for a misspelt word, or the known words where none is near."""
    import difflib

    match = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if match:
        return f"; did you mean {match[0]}?"
    return f"; known: {', '.join(known)}" if known else ""
