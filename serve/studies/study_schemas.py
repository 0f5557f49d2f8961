"""Schemas of studies: the bodies of the requests and responses of participants and researchers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from beholder.serve.schemas import Identifier, RequestBody
from beholder.studies.design import CHECK
from beholder.studies.stored_study import StoredStudy
from beholder.studies.study_config import RATINGS, FormField, StudyConfig
from beholder.studies.study_records import CHECK_ATTRIBUTE, StudySession, StudyStatus, StudyTrial

StudyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Lang = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{2,20}$")]
PictureName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


class JoinRequest(RequestBody):
    """Somebody who wants to take part."""

    event_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{16,200}$")] = Field(
        description="the browser's own random text, which nobody else can guess; the same when it asks again: it joins once"
    )
    lang: Lang = "en"
    external_id: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")] = Field("", description="a panel's id")


class JoinResponse(BaseModel):
    """The participant's token, which is all that is needed to go on elsewhere."""

    token: str


class ConsentRequest(RequestBody):
    """That a participant agrees, and in which language the study is to be."""

    lang: Lang


class FormRequest(RequestBody):
    """A questionnaire as it was filled in; a choice by the number of its option."""

    part: Literal["before", "after"]
    answers: dict[
        Annotated[str, StringConstraints(max_length=60)], Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
    ]


class TrialAnswerBody(RequestBody):
    """The answer to one question."""

    attribute: Annotated[str, StringConstraints(max_length=60)]
    value: Annotated[str, StringConstraints(max_length=20)] = Field(
        description="a point of the scale, left, right, tie or not_sure"
    )
    response_ms: int = Field(ge=0, le=86_400_000, description="from shown, or from the answer before, to answered")


class TrialRequest(RequestBody):
    """The answers to a trial."""

    event_id: Identifier = Field(description="the browser's own, the same when it sends an answer again: it is counted once")
    trial_id: Identifier
    answers: list[TrialAnswerBody] = Field(min_length=1, max_length=50)
    ago_ms: int = Field(0, ge=0, le=604_800_000, description="how long ago it was given, where it had to wait for the server")


class StudyStateRequest(RequestBody):
    """Whether people may take part."""

    state: Literal["open", "closed"]


class StudyStateResponse(BaseModel):
    """A study's state, and whether it was otherwise before."""

    state: str
    changed: bool


class AskedAttribute(BaseModel):
    """A question of a trial."""

    attribute: str
    text: str


class PartBody(BaseModel):
    """A block of trials that all ask one question, as it is introduced."""

    name: str = Field(description="the attribute that is judged in it")
    title: str
    instructions: str


class TrialBody(BaseModel):
    """What is to be shown. pictures: the left one first. part: to be introduced before the first trial that is in it."""

    trial_id: str
    block: Literal["ratings", "pairs"]
    place: int
    pictures: list[str]
    questions: list[AskedAttribute]
    sure: bool = Field(description="whether only the scale or the sides may be answered, as in an attention check")
    part: PartBody | None = None

    @classmethod
    def of(cls, trial: StudyTrial, config: StudyConfig) -> "TrialBody":
        words = config.page_words(trial.lang)
        if trial.role == CHECK and trial.block == RATINGS:
            asked = [AskedAttribute(attribute=CHECK_ATTRIBUTE, text=words["check_rating"].replace("{value}", str(trial.expected)))]
        elif trial.role == CHECK:
            side = {"left": "A", "right": "B"}[str(trial.expected)]
            asked = [AskedAttribute(attribute=CHECK_ATTRIBUTE, text=words["check_pair"].replace("{side}", side))]
        else:
            texts = [(each.attribute, each.rating if trial.block == RATINGS else each.pair) for each in config.asked(trial.part)]
            asked = [AskedAttribute(attribute=name, text=text.said(trial.lang)) for name, text in texts]
        pictures = [trial.left_picture, *([trial.right_picture] if trial.right_picture else [])]
        block: Literal["ratings", "pairs"] = "ratings" if trial.block == RATINGS else "pairs"
        part = None
        if trial.part:
            (question,) = config.asked(trial.part)
            title = question.rating if trial.block == RATINGS else question.pair
            part = PartBody(name=trial.part, title=title.said(trial.lang), instructions=question.instructions.said(trial.lang))
        return cls(
            trial_id=trial.trial_id,
            block=block,
            place=trial.place,
            pictures=pictures,
            questions=asked,
            sure=trial.role == CHECK,
            part=part,
        )


