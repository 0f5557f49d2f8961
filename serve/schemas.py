"""Schemas: the bodies of the API's requests and responses."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from beholder.editing.directions.edit_text import write
from beholder.recommending.acquisition import Strategy as Strategy
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import AskedQuestion, ErasureReport, Person, Recommendation, RecordedAnswer, RetractedAnswer
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import DirectionList, ImageScores

UserId = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\]{1,200}$")]
ImageId = Annotated[str, StringConstraints(pattern=r"^(seed-(0|[1-9][0-9]{0,9})|photo-[0-9a-f]{24})$")]
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


class AskRequest(RequestBody):
    """Whom to ask about which image."""

    user_id: UserId
    image_id: ImageId
    strategy: Strategy | None = None


class AnswerRequest(RequestBody):
    """An answer."""

    event_id: Identifier = Field(description="the client's own, the same when it sends an answer again: it is counted once")
    question_id: Identifier
    choice: Literal["left", "right", "neither"]
    response_seconds: float | None = Field(None, ge=0, le=86400, description="from shown to chosen")


class RecommendRequest(RequestBody):
    """What to recommend."""

    user_id: UserId
    image_id: ImageId
    count: int = Field(4, ge=1, le=1000)


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
    attribute: str = Field("", min_length=1, max_length=200)
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


class DirectionResponse(BaseModel):
    name: str
    low: float
    high: float
    minus: str = Field(description="what an alpha below 0 does, in words")
    plus: str = Field(description="what an alpha above 0 does, in words")


class DirectionsResponse(BaseModel):
    generator: str
    directions: list[DirectionResponse]

    @classmethod
    def of(cls, direction_list: DirectionList) -> "DirectionsResponse":
        directions = [
            DirectionResponse(name=each.name, low=each.range[0], high=each.range[1], minus=each.labels[0], plus=each.labels[1])
            for each in direction_list.directions
        ]
        return cls(generator=direction_list.generator, directions=directions)


class QuestionSide(BaseModel):
    edit: Edit
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
        left, right = (QuestionSide(edit=dict(e), picture=picture(question.image_id, e)) for e in (question.left, question.right))
        return cls(
            question_id=question.question_id,
            user_id=question.user_id,
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
    directions: list[EditStep]
    score: float = Field(description="utility above the image as it is, in logits")
    uncertainty: float = Field(description="standard deviation of the score")
    probability: float = Field(ge=0, le=1, description="that the person prefers it to the image as it is")
    picture: str


class RecommendationResponse(BaseModel):
    user_id: str
    image_id: str
    rounds: int
    model: str = Field(description="the version of what everybody's choices say")
    recommendations: list[RecommendedEdit] = Field(description="best first; the edit {} leads where nothing is better")
    reasons: list[str]

    @classmethod
    def of(cls, recommendation: Recommendation) -> "RecommendationResponse":
        ranked = [
            RecommendedEdit(
                edit=dict(each.edit),
                directions=[EditStep(direction=name, alpha=alpha) for name, alpha in each.edit.items()],
                score=each.utility,
                uncertainty=each.uncertainty,
                probability=each.probability,
                picture=picture(recommendation.image_id, each.edit),
            )
            for each in recommendation.ranked
        ]
        return cls(
            user_id=recommendation.user_id,
            image_id=recommendation.image_id,
            rounds=recommendation.rounds,
            model=recommendation.model,
            recommendations=ranked,
            reasons=list(recommendation.reasons),
        )


class PreferenceResponse(BaseModel):
    direction: str
    alpha: float = Field(description="the best strength")
    gain: float = Field(description="utility above the image as it is, in logits")
    uncertainty: float


class PersonResponse(BaseModel):
    user_id: str
    rounds: int
    words: list[str]
    directions: list[PreferenceResponse]
    images: list[str] = Field(description="photos that nobody else brought")

    @classmethod
    def of(cls, person: Person) -> "PersonResponse":
        return cls(
            user_id=person.user_id,
            rounds=person.rounds,
            words=list(person.words),
            directions=[PreferenceResponse(**vars(each)) for each in person.preferences],
            images=list(person.images),
        )


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
