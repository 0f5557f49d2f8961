"""Which column of a table means what: as given, and guessed from the names and the first rows where nothing was given."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

from beholder.config import setting
from beholder.errors import SpreadsheetError, nearest
from beholder.importing.cells import read_number
from beholder.importing.source_tables import SourceTable, TableBlock

REST = "rest"  # every column that has no other meaning
FILE, SHEET, ROW = "@file", "@sheet", "@row"  # in the place of a column; any other @WORD is the word itself
_MOST_NAMES = 12  # of columns in a message

# A column's name, small letters and digits alone, -> its meaning. In order of preference.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "user_id": (
        *("userid", "user", "raterid", "rater", "participantid", "participant", "subjectid", "subject", "workerid", "worker"),
        *("annotatorid", "annotator", "respondentid", "respondent", "judge", "judgeid", "assessor", "observer", "evaluator"),
        *("prolificpid", "prolificid", "voter", "voterid", "personid", "person", "pid", "uid", "subj", "username"),
    ),
    "image_id": (
        *("imageid", "image", "img", "imgid", "photoid", "photo", "pictureid", "picture", "pic", "filename", "imagename"),
        *("imagefilename", "imagefile", "stimulusid", "stimulus", "stim", "itemid", "item", "faceid", "face", "targetid", "target"),
        *("imagepath", "path", "file", "painting", "artwork", "model"),
    ),
    "score": ("score", "rating", "rate", "value", "mark", "grade", "response", "judgement", "judgment", "vote", "points", "label"),
    "attribute": ("attribute", "trait", "question", "dimension", "criterion", "task", "aspect", "scale", "item"),
    "left": ("leftid", "left", "leftimage", "imageleft", "image1", "img1", "im1", "imagea", "first", "photo1", "item1", "a"),
    "right": ("rightid", "right", "rightimage", "imageright", "image2", "img2", "im2", "imageb", "second", "photo2", "item2", "b"),
    "choice": ("choice", "chosen", "answer", "selected", "preference", "preferred", "decision", "outcome", "response", "label"),
    "winner": ("winnerid", "winner", "better", "best", "winning", "preferredimage", "chosenimage", "chosenid"),
    "loser": ("loserid", "loser", "worse", "worst", "losing", "rejectedimage", "rejectedid"),
    "rank": ("rank", "ranking", "position", "order"),
    "group": ("group", "groupid", "set", "setid", "trial", "trialid", "rankingid", "list", "listid"),
    "at": ("inserttime", "at", "time", "timestamp", "datetime", "date", "createdat", "submittedat", "completedat", "updatedat"),
    "lang": ("lang", "language", "locale"),
    "judgement_id": ("id", "judgementid", "judgmentid", "ratingid", "responseid", "answerid", "voteid"),
}
# What is about people, pictures or the study, and what sums up judgements: never a score, a rater or an image by a guess.
_OTHERS = frozenset(
    (
        *(
            "age",
            "sex",
            "gender",
            "sexpref",
            "sexuality",
            "orientation",
            "ethnicity",
            "race",
            "country",
            "nationality",
            "education",
        ),
        *("income", "rt", "reactiontime", "responsetime", "duration", "seconds", "index", "order", "trial", "block", "session"),
        *("sessionid", "width", "height", "mean", "average", "avg", "median", "std", "sd", "se", "var", "variance", "count", "n"),
        *(
            "votes",
            "total",
            "sum",
            "min",
            "max",
            "numberofraters",
            "raters",
            "numraters",
            "originalrating",
            "weight",
            "split",
            "fold",
        ),
        *("path", "imagepath", "filename", "url", "uri"),
    )
)


@dataclass(frozen=True)
class ColumnMapping:
    """The columns of a table by their meaning. Several are given as a,b or by a pattern (rater*), `rest` is all others.

    @file, @sheet and @row take the place of a column of ids: the name of the file or sheet, the number of the row; any other
    @WORD is the word itself.
    """

    user_id: str | None = setting(None, "column of who judged; @file, @sheet, @row, or @WORD for one person")
    image_id: str | None = setting(None, "column of the image that was judged")
    score: str | None = setting(None, "column of the score")
    attribute: str | None = setting(None, "column of what was judged; @file, @sheet or @WORD")
    scores: str | None = setting(None, "columns of scores, each of one attribute, which is the column's name")
    raters: str | None = setting(None, "columns of scores, each of one person, who is the column's name (a row is an image)")
    images: str | None = setting(None, "columns of scores, each of one image, which is the column's name (a row is a person)")
    left: str | None = setting(None, "column of the left image of a pair")
    right: str | None = setting(None, "column of the right image of a pair")
    choice: str | None = setting(None, "column of the choice within a pair, or several, each of one attribute")
    winner: str | None = setting(None, "column of the chosen image of a pair")
    loser: str | None = setting(None, "column of the other image of a pair")
    rank: str | None = setting(None, "column of the rank of an image, 1 is the best")
    ranking: str | None = setting(None, "column of images, the best first (a > b > c), or a column for each place")
    group: str | None = setting(None, "with rank: column of what was ranked together, besides person and attribute")
    at: str | None = setting(None, "column of the time")
    lang: str | None = setting(None, "column of the language")
    judgement_id: str | None = setting(None, "column of an id of the judgement")

    def given(self) -> dict[str, str]:
        """Return the settings that are not null."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}

    def __str__(self) -> str:
        return " ".join(f"columns.{name}={_short(value)}" for name, value in self.given().items())


