"""Schemas: the bodies of the API's requests and responses."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from beholder import identifiers
from beholder.editing.directions.edit_text import write
from beholder.editing.directions.vocabulary import GROUPS, LOCKED
from beholder.recommending.acquisition import Strategy as Strategy
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import (
    AskedQuestion,
    EditScores,
    ErasureReport,
    Person,
    Recommendation,
    RecordedAnswer,
    RetractedAnswer,
)
from beholder.recommending.steering import JUDGED, Steering
from beholder.recommending.store.question import Answer, Choice, Question, taste_of
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import DirectionList, ImageScores


def _named(text: str) -> str:
    """Return a name in form NFC. Raises ValueError for what is none."""
    if (reason := identifiers.fault(name := identifiers.normalized(text))) is not None:
        raise ValueError(f"expected visible characters without spaces around them, got {reason}")
    return name


# A name that may have been stored before there was a rule for names, to be read or erased.
StoredUserId = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\]{1,200}$"), AfterValidator(identifiers.normalized)]
UserId = Annotated[StoredUserId, AfterValidator(_named)]
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(_named)]
ImageId = Annotated[str, StringConstraints(pattern=r"^(seed-(0|[1-9][0-9]{0,9})|photo-[0-9a-f]{24})$")]
Attribute = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\]{1,60}$"), AfterValidator(_named)]
DirectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Edit = dict[str, float]


class RequestBody(BaseModel):
    """A request's body: no unknown field, no number that is not finite, no conversion from another type."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class ImageUpload(RequestBody):
    """A photo, or a seed of the generator."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["seed"]}, {"required": ["image", "user_id"]}]})

    user_id: UserId = Field("", description="who brings the photo; not needed for a seed")
    image: str = Field("", description="the photo's file in base64", json_schema_extra={"contentEncoding": "base64"})
    aligned: bool = Field(False, description="the photo is cut out around a face already")
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def one_of_both(self) -> "ImageUpload":
        given = self.model_fields_set
        if ("image" in given) == ("seed" in given):
            raise ValueError("give either image, a photo in base64, or seed, a number")
        if "image" in given and not self.user_id:
            raise ValueError("a photo needs the user_id of who brings it")
        return self


class AnswerRequest(RequestBody):
    """An answer."""

    event_id: Identifier = Field(description="the client's own, the same when it sends an answer again: it is counted once")
    question_id: Identifier
    choice: Literal["left", "right", "neither"]
    response_seconds: float | None = Field(None, ge=0, le=86400, description="from shown to chosen")


ATTRIBUTE = "by what the person chooses: the usual one where it is left out, trustworthy, professional, or any other words"


class SteeringFields(RequestBody):
    """What may change, as names of directions or of groups of them (GET /v1/directions)."""

    allow: list[DirectionName] = Field([], max_length=200, description="nothing else may change; empty: everything")
    forbid: list[DirectionName] = Field([], max_length=200, description="what must not change")
    lock: list[DirectionName] | None = Field(
        None, max_length=200, description=f"what stays as it is; null: {', '.join(LOCKED)}, but for what allow names"
    )

    def steering(self) -> Steering:
        """Return it as the service takes it."""
        return Steering(tuple(self.allow), tuple(self.forbid), None if self.lock is None else tuple(self.lock))


class AskRequest(SteeringFields):
    """Whom to ask about which image, and what the sides may change."""

    user_id: UserId
    image_id: ImageId
    strategy: Strategy | None = None
    attribute: Attribute | None = Field(None, description=ATTRIBUTE)
    repeats: bool = Field(True, description="whether an earlier question may come again, its sides swapped")


class RecommendRequest(SteeringFields):
    """What to recommend."""

    user_id: UserId
    image_id: ImageId
    count: int = Field(4, ge=1, le=1000)
    attribute: Attribute | None = Field(None, description=ATTRIBUTE)
    like: Edit = Field({}, max_length=50, description="an edit of which versions are wanted: like this, but ...")
    diversity: int = Field(3, ge=1, le=50, description="directions that the edits span at least, where there are so many")
    shared_with: list[ImageId] = Field(
        [],
        max_length=29,
        description="of looks: further photos that the edit is for, too; edits are then best on average over all "
        f"({JUDGED} of them at most, spread evenly), and score, uncertainty and probability are means",
        examples=[["photo-0123456789abcdef01234567"]],
    )

    def steering(self) -> Steering:
        shared = tuple(self.shared_with)
        return replace(super().steering(), like=dict(self.like), diversity=self.diversity, shared_with=shared)


class ScoresRequest(RequestBody):
    """Any edits of an image, to be scored for a person."""

    user_id: UserId
    image_id: ImageId
    edits: list[Edit] = Field(min_length=1, max_length=64)
    attribute: Attribute | None = Field(None, description=ATTRIBUTE)


class PredictRequest(RequestBody):
    """Images to be scored for a person, on an attribute or a question in words."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [{"required": ["image_ids"]}, {"required": ["images"]}]},
                {"oneOf": [{"required": ["attribute"]}, {"required": ["question"]}]},
            ]
        }
    )

    user_id: UserId
    image_ids: list[ImageId] = Field([], min_length=1)
    images: list[str] = Field([], min_length=1, description="files in base64")
    attribute: Name = Field("", min_length=1)
    question: str = Field("", min_length=1, max_length=200)

    @model_validator(mode="after")
    def one_of_each(self) -> "PredictRequest":
        given = self.model_fields_set
        if ("image_ids" in given) == ("images" in given):
            raise ValueError("give either image_ids or images, files in base64")
        if ("attribute" in given) == ("question" in given):
            raise ValueError('give either attribute, or question, in words such as "a friendly face"')
        return self


