"""A study's YAML file as frozen dataclasses, each mistake told in one line that names the file and the setting."""

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from beholder import config
from beholder.config import setting
from beholder.errors import ConfigError, StudyError, nearest
from beholder.studies.page_words import PAGE_WORDS

NOT_SURE = "not_sure"
RATINGS, PAIRS = "ratings", "pairs"
STRATEGIES = ("random", "round_robin", "active")
TOGETHER, IN_BLOCKS = "together", "in_blocks"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,59}")
_MOST = 2000  # trials of one participant


class Text(dict[str, str]):
    """A text by language; under "" where it is the same in every language."""

    def said(self, lang: str) -> str:
        """Return the text in a language."""
        return self.get(lang, self.get("", ""))


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise StudyError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def _counts(block: "RatingBlock | PairBlock", name: str) -> None:
    counts = {each: getattr(block, each) for each in ("per_person", "repeats", "checks")}
    for each, count in counts.items():
        if not 0 <= count <= _MOST:
            raise StudyError(f"{each} must be between 0 and {_MOST:,}, got {count}")
    if not block.per_person and (block.repeats or block.checks):
        raise StudyError(f"repeats and checks need {name}.per_person above 0")


@dataclass(frozen=True)
class StudyQuestion:
    """What is asked about each image or pair; its answers are judgements on one attribute."""

    attribute: str = setting("attractive", "the attribute that the answers are judgements on")
    rating: Text = setting(Text({"": "How attractive is this?"}), "the question about one image")
    pair: Text = setting(Text({"": "Which one is more attractive?"}), "the question about two images")
    instructions: Text = setting(Text({"": ""}), "with ask: in_blocks, what is said before its block; empty lines part paragraphs")

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.attribute) or self.attribute == "check":
            raise StudyError(f"attribute must be a word of letters, digits, '_' and '-', got {self.attribute!r}")


@dataclass(frozen=True)
class TrialBlock:
    """A block of trials. kind: ratings or pairs; attribute: of the question that all of them ask, "" where each asks all."""

    kind: str
    attribute: str = ""

    @classmethod
    def of(cls, key: str) -> "TrialBlock":
        """Return the block that has a key."""
        kind, _, attribute = key.partition(":")
        return cls(kind, attribute)

    @property
    def key(self) -> str:
        """Its name in the store."""
        return f"{self.kind}:{self.attribute}" if self.attribute else self.kind


@dataclass(frozen=True)
class RatingBlock:
    """Images that are rated one by one."""

    per_person: int = setting(0, "images that each participant rates; 0: none")
    low: int = setting(1, "lowest point of the scale")
    high: int = setting(4, "highest point of the scale")
    show: str = setting("buttons", "buttons: one for each of up to 11 points; or slider: up to 101 points")
    low_label: Text = setting(Text({"": ""}), "words at the lowest point")
    high_label: Text = setting(Text({"": ""}), "words at the highest point")
    not_sure: bool = setting(False, "offer 'not sure', which is kept apart from the ratings")
    repeats: int = setting(0, "images that are shown a second time")
    checks: int = setting(0, "attention checks: a point of the scale is asked for by its number")

    def __post_init__(self) -> None:
        _one_of("show", self.show, ("buttons", "slider"))
        most = 101 if self.show == "slider" else 11
        if not 0 <= self.low < self.high or self.high - self.low >= most:
            finer = "; show: slider takes up to 101" if most == 11 and 0 <= self.low < self.high <= self.low + 100 else ""
            raise StudyError(f"a scale has 2 to {most} points from low to high, 0 or above, got {self.low} to {self.high}{finer}")
        _counts(self, RATINGS)


