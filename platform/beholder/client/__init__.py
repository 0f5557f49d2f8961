"""The HTTP client: the API of `beholder serve` from Python, synchronous and asynchronous. It needs httpx and nothing else.

    from beholder.client import Client

    with Client("http://127.0.0.1:8000") as client:
        image = client.add_photo("ana", "me.jpg")
        question = client.ask("ana", image.image_id)
        client.answer(question.question_id, "left")
        print(client.recommend("ana", image.image_id).recommendations[0].words)

operations      every operation of the API, once for both clients
replies         what the API answers, as frozen dataclasses
client_errors   what may go wrong, and what to do about it
retry_policy    when a request is sent again, and how long to wait; knows no sockets
upload          a photo as a path, bytes, a file object or a PIL image, sent as it is read
http_client     Client and AsyncClient: requests over httpx

It is installed with the whole library by `pip install "beholder[client]"`, and alone as `beholder-client`, whose pyproject.toml
lies here. Nothing in this folder imports anything of ours from outside it.
"""

from beholder.client.client_errors import (
    AnswerConflict,
    ApiProblem,
    ClientError,
    InvalidRequest,
    KeyRefused,
    NotAllowed,
    NotFound,
    NotReached,
    RequestTooLarge,
    ServerFault,
    ServiceBusy,
    TooManyRequests,
    UnexpectedReply,
)
from beholder.client.http_client import AsyncClient, Client
from beholder.client.replies import PictureFile, QuestionReply, RecommendationReply
from beholder.client.retry_policy import RetryPolicy

__version__ = "0.2.0"
__all__ = [
    "AnswerConflict",
    "ApiProblem",
    "AsyncClient",
    "Client",
    "ClientError",
    "InvalidRequest",
    "KeyRefused",
    "NotAllowed",
    "NotFound",
    "NotReached",
    "PictureFile",
    "QuestionReply",
    "RecommendationReply",
    "RequestTooLarge",
    "RetryPolicy",
    "ServerFault",
    "ServiceBusy",
    "TooManyRequests",
    "UnexpectedReply",
]
