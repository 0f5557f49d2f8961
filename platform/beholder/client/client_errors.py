"""The client's exceptions. Each message says what was asked, what came, and what to do.

ClientError
├── NotReached            nobody answered: refused, unreachable, too slow
├── UnexpectedReply       an answer that the API does not describe: another server, or another version
└── ApiProblem            an error that the API describes (problem+json, RFC 9457)
    ├── InvalidRequest    400, 406, 415, 422: the request has to be changed
    ├── KeyRefused        401: no key, or one that is unknown, expired or revoked
    ├── NotAllowed        403: the key is not for this, or not for this person
    ├── NotFound          404: no such image, question, person's photo, study
    ├── AnswerConflict    409: it contradicts what is kept
    ├── RequestTooLarge   413: the body has more bytes than are taken
    ├── TooManyRequests   429: a rate limit or a quota
    ├── ServiceBusy       503, 504: full, starting, or too slow at the moment
    └── ServerFault       other 5xx: it is not the request's fault
"""

import json
from typing import Any

PROBLEM = "application/problem+json"
_LONGEST = 300  # characters of a body that is no problem+json


class ClientError(Exception):
    """Base class of the client's exceptions."""


class NotReached(ClientError):
    pass


class UnexpectedReply(ClientError):
    pass


class ApiProblem(ClientError):
    """An error that the API answered.

    status: of HTTP; type: the kind of problem, about:blank where the status says all; title, detail: in words; retry_after:
    seconds to stay away, None where the API named none.
    """

    remedy = "change the request"

    def __init__(
        self, asked: str, *, status: int, title: str, detail: str, type: str = "about:blank", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{asked}: {status} {title}: {detail.rstrip('.')}; {self.remedy}")
        self.asked, self.status, self.title, self.detail, self.type = asked, status, title, detail, type
        self.retry_after = retry_after

    @property
    def kind(self) -> str:
        """The last part of the type: no-face, image-too-large, ...; empty where the status says all."""
        return self.type.partition("#problem-")[2]


class InvalidRequest(ApiProblem):
    remedy = "correct what it names and send it again"


class KeyRefused(ApiProblem):
    remedy = "give key=... or set BEHOLDER_KEY; `beholder keys make=NAME` makes a key"


class NotAllowed(ApiProblem):
    remedy = "use a key with this scope that speaks for this person"


class NotFound(ApiProblem):
    remedy = "check the id, and that this key's people brought it"


class AnswerConflict(ApiProblem):
    remedy = "what is kept stays; retract it first to change it"


class RequestTooLarge(ApiProblem):
    remedy = "send a smaller file, or fewer of them"


class TooManyRequests(ApiProblem):
    remedy = "wait for retry_after seconds and send it again"


class ServiceBusy(ApiProblem):
    remedy = "send it again later; it was retried as long as the policy says"


class ServerFault(ApiProblem):
    remedy = "nothing is wrong with the request; the server's log says more"


_KINDS: dict[int, type[ApiProblem]] = {
    401: KeyRefused,
    403: NotAllowed,
    404: NotFound,
    409: AnswerConflict,
    413: RequestTooLarge,
    429: TooManyRequests,
    503: ServiceBusy,
    504: ServiceBusy,
}


def problem(asked: str, status: int, media_type: str, body: bytes, retry_after: float | None) -> ClientError:
    """Return the exception of a response that is no success. asked: the method and the path."""
    if status < 400:
        return UnexpectedReply(f"{asked}: {status}, where a success was expected; give the address that it leads to as url")
    told: dict[str, Any] = {}
    if media_type.partition(";")[0].strip() == PROBLEM:
        try:
            told = json.loads(body)
        except ValueError:
            told = {}
    kind = _KINDS.get(status, InvalidRequest if status < 500 else ServerFault)
    words = body.decode("utf-8", "replace").strip()[:_LONGEST] or "no more was said"
    return kind(
        asked,
        status=status,
        title=str(told.get("title", "")) or "error",
        detail=str(told.get("detail", words)),
        type=str(told.get("type", "about:blank")),
        retry_after=retry_after,
    )