@dataclass(frozen=True)
class PairBlock:
    """Pairs of images of which one is chosen."""

    per_person: int = setting(0, "pairs that each participant sees; 0: none")
    choose: str = setting(
        "random", "how pairs are chosen: random, round_robin, or active (where all answers so far leave most open)"
    )
    taste: str = setting(
        "", "with choose: active, a taste of the workspace: pairs are chosen where it and all answers so far leave most open"
    )
    third: str = setting("none", "a third answer: none, tie (a judgement), or not_sure (kept apart)")
    show: str = setting("side_by_side", "side_by_side, or flip: both in one place, one at a time")
    repeats: int = setting(0, "pairs that are shown a second time, sides exchanged")
    checks: int = setting(0, "attention checks: a side is asked for")

    def __post_init__(self) -> None:
        _one_of("choose", self.choose, STRATEGIES)
        _one_of("third", self.third, ("none", "tie", NOT_SURE))
        _one_of("show", self.show, ("side_by_side", "flip"))
        if self.taste and self.choose != "active":
            raise StudyError(f"taste: {self.taste} goes with choose: active, got choose: {self.choose}")
        _counts(self, PAIRS)


@dataclass(frozen=True)
class FormField:
    """A question of a questionnaire."""

    id: str = setting("", "its name in the export")
    text: Text = setting(Text({"": ""}), "the question")
    kind: str = setting("text", "text, number, or choice")
    options: list[Text] = setting([], "what a choice is made from")
    low: float | None = setting(None, "lowest number")
    high: float | None = setting(None, "highest number")
    required: bool = setting(True, "whether it has to be answered")

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.id):
            raise StudyError(f"id must be a word of letters, digits, '_' and '-', got {self.id!r}")
        _one_of("kind", self.kind, ("text", "number", "choice"))
        if not any(self.text.values()):
            raise StudyError(f"field {self.id} needs a text")
        if (self.kind == "choice") != bool(self.options):
            raise StudyError(f"field {self.id}: options go with kind: choice, and only with it")


@dataclass(frozen=True)
class StudyCompletion:
    """What a participant gets at the end."""

    text: Text = setting(Text({"": ""}), "words of thanks; the page has its own where there are none")
    code: str = setting("", "a completion code to be copied")
    redirect: str = setting("", "an address to go back to, https://...; {code} and {external_id} in it are filled in")

    def __post_init__(self) -> None:
        if self.redirect and not re.match(r"https?://[^\s/]+", self.redirect):
            raise StudyError(f"redirect must begin with https://, got {self.redirect!r}")


