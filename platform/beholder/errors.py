"""The exceptions. A BeholderError is a user's mistake or a bad input: the command line prints it as one line, without a traceback.

BeholderError
├── ConfigError        a setting that is unknown, missing or out of range
│   └── UnknownCommand a word that is no command
├── InputError         a table, array, picture or id that a Python program gave; a ValueError as well
├── StorageError       a place that can't be read or written
├── ArtifactError      bytes that are no safetensors file, or no card; rooms say in their own error which artifact it is
├── TableError         a table that does not have its schema
├── SpreadsheetError   a spreadsheet that can't be read at all (a bad row is not an error: it is `rejected`)
├── ImageError         bytes that can't be used as an image
│   ├── ImageTooLarge      more bytes or pixels than are taken
│   └── UnknownImageFormat no format that is read
│       └── HeicNotInstalled   an iPhone's own format, where what reads it is not installed
├── EmbeddingError     vectors of a wrong shape, not finite, or of another encoder
├── EncoderError       a model or its weights that can't be had
├── WeightsError       weights that are not there or can't be read
├── EditError          a direction or an edit that can't be applied
│   ├── UnknownImage   an id of no image in the library
│   ├── NoFaceFound    a photo without a face
│   ├── FaceTooSmall   a photo whose face has too few pixels
│   └── PhotoNotRedrawn  a photo that the generator can't redraw
├── TasteError         judgements that no taste can be fitted to, or a taste that does not fit its input
├── ChoiceError        a question or an answer that can't be recorded
│   ├── ConflictingAnswer  another answer to a question that has one
│   ├── UnknownQuestion    an id of no question
│   └── PersonErased       somebody who was erased while a request of theirs was under way
├── StoreError         a database of choices that can't be reached or read
├── StudyError         a study, or what a participant sends to it, that is not as it should be
│   ├── UnknownStudy   a name of no study
│   ├── UnknownParticipant  a link of nobody who takes part
│   └── StudyConflict  what can't be done now: a study that is closed or full, an answer that was given otherwise before
└── AccessError        an API key or a person's token that can't be made, or is unknown
"""


class BeholderError(Exception):
    """Base class: the message says what was expected, what came and what to do."""


class ConfigError(BeholderError):
    pass


class UnknownCommand(ConfigError):
    pass


class InputError(BeholderError, ValueError):
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


class ImageTooLarge(ImageError):
    pass


class UnknownImageFormat(ImageError):
    pass


class HeicNotInstalled(UnknownImageFormat):
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


class NoFaceFound(EditError):
    pass


class FaceTooSmall(EditError):
    pass


class PhotoNotRedrawn(EditError):
    pass


class TasteError(BeholderError):
    pass


class ChoiceError(BeholderError):
    pass


class ConflictingAnswer(ChoiceError):
    pass


class UnknownQuestion(ChoiceError):
    pass


class PersonErased(ChoiceError):
    pass


class StoreError(BeholderError):
    pass


class StudyError(BeholderError):
    pass


class UnknownStudy(StudyError):
    pass


class UnknownParticipant(StudyError):
    pass


class StudyConflict(StudyError):
    pass


class AccessError(BeholderError):
    pass


_LONGEST_LIST = 400  # characters of known words in a message


def nearest(word: str, known: list[str]) -> str:
    """Return '; did you mean ...?' for a misspelt word, or the known words where none is near, as long as they fit a few lines."""
    match = closest(word, known)
    if match:
        return f"; did you mean {match}?"
    listed = ", ".join(known)
    return f"; known: {listed}" if 0 < len(listed) <= _LONGEST_LIST else ""


def closest(word: str, known: list[str]) -> str:
    """Return the known word that a misspelt one is nearest to, "" where none is near."""
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), "")