class ImageResponse(BaseModel):
    image_id: str
    source: Literal["seed", "photo"]
    resolution: int
    picture: str = Field(description="the address of the picture as it is")
    loss: float | None = Field(description="how far the inversion of a photo is off; null for a seed")

    @classmethod
    def of(cls, image: LibraryImage) -> "ImageResponse":
        source: Literal["seed", "photo"] = "seed" if image.source == "seed" else "photo"
        address = picture(image.image_id, {})
        return cls(image_id=image.image_id, source=source, resolution=image.resolution, picture=address, loss=image.loss)


SOURCES: dict[str, Literal["seed", "photo"] | None] = {"seed": "seed", "photo": "photo", "": None}


class DirectionResponse(BaseModel):
    name: str
    low: float
    high: float
    title: str = Field(description="what people call it")
    minus: str = Field(description="what an alpha below 0 does, in words")
    plus: str = Field(description="what an alpha above 0 does, in words")
    group: str = Field(description="what it belongs to: hair, accessories, ...")
    locked: bool = Field(description="whether it stays as it is unless somebody asks for it")
    source: Literal["seed", "photo"] | None = Field(
        default=None, description="the source of the images that it moves, where one service has several editors; null: all images"
    )


class GroupResponse(BaseModel):
    name: str
    title: str = Field(description="what people call it")
    locked: bool = Field(description="whether it stays as it is unless somebody asks for it")


class DirectionsResponse(BaseModel):
    generator: str
    directions: list[DirectionResponse]
    groups: list[GroupResponse]

    @classmethod
    def of(cls, direction_list: DirectionList) -> "DirectionsResponse":
        directions = [
            DirectionResponse(
                name=each.name,
                low=each.range[0],
                high=each.range[1],
                title=each.title,
                minus=each.ends[0],
                plus=each.ends[1],
                group=each.group,
                locked=each.locked,
                source=SOURCES[each.source],
            )
            for each in direction_list.directions
        ]
        there = {each.group for each in direction_list.directions}
        groups = [GroupResponse(name=name, title=title, locked=name in LOCKED) for name, title in GROUPS.items() if name in there]
        return cls(generator=direction_list.generator, directions=directions, groups=groups)


class QuestionSide(BaseModel):
    edit: Edit
    words: str
    picture: str


class QuestionResponse(BaseModel):
    question_id: str
    user_id: str
    image_id: str
    strategy: str
    left: QuestionSide
    right: QuestionSide
    rounds: int = Field(description="choices that this person has made")
    recommended_after: int = Field(description="rounds after which a recommendation is worth looking at")

    @classmethod
    def of(cls, asked: AskedQuestion) -> "QuestionResponse":
        question = asked.question
        left, right = (
            QuestionSide(edit=dict(edit), words=words, picture=picture(question.image_id, edit))
            for edit, words in zip((question.left, question.right), asked.words, strict=True)
        )
        return cls(
            question_id=question.question_id,
            user_id=taste_of(question.user_id)[0],
            image_id=question.image_id,
            strategy=question.strategy,
            left=left,
            right=right,
            rounds=asked.rounds,
            recommended_after=asked.recommended_after,
        )


