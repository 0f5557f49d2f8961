"""The operations of the API, each written once: what it sends and how its answer is read. Client and AsyncClient send them.

The names are the operation ids of the OpenAPI document; a test holds parameters, bodies and answers to it.
"""

import base64
import functools
import inspect
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload
from urllib.parse import quote

from beholder.client.replies import (
    AnswerReply,
    DirectionsReply,
    EditScoresReply,
    ErasureReply,
    ImageReply,
    JoinReply,
    PersonReply,
    PictureFile,
    QuestionReply,
    RecommendationReply,
    RetractionReply,
    ScoresReply,
    Side,
    StudyReply,
    StudySessionReply,
    StudyStateReply,
    StudyStatusReply,
    TasteImportReply,
    TasteReply,
    TrialAnswerReply,
    WithdrawalReply,
    read_picture,
    reader,
)
from beholder.client.retry_policy import Call
from beholder.client.upload import Source, Upload

if TYPE_CHECKING:
    from beholder.client.http_client import AsyncClient, Client

P = ParamSpec("P")
T = TypeVar("T")
MediaType = Literal["image/webp", "image/png", "image/jpeg"]


class Operation(Generic[P, T]):
    """A method that is written once: on Client it returns T, on AsyncClient a coroutine of T.

    operation_id: its name in the OpenAPI document.
    """

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]], operation_id: str) -> None:
        self.build, self.operation_id = build, operation_id
        functools.update_wrapper(self, build)  # type: ignore[arg-type]  # it is called like the function that it wraps

    @overload
    def __get__(self, client: None, owner: Any) -> "Operation[P, T]": ...
    @overload
    def __get__(self, client: "Client", owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        if client is None:
            return self

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.send(self.build(client, *args, **kwargs))

        functools.update_wrapper(method, self.build)
        signature = inspect.signature(self.build)
        own = list(signature.parameters.values())[1:]
        method.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        return method


def operation(operation_id: str) -> Callable[[Callable[Concatenate[Any, P], Call[T]]], Operation[P, T]]:
    """Decorate a function that builds a Call."""
    return lambda build: Operation(build, operation_id)


class Operations:
    """Every operation, in the order of the OpenAPI document. What each raises is in client_errors.

    attribute: by what the person chooses, such as trustworthy; None: the usual one. allow, forbid, lock: names of directions or of
    groups of them; lock=None leaves identity, skin tone and age as they are.
    """

    @operation("add_image")
    def add_photo(self, user_id: str, photo: Source, *, aligned: bool = False) -> Call[ImageReply]:
        """Upload a person's photo: a path, bytes, a file opened for reading bytes, or a PIL image. It is sent as it is read.

        aligned: it is cut out around a face already. The same photo of the same person again is the same image.
        """
        form = {"user_id": user_id, "aligned": "true" if aligned else "false"}
        return Call("POST", "/v1/images", reader(ImageReply), form=form, upload=Upload(photo))

    @operation("add_image")
    def add_seed(self, seed: int) -> Call[ImageReply]:
        """Name an image of the generator by its seed, in 0..2**32 - 1."""
        return Call("POST", "/v1/images", reader(ImageReply), json={"seed": seed})

    @operation("picture")
    def picture(self, image_id: str, *, size: int | None = None, media_type: MediaType = "image/png") -> Call[PictureFile]:
        """Return an image as it is. size: the pixels of a side that are needed, None: all there are."""
        return _picture(f"/v1/images/{_quoted(image_id)}", size, media_type)

    @operation("edited_picture")
    def edited_picture(
        self, image_id: str, edit: Mapping[str, float] | str, *, size: int | None = None, media_type: MediaType = "image/png"
    ) -> Call[PictureFile]:
        """Return an image under an edit: direction -> alpha, or text such as "smile=1.4,glasses=2"."""
        text = edit if isinstance(edit, str) else ",".join(f"{name}={alpha:.10g}" for name, alpha in sorted(edit.items()) if alpha)
        path = f"/v1/images/{_quoted(image_id)}"
        return _picture(f"{path}/edits/{_quoted(text)}" if text else path, size, media_type)

    @operation("directions")
    def directions(self) -> Call[DirectionsReply]:
        """Return the directions that edits may name."""
        return Call("GET", "/v1/directions", reader(DirectionsReply))

    @operation("ask")
    def ask(
        self,
        user_id: str,
        image_id: str,
        *,
        strategy: str | None = None,
        attribute: str | None = None,
        allow: Sequence[str] = (),
        forbid: Sequence[str] = (),
        lock: Sequence[str] | None = None,
        repeats: bool = True,
    ) -> Call[QuestionReply]:
        """Return the two edits of an image to ask a person about now.

        strategy: how it is chosen: eubo, information, both, thompson, random; None: as the service is set. repeats: whether an
        earlier question may come again, its sides swapped.
        """
        body: dict[str, Any] = {"user_id": user_id, "image_id": image_id, "strategy": strategy, "attribute": attribute}
        body["repeats"] = None if repeats else False
        return _post("/v1/questions", QuestionReply, {**body, **_steering(allow, forbid, lock)})

    @operation("answer")
    def answer(
        self, question_id: str, choice: Side, *, response_seconds: float | None = None, event_id: str | None = None
    ) -> Call[AnswerReply]:
        """Answer a question. When it returns, the answer is on disk.

        event_id: one of your own where you may send the answer again after this program ended; None: a new one, which the retries
        of this call share, so that it is counted once.
        """
        body = {"event_id": event_id or uuid.uuid4().hex, "question_id": question_id, "choice": choice}
        return _post("/v1/choices", AnswerReply, {**body, "response_seconds": response_seconds})

    @operation("retract")
    def retract(self, question_id: str) -> Call[RetractionReply]:
        """Take an answer back."""
        return Call("DELETE", f"/v1/choices/{_quoted(question_id)}", reader(RetractionReply))

    @operation("recommend")
    def recommend(
        self,
        user_id: str,
        image_id: str,
        *,
        count: int | None = None,
        attribute: str | None = None,
        allow: Sequence[str] = (),
        forbid: Sequence[str] = (),
        lock: Sequence[str] | None = None,
        like: Mapping[str, float] | None = None,
        diversity: int | None = None,
        shared_with: Sequence[str] = (),
    ) -> Call[RecommendationReply]:
        """Return the edits of an image that a person will like most, best first.

        count: how many; like: an edit of which versions are wanted; diversity: directions that the edits span at least;
        shared_with: of looks, further photos that the edit is for, too: the best on average over all.
        """
        body: dict[str, Any] = {
            "user_id": user_id,
            "image_id": image_id,
            "count": count,
            "attribute": attribute,
            "diversity": diversity,
        }
        body |= {"like": dict(like) if like else None, "shared_with": list(shared_with) or None}
        return _post("/v1/recommendations", RecommendationReply, {**body, **_steering(allow, forbid, lock)})

    @operation("score")
    def score(
        self, user_id: str, image_id: str, edits: Sequence[Mapping[str, float]], *, attribute: str | None = None
    ) -> Call[EditScoresReply]:
        """Score 1 to 64 edits of an image for a person; nothing is drawn for it."""
        body = {"user_id": user_id, "image_id": image_id, "edits": [dict(edit) for edit in edits], "attribute": attribute}
        return _post("/v1/scores", EditScoresReply, body)

    @operation("predict")
    def predict(
        self,
        user_id: str,
        *,
        image_ids: Sequence[str] = (),
        images: Sequence[Source] = (),
        attribute: str | None = None,
        question: str | None = None,
    ) -> Call[ScoresReply]:
        """Score images for a person: ids of the service, or photos as `add_photo` takes them; beside typical images.

        One of attribute, which a taste of the service has, and question, in words such as "a friendly face". Raises ValueError
        where both or none of a pair are given.
        """
        if bool(image_ids) == bool(images):
            raise ValueError("give either image_ids, or images: paths, bytes, files or PIL images")
        if (attribute is None) == (question is None):
            raise ValueError('give either attribute, or question, in words such as "a friendly face"')
        body = {"user_id": user_id, "attribute": attribute, "question": question, "image_ids": list(image_ids) or None}
        body |= {"images": [_base64(each) for each in images] or None}
        return _post("/v1/predictions", ScoresReply, body)

    @operation("person")
    def person(self, user_id: str, *, attribute: str | None = None) -> Call[PersonReply]:
        """Return what is known of a person's taste; of somebody unknown, what everybody's choices say."""
        return Call("GET", _user(user_id), reader(PersonReply), params=_given({"attribute": attribute}))

    @operation("export_taste")
    def export_taste(self, user_id: str, *, attribute: str | None = None) -> Call[TasteReply]:
        """Return everything that a person chose by an attribute, to be kept or brought elsewhere."""
        return Call("GET", f"{_user(user_id)}/taste", reader(TasteReply), params=_given({"attribute": attribute}))

    @operation("import_taste")
    def import_taste(
        self, user_id: str, taste: TasteReply | Mapping[str, Any], *, attribute: str | None = None
    ) -> Call[TasteImportReply]:
        """Bring an exported taste back; what is there already is counted once."""
        body = taste.to_json() if isinstance(taste, TasteReply) else dict(taste)
        params, read = _given({"attribute": attribute}), reader(TasteImportReply)
        return Call("PUT", f"{_user(user_id)}/taste", read, params=params, json=body)

    @operation("erase")
    def erase(self, user_id: str) -> Call[ErasureReply]:
        """Remove everything of a person: choices, photos, their part in tastes."""
        return Call("DELETE", _user(user_id), reader(ErasureReply))

    @operation("studies")
    def studies(self) -> Call[list[StudyStatusReply]]:
        """Return how far all studies are. Needs a key with the scope admin, as the next two do."""
        return Call("GET", "/v1/studies", reader(list[StudyStatusReply]))

    @operation("study_status")
    def study_status(self, name: str) -> Call[StudyStatusReply]:
        """Return how far a study is, and how balanced."""
        return Call("GET", f"{_study(name)}/status", reader(StudyStatusReply))

    @operation("set_study_state")
    def set_study_state(self, name: str, state: Literal["open", "closed"]) -> Call[StudyStateReply]:
        """Open or close a study."""
        return _post(f"{_study(name)}/state", StudyStateReply, {"state": state})

    @operation("study")
    def study(self, name: str, *, lang: str | None = None) -> Call[StudyReply]:
        """Return what a study's page says, in a language."""
        return Call("GET", _study(name), reader(StudyReply), params=_given({"lang": lang}))

    @operation("join_study")
    def join_study(
        self, name: str, *, lang: str = "en", external_id: str | None = None, event_id: str | None = None
    ) -> Call[JoinReply]:
        """Take part in a study. external_id: a panel's id of the participant; event_id: random, of 16 characters at least."""
        body = {"event_id": event_id or uuid.uuid4().hex, "lang": lang, "external_id": external_id}
        return _post(f"{_study(name)}/participants", JoinReply, body)

    @operation("study_session")
    def study_session(self, name: str, token: str) -> Call[StudySessionReply]:
        """Return where a participant is, and what to show next."""
        read = reader(StudySessionReply)
        return Call("GET", f"{_study(name)}/session", read, headers=_participant(token))

    @operation("consent")
    def consent(self, name: str, token: str, *, lang: str = "en") -> Call[StudySessionReply]:
        """Agree to take part."""
        return _post(f"{_study(name)}/consent", StudySessionReply, {"lang": lang}, _participant(token))

    @operation("send_form")
    def send_form(
        self, name: str, token: str, part: Literal["before", "after"], answers: Mapping[str, str]
    ) -> Call[StudySessionReply]:
        """Send a questionnaire: the field's id -> what was filled in, a choice by the number of its option."""
        body = {"part": part, "answers": dict(answers)}
        return _post(f"{_study(name)}/forms", StudySessionReply, body, _participant(token))

    @operation("answer_trial")
    def answer_trial(
        self,
        name: str,
        token: str,
        trial_id: str,
        answers: Sequence[Mapping[str, Any]],
        *,
        ago_ms: int = 0,
        event_id: str | None = None,
    ) -> Call[TrialAnswerReply]:
        """Answer a trial: a mapping of attribute, value and response_ms for each of its questions."""
        body = {"event_id": event_id or uuid.uuid4().hex, "trial_id": trial_id, "ago_ms": ago_ms}
        body |= {"answers": [dict(each) for each in answers]}
        return _post(f"{_study(name)}/answers", TrialAnswerReply, body, _participant(token))

    @operation("withdraw")
    def withdraw(self, name: str, token: str) -> Call[WithdrawalReply]:
        """Withdraw from a study: everything of the participant is deleted."""
        return Call("DELETE", f"{_study(name)}/session", reader(WithdrawalReply), headers=_participant(token))

    @operation("study_picture")
    def study_picture(self, name: str, token: str, picture: str) -> Call[PictureFile]:
        """Return a picture of a study."""
        path = f"{_study(name)}/pictures/{_quoted(picture)}"
        return Call("GET", path, read_picture, headers={**_participant(token), "Accept": "image/webp"})

    @operation("health")
    def health(self) -> Call[dict[str, str]]:
        """Tell that the service lives."""
        return Call("GET", "/healthz", reader(dict[str, str]))

    @operation("readiness")
    def readiness(self) -> Call[dict[str, bool]]:
        """Return which parts answer. Raises ServiceBusy where one does not."""
        return Call("GET", "/readyz", reader(dict[str, bool]))


def _post(path: str, kind: Any, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Call[Any]:
    return Call("POST", path, reader(kind), json=_given(body), headers=headers or {})


def _picture(path: str, size: int | None, media_type: str) -> Call[PictureFile]:
    return Call("GET", path, read_picture, params=_given({"size": size}), headers={"Accept": media_type})


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given, so that the service's own defaults count."""
    return {name: value for name, value in values.items() if value is not None}


def _steering(allow: Sequence[str], forbid: Sequence[str], lock: Sequence[str] | None) -> dict[str, Any]:
    return {"allow": list(allow) or None, "forbid": list(forbid) or None, "lock": None if lock is None else list(lock)}


def _base64(image: Source) -> str:
    with Upload(image).opened() as (_, content, _type):
        return base64.b64encode(content if isinstance(content, bytes) else content.read()).decode()


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _user(user_id: str) -> str:
    return f"/v1/users/{_quoted(user_id)}"


def _study(name: str) -> str:
    return f"/v1/studies/{_quoted(name)}"


def _participant(token: str) -> dict[str, str]:
    return {"X-Participant": token}