@dataclass(frozen=True)
class StudyConfig:
    """A study."""

    name: str = setting("", "the study's name, in its address: small letters, digits, '-' and '_'")
    images: str = setting("", "folder, URI or list of the images; empty: all images of the workspace")
    title: Text = setting(Text({"": "A study about pictures"}), "what the page is headed by")
    languages: list[str] = setting(["en"], "the languages that a participant may choose from, the first by default")
    join: str = setting("anybody", "who may take part: anybody with the address, or invited (with a link of their own)")
    participants: int = setting(0, "participants at most; 0: any number")
    external_id: str = setting("", "the address's parameter that holds a panel's id of the participant, such as PROLIFIC_PID")
    consent: Text = setting(Text({"": ""}), "what participants consent to; empty lines part paragraphs")
    questions: list[StudyQuestion] = setting([StudyQuestion()], "what is asked about each image or pair")
    ask: str = setting(
        TOGETHER,
        "together: all questions about each image or pair; in_blocks: a block of trials for each question, with per_person images "
        "and pairs of its own, in an order that is balanced between participants",
    )
    ratings: RatingBlock = setting(RatingBlock(), "images rated one by one")
    pairs: PairBlock = setting(PairBlock(), "pairs of which one is chosen")
    order: list[str] = setting([RATINGS, PAIRS], "what comes first")
    gap: int = setting(8, "trials between an item and its repetition, at least")
    before: list[FormField] = setting([], "a questionnaire before the judgements")
    after: list[FormField] = setting([], "a questionnaire after them")
    completion: StudyCompletion = setting(StudyCompletion(), "what a participant gets at the end")
    release_minutes: float = setting(30.0, "minutes after which what somebody left unanswered may be shown to others instead")
    picture_px: int = setting(1024, "longer side of the pictures that participants get")
    words: dict[str, dict[str, str]] = setting({}, "the page's own words in further languages: language -> word -> text")

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StudyError(f"name must be 1 to 40 small letters, digits, '-' and '_', got {self.name!r}")
        _one_of("join", self.join, ("anybody", "invited"))
        if not self.languages or len(set(self.languages)) != len(self.languages):
            raise StudyError(f"languages must name at least one, each once, got {self.languages}")
        self._check_words()
        names = [question.attribute for question in self.questions]
        if not names or len(set(names)) != len(names):
            raise StudyError(f"questions must name at least one attribute, each once, got {names}")
        _one_of("ask", self.ask, (TOGETHER, IN_BLOCKS))
        if self.ask == TOGETHER and (said := [each.attribute for each in self.questions if any(each.instructions.values())]):
            raise StudyError(f"instructions are said before a question's block: give ask: in_blocks, or none for {said[0]}")
        if sorted(self.order) != sorted((RATINGS, PAIRS)):
            raise StudyError(f"order must be [ratings, pairs] or [pairs, ratings], got {self.order}")
        if not self.blocks:
            raise StudyError("give ratings.per_person or pairs.per_person: so far, participants would see nothing")
        for part in ("before", "after"):
            ids = [field.id for field in getattr(self, part)]
            if len(set(ids)) != len(ids):
                raise StudyError(f"{part} has two fields of one id: {ids}")
        for name, least in (("gap", 1), ("participants", 0), ("release_minutes", 0.1), ("picture_px", 64)):
            if getattr(self, name) < least:
                raise StudyError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in self.blocks:
            block = self.block(name)
            if block.repeats and block.per_person < self.gap + block.repeats:
                raise StudyError(
                    f"{name}: {block.repeats} repeats at a gap of {self.gap} need per_person of at least "
                    f"{self.gap + block.repeats}, got {block.per_person}"
                )

    @property
    def blocks(self) -> list[str]:
        """The blocks that have anything in them, in order."""
        return [name for name in self.order if self.block(name).per_person]

    def block(self, name: str) -> RatingBlock | PairBlock:
        """Return a block by its name."""
        return self.ratings if name == RATINGS else self.pairs

    @property
    def parts(self) -> list[str]:
        """The attributes that have blocks of their own; [""] where all questions are asked together."""
        return [question.attribute for question in self.questions] if self.ask == IN_BLOCKS else [""]

    def trial_blocks(self, parts: Sequence[str] | None = None) -> list[TrialBlock]:
        """Return the blocks of trials in their order. parts: the order of the attributes; None: the file's."""
        return [TrialBlock(kind, part) for part in (self.parts if parts is None else parts) for kind in self.blocks]

    def asked(self, part: str) -> list[StudyQuestion]:
        """Return the questions of each trial of a part."""
        return [question for question in self.questions if part in ("", question.attribute)]

    @property
    def total(self) -> int:
        """The number of trials of each participant."""
        blocks = [self.block(each.kind) for each in self.trial_blocks()]
        return sum(block.per_person + block.repeats + block.checks for block in blocks)

    def check_images(self, count: int) -> None:
        """Raise StudyError where so many images are too few for what each participant sees."""
        if self.ratings.per_person > count:
            raise StudyError(f"ratings.per_person is {self.ratings.per_person}, but there are {count} images")
        pairs = count * (count - 1) // 2
        if self.pairs.per_person > pairs:
            raise StudyError(f"pairs.per_person is {self.pairs.per_person}, but {count} images make {pairs} pairs")
        if self.pairs.per_person and self.pairs.choose == "round_robin" and count > 1000:
            raise StudyError(f"choose: round_robin takes up to 1,000 images, got {count:,}; use random or active")

    def page_words(self, lang: str) -> dict[str, str]:
        """Return the page's own words in a language."""
        return {**PAGE_WORDS["en"], **PAGE_WORDS.get(lang, {}), **self.words.get(lang, {})}

    def _check_words(self) -> None:
        for lang in self.languages:
            if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", lang):
                raise StudyError(f"languages are codes such as en, de or pt-BR, got {lang!r}")
            given = self.words.get(lang, {})
            for word in given:
                if word not in PAGE_WORDS["en"]:
                    raise StudyError(f"words.{lang}.{word} is not a word of the page{nearest(word, list(PAGE_WORDS['en']))}")
            missing = [word for word in PAGE_WORDS["en"] if word not in given]
            if lang not in PAGE_WORDS and missing:
                raise StudyError(
                    f"the page does not speak {lang!r} by itself ({', '.join(PAGE_WORDS)}): give words.{lang}.{missing[0]} "
                    f"and {len(missing) - 1} more, or another language"
                )
        for where, text in _texts(self, ""):
            if "" not in text and (missing := [lang for lang in self.languages if lang not in text]):
                raise StudyError(f"{where} has no text in {missing[0]!r}; it has: {', '.join(text)}")


