"""What becomes of an answer from elsewhere: its value, its error as it was raised there, or the news that a replica died."""

import asyncio
import inspect
import pickle
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, RayServeException

from beholder.errors import BeholderError, UnknownImage
from beholder.serve.deployments import EditorDeployment, EncoderDeployment, RankerDeployment
from beholder.serve.protocols import Overloaded
from beholder.serve.ray_service import RaisedError, ReplicaLost, errors_as_values, result_of


class Response:
    """A response that is a value, an error, or never there."""

    def __init__(self, found):
        self.found, self.cancelled = found, False

    def __await__(self):
        async def get():
            if self.found is None:
                await asyncio.sleep(60)
            if isinstance(self.found, Exception):
                raise self.found
            return self.found

        return get().__await__()

    def cancel(self):
        self.cancelled = True


def told(error):
    """An error as it arrives from one part, and from a part behind it."""
    once = RayTaskError("draw", "Traceback: /secret/path", error).as_instanceof_cause()
    return [once, RayTaskError("images", "Traceback: /secret/path", once).as_instanceof_cause()]


def died_behind():
    """As Serve tells that what a request depends on was lost."""
    error = RayServeException("Request to deployment 'Encoder' failed because an upstream actor died")
    error.__cause__ = ActorDiedError()
    return error


def said(found):
    response: Any = Response(found)
    return asyncio.run(result_of(lambda: response))


def test_a_value_is_a_value():
    assert said(7) == 7


@pytest.mark.parametrize("error", told(UnknownImage("'x' is no image")))
def test_a_mistake_comes_as_it_was_made(error):
    with pytest.raises(UnknownImage) as found:
        said(error)
    assert str(found.value) == "'x' is no image"
    assert not isinstance(found.value, RayTaskError)


@pytest.mark.parametrize(
    "error",
    [
        BackPressureError(3, 2),
        Overloaded("photos"),
        TaskCancelledError(),
        *told(BackPressureError(3, 2)),
        *told(Overloaded("photos")),
    ],
)
def test_a_full_queue_is_busy(error):
    with pytest.raises(Overloaded):
        said(error)


@pytest.mark.parametrize(
    "error", [ActorDiedError(), died_behind(), ReplicaLost("x"), *told(ActorDiedError()), *told(ReplicaLost("x"))]
)
def test_a_replica_that_died_is_lost_wherever_it_stood(error):
    with pytest.raises(ReplicaLost):
        said(error)


@pytest.mark.parametrize("error", told(RuntimeError("broken")))
def test_what_nobody_expected_is_no_mistake_of_the_request(error):
    with pytest.raises(Exception, match=r"broken|Traceback") as found:
        said(error)
    assert not isinstance(found.value, BeholderError | Overloaded | ReplicaLost)


def test_who_gives_up_says_so():
    async def give_up():
        response: Any = Response(None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await result_of(lambda: response)
        return response

    assert asyncio.run(give_up()).cancelled


@errors_as_values
class Deployment:
    """A deployment that raises what it is given, and another that is given what it answers."""

    async def raises(self, error):
        raise error

    async def takes(self, answer, *, also=None):
        return answer

    async def _inner(self):
        raise UnknownImage("'x'")


@pytest.mark.parametrize("error", [UnknownImage("'x' is no image"), Overloaded("photos", seconds=7), ReplicaLost("Editor")])
def test_an_error_of_ours_is_an_answer_that_is_raised_where_it_was_asked_for(error):
    """Ray Serve logs a traceback of 3 KB of each that is raised."""
    deployment = Deployment()
    answer = asyncio.run(deployment.raises(error))
    assert isinstance(answer, RaisedError)
    assert answer.error.__traceback__ is None
    assert asyncio.run(deployment.takes(answer)) is asyncio.run(deployment.takes(1, also=answer)) is answer
    with pytest.raises(type(error)) as found:
        said(pickle.loads(pickle.dumps(answer)))
    assert str(found.value) == str(error)
    assert getattr(found.value, "seconds", None) == getattr(error, "seconds", None)


def test_a_fault_is_raised_and_logged():
    with pytest.raises(KeyError):
        asyncio.run(Deployment().raises(KeyError("x")))
    with pytest.raises(UnknownImage):
        asyncio.run(Deployment()._inner())
    assert asyncio.run(Deployment().takes(3)) == 3


@pytest.mark.parametrize("kind", [EditorDeployment, EncoderDeployment, RankerDeployment])
def test_every_deployment_returns_its_errors(kind):
    public = [name for name, method in vars(kind).items() if not name.startswith("_") and inspect.iscoroutinefunction(method)]
    assert "ready" in public
    for name in public:
        if name != "counts":
            given = RaisedError(UnknownImage(name))
            assert asyncio.run(getattr(kind, name)(None, given)) is given