class AnswerResponse(BaseModel):
    question_id: str
    choice: Literal["left", "right", "neither"]
    counted: bool = Field(description="false where this answer was there already")
    rounds: int
    learned: list[str] = Field(description="what the person is now thought to like, the surest first")

    @classmethod
    def of(cls, noted: RecordedAnswer) -> "AnswerResponse":
        return cls.model_validate({**vars(noted), "learned": list(noted.learned)})


class RetractionResponse(BaseModel):
    question_id: str
    rounds: int
    undone: bool = Field(description="false where there was no answer to take back")

    @classmethod
    def of(cls, undone: RetractedAnswer) -> "RetractionResponse":
        return cls(**vars(undone))


class EditStep(BaseModel):
    direction: str
    alpha: float


class RecommendedEdit(BaseModel):
    edit: Edit
    words: str = Field(description="what it does, for people")
    change: str = Field(description="what it does to the edit that is varied; empty where none is")
    directions: list[EditStep]
    score: float = Field(description="utility above the image as it is, in logits")
    uncertainty: float = Field(description="standard deviation of the score")
    probability: float = Field(ge=0, le=1, description="that the person prefers it to the image as it is")
    confidence: Literal["a guess", "likely", "sure"] = Field(description="the probability in words")
    picture: str


class RecommendationResponse(BaseModel):
    user_id: str
    image_id: str
    attribute: str
    rounds: int
    model: str = Field(description="the version of what everybody's choices say")
    known: bool = Field(description="false where nothing is known of what the person likes, and nothing is recommended")
    recommendations: list[RecommendedEdit] = Field(description="best first; the edit {} leads where nothing is better")
    reasons: list[str]

    @classmethod
    def of(cls, recommendation: Recommendation) -> "RecommendationResponse":
        ranked = [
            RecommendedEdit(
                edit=dict(each.edit),
                words=words,
                change=change,
                directions=[EditStep(direction=name, alpha=alpha) for name, alpha in each.edit.items()],
                score=each.utility,
                uncertainty=each.uncertainty,
                probability=each.probability,
                confidence=each.confidence,
                picture=picture(recommendation.image_id, each.edit),
            )
            for each, words, change in zip(recommendation.ranked, recommendation.words, recommendation.changes, strict=True)
        ]
        return cls(
            user_id=recommendation.user_id,
            image_id=recommendation.image_id,
            attribute=recommendation.attribute,
            rounds=recommendation.rounds,
            model=recommendation.model,
            known=recommendation.known,
            recommendations=ranked,
            reasons=list(recommendation.reasons),
        )


class EditScoreResponse(BaseModel):
    edit: Edit
    words: str = Field(description="what it does, for people")
    score: float = Field(description="utility above the image as it is, in logits")
    uncertainty: float = Field(description="standard deviation of the score")
    probability: float = Field(ge=0, le=1, description="that the person prefers it to the image as it is")
    confidence: Literal["a guess", "likely", "sure"] = Field(description="the probability in words")
    picture: str


class EditScoresResponse(BaseModel):
    user_id: str
    image_id: str
    attribute: str
    rounds: int
    model: str = Field(description="the version of what everybody's choices say")
    scores: list[EditScoreResponse] = Field(description="in the order of the edits")

    @classmethod
    def of(cls, scores: EditScores) -> "EditScoresResponse":
        rows = [
            EditScoreResponse(
                edit=dict(each.edit),
                words=words,
                score=each.utility,
                uncertainty=each.uncertainty,
                probability=each.probability,
                confidence=each.confidence,
                picture=picture(scores.image_id, each.edit),
            )
            for each, words in zip(scores.scored, scores.words, strict=True)
        ]
        return cls(
            user_id=scores.user_id,
            image_id=scores.image_id,
            attribute=scores.attribute,
            rounds=scores.rounds,
            model=scores.model,
            scores=rows,
        )


class PreferenceResponse(BaseModel):
    direction: str
    alpha: float = Field(description="the best strength")
    gain: float = Field(description="utility above the image as it is, in logits")
    uncertainty: float


class RepeatedResponse(BaseModel):
    asked: int = Field(description="questions that came again and were decided both times")
    same: int = Field(description="of these, how many were decided as before")