def read_study(text: str, *, name: str) -> StudyConfig:
    """Return the study that a YAML text describes. name: of the file. Raises StudyError of one line for whatever is wrong in it."""
    try:
        values = config.read_yaml(text, name=name)
    except ConfigError as error:
        raise StudyError(f"{error} (a text with ? : # , or brackets in it needs quotes)") from None
    if not isinstance(values, dict):
        raise StudyError(f"{name}: expected settings such as `name: faces`, got {type(values).__name__}")
    try:
        study = _build(StudyConfig, values, "")
    except StudyError as error:
        raise StudyError(f"{name}: {error}") from None
    return typing.cast(StudyConfig, study)


def study_values(study: StudyConfig) -> dict[str, Any]:
    """Return a study as plain values, from which `study_of` makes it again."""
    return dataclasses.asdict(study)


def study_of(values: dict[str, Any]) -> StudyConfig:
    """Return the study of what `study_values` returned."""
    return typing.cast(StudyConfig, _build(StudyConfig, values, ""))


def _build(hint: Any, value: Any, where: str) -> Any:
    """Return a YAML value as the type says, strictly. where: the setting's name, "" for the whole."""
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return _build_dataclass(typing.cast(type, hint), value, where)
    if hint is Text:
        return _build_text(value, where)
    if origin in (typing.Union, types.UnionType):
        given = [each for each in get_args(hint) if each is not type(None)]
        return None if value is None else _build(given[0], value, where)
    if origin is list:
        if not isinstance(value, list):
            raise StudyError(f"{where} must be a list, got {_shown(value)}")
        return [_build(get_args(hint)[0], each, f"{where}[{at + 1}]") for at, each in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise StudyError(f"{where} must be a mapping, got {_shown(value)}")
        return {key: _build(get_args(hint)[1], each, f"{where}.{key}") for key, each in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        kind = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]
        raise StudyError(f"{where} must be {kind}, got {_shown(value)}")
    return value


def _build_dataclass(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise StudyError(f"{where} must be a mapping of settings, got {_shown(value)}")
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]
    for key in value:
        if key not in known:
            raise StudyError(f"{f'{where}.' if where else ''}{key} is not a setting of a study{nearest(str(key), known)}")
    fields = {key: _build(hints[key], each, f"{where}.{key}" if where else key) for key, each in value.items()}
    try:
        return cls(**fields)
    except StudyError as error:
        raise StudyError(f"{where}: {error}" if where else str(error)) from None


def _build_text(value: Any, where: str) -> Text:
    if isinstance(value, str):
        return Text({"": value.strip()})
    if isinstance(value, dict) and value and all(isinstance(each, str) for pair in value.items() for each in pair):
        return Text({key: each.strip() for key, each in value.items()})
    raise StudyError(f"{where} must be a text, or a text for each language such as {{en: ..., de: ...}}, got {_shown(value)}")


def _texts(value: Any, where: str) -> list[tuple[str, Text]]:
    """Return every text in a study, and where it is."""
    if isinstance(value, Text):
        return [(where, value)]
    if isinstance(value, list):
        return [found for at, each in enumerate(value) for found in _texts(each, f"{where}[{at + 1}]")]
    if dataclasses.is_dataclass(value):
        dot = f"{where}." if where else ""
        named = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return [found for name, each in named for found in _texts(each, dot + name)]
    return []


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:60]