class SessionResponse(BaseModel):
    """Where a participant is. trials: the one to show, and the next one. code, redirect: at the end."""

    step: Literal["consent", "before", "trials", "after", "done"]
    lang: str
    done: int
    total: int
    trials: list[TrialBody]
    code: str
    redirect: str

    @classmethod
    def of(cls, session: StudySession, config: StudyConfig) -> "SessionResponse":
        trials = [TrialBody.of(trial, config) for trial in session.trials]
        values = {name: getattr(session, name) for name in ("step", "lang", "done", "total", "code", "redirect")}
        return cls(**values, trials=trials)


class RecordedResponse(BaseModel):
    """Whether an answer is new, and where the participant is now."""

    counted: bool
    session: SessionResponse


class WithdrawnResponse(BaseModel):
    """How many answers are gone."""

    answers: int


class FieldBody(BaseModel):
    """A field of a questionnaire."""

    id: str
    text: str
    kind: Literal["text", "number", "choice"]
    options: list[str]
    low: float | None
    high: float | None
    required: bool

    @classmethod
    def of(cls, field: FormField, lang: str) -> "FieldBody":
        options = [option.said(lang) for option in field.options]
        values = {name: getattr(field, name) for name in ("id", "kind", "low", "high", "required")}
        return cls(**values, text=field.text.said(lang), options=options)


class StudyResponse(BaseModel):
    """A study in one language, as the participant's page needs it."""

    name: str
    state: Literal["new", "open", "closed"]
    join: Literal["anybody", "invited"]
    lang: str
    languages: dict[str, str]
    title: str
    consent: str
    external_id: str
    low: int
    high: int
    low_label: str
    high_label: str
    ratings_not_sure: bool
    ratings_show: Literal["buttons", "slider"] = "buttons"
    third: Literal["none", "tie", "not_sure"]
    show: Literal["side_by_side", "flip"]
    before: list[FieldBody]
    after: list[FieldBody]
    thanks: str
    words: dict[str, str]

    @classmethod
    def of(cls, study: StoredStudy, state: str, lang: str | None) -> "StudyResponse":
        config = study.config
        lang = lang if lang in config.languages else config.languages[0]
        words = config.page_words(lang)
        return cls.model_validate(
            {
                "name": config.name,
                "state": state,
                "join": config.join,
                "lang": lang,
                "languages": {each: _LANGUAGES.get(each, each) for each in config.languages},
                "title": config.title.said(lang),
                "consent": config.consent.said(lang),
                "external_id": config.external_id,
                "low": config.ratings.low,
                "high": config.ratings.high,
                "low_label": config.ratings.low_label.said(lang),
                "high_label": config.ratings.high_label.said(lang),
                "ratings_not_sure": config.ratings.not_sure,
                "ratings_show": config.ratings.show,
                "third": config.pairs.third,
                "show": config.pairs.show,
                "before": [FieldBody.of(field, lang) for field in config.before],
                "after": [FieldBody.of(field, lang) for field in config.after],
                "thanks": config.completion.text.said(lang) or words["thanks"],
                "words": words,
            }
        )


class BalanceBody(BaseModel):
    """How often the images and the pairs of a block were shown."""

    block: str
    images: int
    least: int
    most: int
    pairs: int
    pairs_least: int
    pairs_most: int
    left_share: float


class StudyStatusResponse(BaseModel):
    """How far a study is."""

    name: str
    state: str
    invited: int
    joined: int
    finished: int
    active: int
    answers: int
    repeats: int
    checks: int
    checks_passed: int
    not_sure: int
    median_ms: float
    balance: list[BalanceBody]

    @classmethod
    def of(cls, status: StudyStatus) -> "StudyStatusResponse":
        values = {name: value for name, value in vars(status).items() if name != "balance"}
        return cls(**values, balance=[BalanceBody(**vars(each)) for each in status.balance])


_LANGUAGES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "it": "Italiano", "nl": "Nederlands", "pt": "Português",
    "pl": "Polski", "zh": "中文", "ja": "日本語", "ar": "العربية",
}  # fmt: skip