@dataclass(frozen=True)
class TableLayout:
    """A table's columns by their meaning, each of which it has.

    values: columns of scores, choices, ranks or places. named: what the name of such a column stands for ("attribute", "user_id",
    "image_id" or "": nothing). mapping: how people would write it; guessed: whether any of it is a guess.
    """

    form: str  # "ratings", "comparisons", "ranks" or "rankings"
    values: tuple[str, ...]
    named: str
    mapping: ColumnMapping
    guessed: bool

    def columns(self) -> tuple[str, ...]:
        """Return all columns that are read, each once."""
        single = [getattr(self.mapping, name) for name in _SINGLE if getattr(self.mapping, name) is not None]
        return tuple(dict.fromkeys([*(name for name in single if not name.startswith("@")), *self.values]))

    def telling_name(self) -> str | None:
        """Return the name of the only column of scores or choices where it is no word for scores or choices: what was judged."""
        known = {"ratings": SYNONYMS["score"], "comparisons": SYNONYMS["choice"]}.get(self.form)
        if known is None or len(self.values) != 1 or self.named or _plain(self.values[0]) in known:
            return None
        return self.values[0]

    def column(self, meaning: str) -> str | None:
        """Return the column of a meaning, None where there is none."""
        name: str | None = getattr(self.mapping, meaning)
        return name


_SINGLE = ("user_id", "image_id", "attribute", "left", "right", "winner", "loser", "group", "at", "lang", "judgement_id")
_ASIDE = ("at", "lang", "judgement_id", "attribute")  # guessed beside what was given


def layout_of(table: SourceTable, given: ColumnMapping, *, guess: bool = True) -> TableLayout:
    """Return the layout of a table: the given columns, the others guessed where `guess` says so.

    Raises SpreadsheetError where something is missing.
    """
    named = given.given()
    header = list(table.header)
    for meaning, text in named.items():
        if meaning in (*_SINGLE, "score", "rank") and not text.startswith("@") and text not in header:
            close = _same_name(text, header)
            if close is None:
                raise SpreadsheetError(
                    f"{table.where} has no column {text!r} (columns.{meaning}); {_found(header)}{_hint(text, header)}"
                )
            named[meaning] = close
    mapping = ColumnMapping(**named)
    whole = _guess(table, mapping) if guess else mapping
    return _checked(table, whole, guessed=whole != mapping)


def _same_name(name: str, header: Sequence[str]) -> str | None:
    """Return the only column whose name differs in case, spaces and marks alone."""
    same = [each for each in header if _plain(each) == _plain(name)]
    return same[0] if len(same) == 1 else None