class PersonTasteResponse(BaseModel):
    attribute: str
    rounds: int


class PersonResponse(BaseModel):
    user_id: str
    attribute: str
    rounds: int
    words: list[str]
    repeated: RepeatedResponse
    tastes: list[PersonTasteResponse] = Field(description="one for each attribute that the person was asked about")
    directions: list[PreferenceResponse]
    images: list[str] = Field(description="photos that nobody else brought")

    @classmethod
    def of(cls, person: Person) -> "PersonResponse":
        return cls(
            user_id=person.user_id,
            attribute=person.attribute,
            rounds=person.rounds,
            words=list(person.words),
            repeated=RepeatedResponse(**vars(person.repeated)),
            tastes=[PersonTasteResponse(**vars(each)) for each in person.tastes],
            directions=[PreferenceResponse(**vars(each)) for each in person.preferences],
            images=list(person.images),
        )


class ExportedChoice(BaseModel):
    """One question and its answer."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    question_id: Identifier
    image_id: ImageId
    left: Edit = Field(max_length=50)
    right: Edit = Field(max_length=50)
    choice: Literal["left", "right", "neither"]
    strategy: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    asked_at: AwareDatetime
    answered_at: AwareDatetime
    response_seconds: float | None = Field(None, ge=0, le=86400)

    @classmethod
    def of(cls, choice: Choice) -> "ExportedChoice":
        question, answer = choice.question, choice.answer
        return cls(
            question_id=question.question_id,
            image_id=question.image_id,
            left=dict(question.left),
            right=dict(question.right),
            choice=answer.choice,  # type: ignore[arg-type]  # the store keeps no other
            strategy=question.strategy,
            asked_at=question.asked_at,
            answered_at=answer.answered_at,
            response_seconds=answer.response_seconds,
        )

    def question_and_answer(self, user_id: str) -> tuple[Question, Answer]:
        """Return it as the store keeps it."""
        asked = Question(self.question_id, user_id, self.image_id, self.left, self.right, self.strategy, self.asked_at)
        return asked, Answer(self.question_id, self.question_id, self.choice, self.answered_at, self.response_seconds)


class ExportedTaste(BaseModel):
    """A taste: all choices that it was learned from. It means the same to every service with these directions."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["beholder-taste"] = "beholder-taste"
    version: Literal[1] = 1
    attribute: Attribute | Literal[""]
    choices: list[ExportedChoice] = Field(max_length=10_000)


class ImportedTaste(BaseModel):
    added: int = Field(description="choices that were not there before")
    rounds: int


class ErasureResponse(BaseModel):
    """What was removed of a person."""

    user_id: str
    questions: int
    answers: int
    images: int
    tastes: list[str] = Field(description="tastes that this person's part was taken out of")
    places: list[str] = Field(description="what was where")

    @classmethod
    def of(cls, receipt: ErasureReport) -> "ErasureResponse":
        return cls.model_validate({**vars(receipt), "tastes": list(receipt.tastes), "places": list(receipt.places)})


class ScoreResponse(BaseModel):
    image_id: str | None = None
    index: int | None = None
    score: float = Field(description="utility above that of typical images, in logits")
    uncertainty: float | None = Field(description="standard deviation of the score; null where nobody knows it")
    probability: float = Field(ge=0, le=1, description="that the person would choose it before a typical image")


class ScoresResponse(BaseModel):
    predictions: list[ScoreResponse]
    taste: str

    @classmethod
    def of(cls, scores: ImageScores, image_ids: list[str]) -> "ScoresResponse":
        rows = [
            ScoreResponse(
                image_id=image_ids[row] if image_ids else None,
                index=None if image_ids else row,
                score=each.utility,
                uncertainty=each.uncertainty,
                probability=each.probability,
            )
            for row, each in enumerate(scores.scores)
        ]
        return cls(predictions=rows, taste=scores.taste)


def picture(image_id: str, edit: Mapping[str, float]) -> str:
    """Return the address of an image under an edit."""
    moved = {name: alpha for name, alpha in edit.items() if alpha}
    return f"/v1/images/{image_id}" + (f"/edits/{quote(write(moved), safe='')}" if moved else "")


def decode_image(text: str) -> bytes:
    """Return the bytes of an image in base64. Raises ProblemError (422) for another text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(422, "an image is expected as base64, without a data: prefix") from None