def _guess(table: SourceTable, given: ColumnMapping) -> ColumnMapping:
    """Return the mapping with what can be told from names and first rows."""
    named = set(given.given())
    taken = {value for value in given.given().values() if not value.startswith("@")}
    found = given

    def look(*meanings: str) -> None:
        nonlocal found
        for meaning in meanings:
            if getattr(found, meaning) is None and (column := _by_name(meaning, table.header, taken)):
                found = replace(found, **{meaning: column})
                taken.add(column)

    central = named - set(_ASIDE) - {"user_id", "image_id"}
    if not central:
        if _by_name("winner", table.header, taken) and _by_name("loser", table.header, taken):
            central = {"winner", "loser"}
        elif _by_name("left", table.header, taken) and _by_name("right", table.header, taken):
            central = {"left", "right"}
    if central & {"winner", "loser"}:
        look("winner", "loser", "user_id")
    elif central & {"left", "right", "choice"}:
        look("left", "right", "user_id", "choice")
    elif central & {"ranking", "images"}:
        look("user_id")
    elif "raters" in central:
        look("image_id")
    else:
        look("user_id", "image_id")
        if not central & {"score", "scores", "rank"}:
            if _by_name("score", table.header, taken):
                look("score")
            elif _by_name("rank", table.header, taken):
                look("rank")
        if found.rank is not None:
            look("group")
    look(*_ASIDE)
    needs_values = not any(
        (found.score, found.scores, found.raters, found.images, found.choice, found.winner, found.rank, found.ranking)
    )
    if needs_values:
        found = _guess_values(table, found, taken)
    if found.user_id is None and found.raters is None and found.images is not None:
        found = replace(found, user_id=ROW)
    return found


def _guess_values(table: SourceTable, found: ColumnMapping, taken: set[str]) -> ColumnMapping:
    """Guess which columns hold scores or choices where none is named for them: numbers, in the first rows, on similar scales."""
    free = [
        name
        for name in table.header
        if name not in taken and _plain(name) not in _OTHERS and not _plain(name).startswith("unnamed")
    ]
    first = next(iter(table.blocks(free)), None) if free else None
    numbers = [name for name in free if first is not None and _is_numeric(first, name)]
    listed = ",".join(numbers)
    if not numbers or any("," in name for name in numbers):
        return found
    if found.left is not None and found.right is not None:
        return replace(found, choice=listed)
    if found.user_id is not None and found.image_id is not None:
        return replace(found, scores=listed)
    if found.image_id is not None and _numbered(numbers):
        return replace(found, raters=listed)
    if found.image_id is None and len(numbers) > 2 and not _numbered_questions(numbers):
        return replace(found, images=listed)
    return found


def _numbered(names: Sequence[str]) -> bool:
    """Tell whether names are of one kind, told apart by a number: rater1, rater2, ..."""
    stems = {re.sub(r"[\d_\W]+", "", name) for name in names}
    return len(stems) == 1 and all(re.search(r"\d", name) for name in names)


def _numbered_questions(names: Sequence[str]) -> bool:
    return _numbered(names) and re.sub(r"[\d_\W]+", "", names[0]).lower() in ("q", "item", "question", "vaiak")


def _is_numeric(block: TableBlock, name: str) -> bool:
    texts = [text for text in block.columns[name].to_pylist() if text is not None and text.strip()]
    return bool(texts) and sum(read_number(text)[0] is not None for text in texts) >= 0.9 * len(texts)


def _by_name(meaning: str, header: Sequence[str], taken: set[str]) -> str | None:
    plain = {_plain(name): name for name in reversed(header) if name not in taken}
    return next((plain[name] for name in SYNONYMS[meaning] if name in plain), None)


def _plain(name: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", name).lower() if each.isalnum())


def _several(table: SourceTable, text: str, meaning: str, taken: set[str]) -> tuple[str, ...]:
    """Return the columns that a text names: a,b or a pattern, or `rest`."""
    if text == REST and REST not in table.header:
        return tuple(name for name in table.header if name not in taken and _plain(name) not in _OTHERS)
    if text in table.header:
        return (text,)
    columns: list[str] = []
    if text.startswith("[") and text.endswith("]") and "," in text:
        text = text[1:-1]  # as lists of other settings are written
    for part in text.split(","):
        part = part.strip()
        same = [part] if part in table.header else [name for name in table.header if fnmatchcase(name, part) and name not in taken]
        close = _same_name(part, table.header)
        if not same and close is None:
            raise SpreadsheetError(
                f"{table.where} has no column {part!r} (columns.{meaning}); {_found(table.header)}{_hint(part, table.header)}"
            )
        columns += [name for name in (same or [str(close)]) if name not in columns]
    return tuple(columns)


def _checked(table: SourceTable, mapping: ColumnMapping, *, guessed: bool) -> TableLayout:
    """Return the layout of a whole mapping. Raises SpreadsheetError where it does not say who judged what and how."""
    given = mapping.given()
    taken = {given[name] for name in (*_SINGLE, "score", "rank") if name in given}

    def several(meaning: str) -> tuple[str, ...]:
        return _several(table, given[meaning], meaning, taken) if meaning in given else ()

    values: tuple[str, ...] = ()
    needs: tuple[str, ...]
    if "winner" in given or "loser" in given:
        form, named, needs = "comparisons", "", ("user_id", "winner", "loser")
    elif "left" in given or "right" in given:
        values = several("choice")
        form, named, needs = "comparisons", "attribute" if len(values) > 1 else "", ("user_id", "left", "right", "choice")
    elif "ranking" in given:
        form, values, named, needs = "rankings", several("ranking"), "", ("user_id", "ranking")
    elif "rank" in given:
        form, values, named, needs = "ranks", (given["rank"],), "", ("user_id", "image_id", "rank")
    elif "raters" in given:
        form, values, named, needs = "ratings", several("raters"), "user_id", ("image_id", "raters")
    elif "images" in given:
        form, values, named, needs = "ratings", several("images"), "image_id", ("user_id", "images")
    elif "scores" in given:
        form, values, named, needs = "ratings", several("scores"), "attribute", ("user_id", "image_id", "scores")
    else:
        form, values, named, needs = "ratings", (given.get("score", ""),), "", ("user_id", "image_id", "score")
    missing = [name for name in needs if name not in given]
    if missing:
        advice = " ".join(f"columns.{name}=..." for name in missing)
        if missing == ["user_id"] and form == "ratings" and named == "attribute":
            advice += " (@everyone where nobody is told apart)"
        elif missing == ["user_id"]:
            advice += " (@file where each file is a person)"
        raise SpreadsheetError(
            f"{table.where}: no column says {', '.join(_MEANINGS[name] for name in missing)}; give {advice} "
            f"(or columns.raters=... where each column is a person); {_found(table.header)}"
        )
    return TableLayout(form, values, named, mapping, guessed)


_MEANINGS = {
    "user_id": "who judged",
    "image_id": "which image was judged",
    "score": "the score",
    "scores": "the scores",
    "raters": "the raters' scores",
    "images": "the images' scores",
    "left": "the left image",
    "right": "the right image",
    "choice": "the choice",
    "winner": "the chosen image",
    "loser": "the other image",
    "rank": "the rank",
    "ranking": "the ranking",
}


def _short(text: str) -> str:
    """Return a list of columns with the middle of a long one left out."""
    names = text.split(",")
    return text if len(names) <= 10 else f"{','.join(names[:4])},...,{names[-1]} ({len(names)} columns)"


def _found(header: Sequence[str]) -> str:
    more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
    return f"found: {', '.join(header[:_MOST_NAMES]) or 'no names'}{more}"


def _hint(name: str, header: Sequence[str]) -> str:
    hint = nearest(name, list(header)) if header else ""
    return hint if "did you mean" in hint else ""
